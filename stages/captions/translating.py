"""Captions through another language and in another language: what is asked of the model, and of which captions."""

from __future__ import annotations

from collections.abc import Sequence

from clapline.storage import content_key
from stages.captions import checks
from stages.captions.prompts import Prompt

PIVOTS = ("German", "French", "Spanish", "Japanese", "Finnish")
BACK_TRANSLATE_TRAIN = Prompt(
    "back_translate-train-2",
    'Translate the given audio caption into the language named under "pivot"; then translate that translation back '
    "into English, closely and without looking at the caption again. Keep every sound, number, place and order in "
    "time; add nothing, no names. Only the final English sentence stands in the answer.\n"
    'Example, for "A dog barks twice while rain falls on a roof" and the pivot "German": '
    '{"answers": {"text": "A dog barks two times while the rain is falling on a roof"}}',
)
TRANSLATE_TRAIN = Prompt(
    "translate-train-2",
    'Translate the given audio caption into the language whose ISO 639 code stands under "language", as a native '
    "speaker would describe what is heard: one sentence, nothing added, nothing left out, in the language's "
    "own script. Only the translation stands in the answer.\n"
    'Example, for "A dog barks twice while rain falls on a roof" and the language "de": '
    '{"answers": {"text": "Ein Hund bellt zweimal, während Regen auf ein Dach fällt"}}',
)


def drawn(captions: Sequence[str], what: str, count: int) -> list[str]:
    """Return `count` different captions of a clip (all, if it has fewer), the first in the order of a hash."""
    return sorted(dict.fromkeys(captions), key=lambda caption: content_key(what, caption))[:count]


def pivot(caption: str) -> str:
    """Return the language that a caption is sent through, drawn by its hash."""
    return PIVOTS[int(content_key("pivot", caption), 16) % len(PIVOTS)]


def back_translation(caption: str, text: str) -> str | None:
    """Return the first failure of a caption that came back from another language, or None."""
    return (
        checks.english(text)
        or checks.sentence(text)
        or checks.differs([caption], text)
        or checks.length_ratio(caption, text)
        or checks.same_numbers(caption, text)
        or checks.no_new_names([caption], text)
        or checks.negation_kept(caption, text)
        or checks.order_kept(caption, text)
        or checks.loudness_and_place(caption, text, 2)
    )
