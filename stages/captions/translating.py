"""Captions through another language and in another language: what is asked of the model, and of which captions."""

from __future__ import annotations

from collections.abc import Sequence

from clapline.storage import content_key
from stages.captions import checks
from stages.captions.prompts import Prompt

PIVOTS = ("German", "French", "Spanish", "Japanese", "Finnish")
BACK_TRANSLATE_TRAIN = Prompt(
    "back_translate-train-1",
    'Translate the given audio caption into the language named under "pivot"; then translate that translation back '
    "into English, closely and without looking at the caption again. Answer with the final English sentence alone. "
    "Keep every sound, number, place and order in time; add nothing, no names.",
)
TRANSLATE_TRAIN = Prompt(
    "translate-train-1",
    'Translate the given audio caption into the language whose ISO 639 code stands under "language", as a native '
    "speaker would describe what is heard: one sentence, nothing added, nothing left out. Answer with the translation "
    "alone, in the language's own script.",
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
