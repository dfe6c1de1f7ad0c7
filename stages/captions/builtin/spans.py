"""Stretches of tagged words: put back into text, and the base forms of their verbs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.captions.builtin import forms
from stages.captions.builtin import tagging as t
from stages.captions.builtin.tagging import Word
from stages.captions.builtin.verbs import base_of_gerund, base_of_past, base_of_third


def crowded(words: Sequence[Word]) -> bool:
    """Tell whether a mark or a joining word stands among the words."""
    return any(word.part in {t.MARK, t.CONJUNCTION, t.JOINING} for word in words)


def follows_conjunction(words: Sequence[Word], place: int) -> bool:
    """Tell whether "and", a comma or "then" stands before a word, adverbs aside."""
    before = place - 1
    while before >= 0 and words[before].part == t.ADVERB:
        before -= 1
    return before >= 0 and (words[before].part in {t.CONJUNCTION, t.MARK} or words[before].low == "then")


def base_of(word: Word) -> str | None:
    """Return the base of a verb in any form, or None where none is known."""
    low = word.low
    if word.part == t.GERUND:
        return base_of_gerund(low) or _guessed_from_gerund(low)
    if word.part == t.FINITE:
        return base_of_third(low) or (base_of_past(low) if base_of_past(low) else None) or _unknown_base(low)
    return base_of_past(low)


def _unknown_base(low: str) -> str:
    return forms.guessed_base(low) if low.endswith("s") else low


def _guessed_from_gerund(low: str) -> str:
    """Return a base whose -ing form is the word: "zapping" → "zap", "whizzing" → "whizz"."""
    root = low[:-3]
    candidates = [root, root + "e", root[:-1] if root[-1:] == root[-2:-1] else root]
    return next((base for base in candidates if forms.gerund(base) == low), root)


def text_of(words: Sequence[Word]) -> str:
    """Return the words as they stood in their text."""
    return spaced(words, [word.text for word in words])


def spaced(words: Sequence[Word], pieces: Sequence[str]) -> str:
    """Put pieces together with a space wherever their words had one."""
    text = ""
    for place, (word, piece) in enumerate(zip(words, pieces, strict=True)):
        gap = " " if place and word.start > words[place - 1].end else ""
        text += gap + piece
    return text


def join(*parts: str) -> str:
    """Return the parts that are not empty with a space between."""
    return re.sub(r"\s+([,;])", r"\1", " ".join(part for part in parts if part))
