"""New captions of a clip by rule: its captions in other structures and words, no two alike, without numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clapline.text.words import NUMBERS, tokens
from stages.captions.builtin.paraphrase import paraphrase

_LONGEST_WORDS = 20


def new_captions(captions: list[str], all_names: list[str], wanted: list[str], turn: int) -> dict[str, str]:
    """Return a text for every wanted name; each asking goes on where the last one stopped."""
    supply = _supply([_without_numbers(caption) for caption in captions], captions)
    skipped = turn * len(all_names)
    texts = [text for _, text in zip(range(skipped + len(all_names)), supply, strict=False)]
    fresh = texts[skipped:] or texts
    return dict(zip(wanted, fresh, strict=False))


def _supply(captions: list[str], given: list[str]) -> Iterator[str]:
    seen = {tuple(tokens(text)) for text in given}
    for turn in range(4):
        for level in (2, 1):
            for caption in captions:
                text = paraphrase(caption, level, "train", turn)
                key = tuple(tokens(text))
                if key not in seen and 3 <= len(key) <= _LONGEST_WORDS:
                    seen.add(key)
                    yield text


def _without_numbers(caption: str) -> str:
    def plain(match: re.Match[str]) -> str:
        word = match.group().lower()
        return {"twice": "repeatedly", "thrice": "repeatedly"}.get(word, "some")

    listed = "|".join(sorted(word for word in NUMBERS if word != "one"))
    return re.sub(rf"\b(?:{listed}|\d+)\b", plain, caption, flags=re.IGNORECASE)
