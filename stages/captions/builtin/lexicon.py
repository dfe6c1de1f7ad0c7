"""The sound-domain synonyms: read, inflected, and put in the place of a caption's words.

Each entry has alternatives for training and others for the benchmarks; no alternative stands on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clapline.text.words import FUNCTION_WORDS, word_set
from stages.captions.builtin import forms

Maker = Callable[[str], str]
_NOUN_FOLLOWS = word_set(
    """
    a an the this that these those some any each every another its his her their several many few two three four
    five multiple various other in on at by from into onto with without over under across through along against
    near of
    """
)
# Words of the frames, which carry grammar here whatever they mean elsewhere: "can be heard", "the sound of".
_GRAMMAR = FUNCTION_WORDS - {"outside", "inside", "simultaneously"}
_SINGULAR_SOUNDS_PLURAL = frozenset({"men", "women", "people", "leaves", "dishes", "scissors"})


@dataclass(frozen=True)
class Entry:
    """A word with its alternatives by purpose."""

    part: str  # n, b, v, w
    word: str
    alternatives: dict[str, tuple[str, ...]]


@cache
def entries() -> tuple[Entry, ...]:
    """Return the entries in file order."""
    found = []
    for line in Path(__file__).with_name("lexicon.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        head, train, test = (part.strip() for part in line.split("|"))
        part, word = head.split(" ", 1)
        sides = {"train": train, "test": test}
        found.append(Entry(part, word, {k: tuple(a.strip() for a in v.split(",")) for k, v in sides.items()}))
    return tuple(found)


@cache
def replacements(purpose: str, kinds: str) -> dict[str, tuple[str, ...]]:
    """Return, for every form of every word of some kinds ("n", "v", "b", "w"), the same form of its alternatives."""
    table: dict[str, tuple[str, ...]] = {}
    for entry in entries():
        if entry.part in kinds:
            for form, inflect in _inflections(entry):
                # The base form comes first: "cut" stays "chop" though it is its own past too.
                table.setdefault(form, tuple(inflect(alternative) for alternative in entry.alternatives[purpose]))
    return table


def _inflections(entry: Entry) -> list[tuple[str, Maker]]:
    def same(text: str) -> str:
        return text

    if entry.part == "w" or entry.word in _SINGULAR_SOUNDS_PLURAL:
        return [(entry.word, same)]
    if entry.part == "n":
        return [(entry.word, same), (forms.plural(entry.word), _last(forms.plural))]
    makers = [forms.third, forms.gerund, forms.past]
    return [(entry.word, same), *((maker(entry.word), _first(maker)) for maker in makers)]


def _first(maker: Maker) -> Maker:
    def inflected(phrase: str) -> str:
        head, space, rest = phrase.partition(" ")
        return maker(head) + space + rest

    return inflected


def _last(maker: Maker) -> Maker:
    def inflected(phrase: str) -> str:
        # "piece of foliage" → "pieces of foliage"; else the last word carries the number.
        head, of, tail = phrase.partition(" of ")
        words = head.split(" ")
        plural_already = words[-1].endswith("s") and not words[-1].endswith(("ss", "us"))
        last = words[-1] if plural_already else maker(words[-1])
        return " ".join([*words[:-1], last]) + of + tail

    return inflected


@cache
def adjectives() -> frozenset[str]:
    """Return the entries that describe a noun (the adverbs in -ly aside)."""
    return frozenset(entry.word for entry in entries() if entry.part == "w" and not entry.word.endswith("ly"))


@cache
def _phrases(purpose: str) -> re.Pattern[str]:
    listed = sorted((word for word in replacements(purpose, "nw") if " " in word), key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, listed)) + r")\b", re.IGNORECASE)


def find(text: str, purpose: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """Return (start, end, alternatives) for the replaceable words and phrases of a text, in order, not overlapping."""
    found = [
        (m.start(), m.end(), replacements(purpose, "nw")[m.group().lower()]) for m in _phrases(purpose).finditer(text)
    ]
    taken = [(start, end) for start, end, _ in found]
    before = ""
    for match in re.finditer(r"[A-Za-z]+(?:-[A-Za-z]+)*\b(?!['’])", text):
        word = match.group().lower()
        inside = any(start <= match.start() < end for start, end in taken)
        alternatives = None if inside or word in _GRAMMAR else _alternatives(word, before, purpose)
        if alternatives:
            found.append((match.start(), match.end(), alternatives))
        before = word
    return sorted(found)


def _alternatives(word: str, before: str, purpose: str) -> tuple[str, ...] | None:
    """Return the alternatives that fit the word's place: after an article, adjective or preposition it is a noun."""
    nouns, plain = replacements(purpose, "n"), replacements(purpose, "w")
    both, verbs = replacements(purpose, "b"), replacements(purpose, "bv")
    if word.endswith("ing"):
        return verbs.get(word) or nouns.get(word) or plain.get(word)
    if before in _NOUN_FOLLOWS or before in plain:
        # A verb of several words makes no noun: "the speed up".
        single = tuple(alternative for alternative in both.get(word, ()) if " " not in alternative)
        return plain.get(word) or nouns.get(word) or single
    if (
        (word in verbs and word.endswith("s"))
        or before.endswith("s")
        or before in {"to", "people", "children", "men", "women"}
    ):
        return verbs.get(word) or plain.get(word) or nouns.get(word)
    # A bare form elsewhere is no verb: "close proximity".
    return nouns.get(word) or plain.get(word) or (verbs if word.endswith("ed") else both).get(word)
