"""The sound-domain synonyms: read from lexicon.txt (nouns) and lexicon_actions.txt (the others) and inflected.

Each entry has alternatives for training and others for the benchmarks; no alternative stands on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clapline.text.words import stem
from stages.captions.builtin import forms

Maker = Callable[[str], str]
_NUMBERLESS = frozenset({"men", "women", "people", "leaves", "dishes", "scissors", "chimes", "stairs", "clothes"})


@dataclass(frozen=True)
class Entry:
    """A word with its alternatives by purpose, nearest in meaning first; `far` where even the nearest says less."""

    part: str  # n, b, v, vi, vt, w
    word: str
    alternatives: dict[str, tuple[str, ...]]
    far: bool = False


@cache
def entries() -> tuple[Entry, ...]:
    """Return the entries in file order."""
    found = []
    lines = [
        line
        for name in ("lexicon.txt", "lexicon_actions.txt")
        for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    ]
    for line in lines:
        if not line or line.startswith("#"):
            continue
        head, train, test, *mark = (part.strip() for part in line.split("|"))
        part, word = head.split(" ", 1)
        sides = {"train": train, "test": test}
        found.append(
            Entry(part, word, {k: tuple(a.strip() for a in v.split(",")) for k, v in sides.items()}, bool(mark))
        )
    return tuple(found)


@cache
def replacements(purpose: str, part: str, form: str) -> dict[str, tuple[str, ...]]:
    """Return the alternatives of every word of a part ("n", "b", "v", "vi", "vt", "w") in one form, by that form.

    Forms: "base" (also the only one of "w"), "plural" of nouns; "base", "third", "gerund", "past", "participle" of
    verbs. The noun that a "b" word is has the forms "base" and "third".
    """
    return {
        _make(part, form)(entry.word) if entry.word not in _NUMBERLESS else entry.word: tuple(
            _phrase(part, form, alternative) if entry.word not in _NUMBERLESS else alternative
            for alternative in entry.alternatives[purpose]
        )
        for entry in entries()
        if entry.part == part
    }


@cache
def far_stems() -> frozenset[str]:
    """Return the stems of the words whose alternatives are far from them."""
    return frozenset(stem(entry.word) for entry in entries() if entry.far)


_MAKERS: dict[str, Maker] = {
    "base": str,
    "third": forms.third,
    "gerund": forms.gerund,
    "past": forms.past,
    "participle": forms.participle,
    "plural": forms.plural,
}


def _make(part: str, form: str) -> Maker:
    return str if part == "w" else _MAKERS[form]


def _phrase(part: str, form: str, phrase: str) -> str:
    """Return an alternative in a form: verbs inflect their first word, nouns their last (before a preposition)."""
    make = _make(part, form)
    if part != "n":
        head, space, rest = phrase.partition(" ")
        return make(head) + space + rest
    # "piece of foliage" → "pieces of foliage".
    head, *tail = re.split(r"(?= (?:of|in|with|without|from|on|to) )", phrase, maxsplit=1)
    words = head.split(" ")
    plural_already = words[-1].endswith("s") and not words[-1].endswith(("ss", "us"))
    last = words[-1] if plural_already else make(words[-1])
    return " ".join([*words[:-1], last]) + "".join(tail)
