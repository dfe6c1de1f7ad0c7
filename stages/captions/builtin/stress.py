"""Stressed queries by rule: a caption as a sound engineer writes it down, and as one says it to a friend."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clapline.randomness import derived_seed
from clapline.text.order import same_order
from clapline.text.words import numbers, stem, word_set
from stages.captions.builtin import forms
from stages.captions.builtin.tagging import (
    ADJECTIVE,
    ADVERB,
    FINITE,
    GERUND,
    INFINITIVE,
    JOINING,
    MODIFIER,
    NOUN,
    PARTICIPLE,
    VERBAL_NOUN,
    Word,
    tagged,
)
from stages.captions.builtin.verbs import base_of_third

_GRAMMAR = word_set(
    """
    a an the is are was were be being been am there it it's its his her their this that these those some any
    they them he she we you can could may might will would shall should which who has have had do does did heard
    """
)
_MEANWHILE = ("over", "superimposed on", "with")
_ACTIONS = frozenset({FINITE, GERUND, INFINITIVE})
_OPENERS = ("", "", "like ", "yo ", "ok so ")
_CLOSERS = ("", "", " lol", " fr", " n stuff")
#: "-ing" words that are no verbs: they keep their g.
_KEEP_G = word_set(
    """
    thing something nothing anything everything morning evening during spring string ring king wing swing sling ding
    ping sing bring sting fling cling wring ceiling building wedding
    """
)


@dataclass(frozen=True)
class _Entry:
    part: str
    words: str
    terms: tuple[str, ...]


@cache
def entries(kind: str) -> tuple[_Entry, ...]:
    """Return the entries of a word list, "jargon" or "slang", in file order."""
    found = []
    for line in Path(__file__).with_name(f"{kind}.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            head, terms = line.split("|")
            part, words = head.strip().split(" ", 1)
            found.append(_Entry(part, words.strip(), tuple(term.strip() for term in terms.split(","))))
    return tuple(found)


def stressed(purpose: str, asked: dict[str, Any], wanted: list[str], turn: int) -> dict[str, str]:
    """Return, for each wanted name, the `turn`-th wording of `asked["query"]` in the manner of `asked["kind"]`.

    A kind that the rules do not know (a language) gets no text, as from a model that cannot do it.
    """
    maker = _MAKERS.get(asked["kind"])
    if maker is None:
        return {}
    return {name: _chosen(asked["query"], maker, turn) for name in wanted}


def _chosen(query: str, maker: Callable[[str, int], str], turn: int) -> str:
    """Return the first wording, from the `turn`-th on, that keeps the query's numbers and order."""
    body = " ".join(query.split()).rstrip(" .;,")
    body = body if body[1:].islower() else body.lower()
    body = body[:1].lower() + body[1:]
    words = [maker(body, turn + more) for more in range(3)]
    fitting = (text for text in words if numbers(text) == numbers(query) and same_order(query, text))
    return next(fitting, words[0])


def _turned(terms: tuple[str, ...], query: str, turn: int) -> str:
    """Return one of several terms: which, the query decides, and the next one at each asking."""
    return terms[(derived_seed(0, "stress", query, terms[0]) + turn) % len(terms)]


# Jargon: grammar goes, things get their trade names, actions become nouns, so that nouns are stacked.


@dataclass(frozen=True)
class _Term:
    text: str
    part: str
    singular: str = ""


def _jargon(body: str, turn: int) -> str:
    words = [word for word in _adverbs_last(body) if word.low not in _GRAMMAR]
    found = list(_terms(words, body, turn))
    said = []
    for place, term in enumerate(found):
        nearby = found[place + 1].part if place + 1 < len(found) else ""
        # "Canine vocalisation", not "canines vocalisation".
        said.append(term.singular if term.part == "n" and nearby == "a" else term.text)
    return re.sub(r"^(?:, |and )|(?: and|,)$", "", re.sub(r" +,(?: ,)*", ",", " ".join(said)))


def _terms(words: list[Word], query: str, turn: int) -> Iterator[_Term]:
    place = 0
    while place < len(words):
        word = words[place]
        phrase, length = _phrase(words, place)
        if phrase:
            yield _Term(_turned(phrase.terms, query, turn), phrase.part)
            place += length
            continue
        yield _single(word, query, turn)
        place += 1


def _phrase(words: list[Word], place: int) -> tuple[_Entry | None, int]:
    """Return the entry of two or three words that begins here, "barking dog" read as "dog bark", and its length."""
    for length in (3, 2):
        here = words[place : place + length]
        if len(here) < length:
            continue
        keys = tuple(_key(word.low) for word in here)
        table = _jargon_table().get(keys, {})
        if "w" in table:
            return table["w"], length
        if "a" in table and here[-1].part not in {PARTICIPLE, MODIFIER, ADJECTIVE}:
            return table["a"], length
        if length == 2 and here[0].part == MODIFIER and here[0].low.endswith("ing"):
            turned = _jargon_table().get((keys[1], keys[0]), {})
            if "a" in turned:
                return turned["a"], length
    return None, 0


def _single(word: Word, query: str, turn: int) -> _Term:
    table = _jargon_table().get((_key(word.low),), {})
    if "n" in table and word.low not in {table["n"].words, forms.plural(table["n"].words)}:
        # "Taping" is no tap, though their stems are one.
        table = {part: entry for part, entry in table.items() if part != "n"}
    if word.part in _ACTIONS:
        order = "aw"
    elif word.part in {NOUN, VERBAL_NOUN}:
        order = "nwa"
    else:
        order = "" if word.part in {PARTICIPLE, MODIFIER} else "wn"
    if word.low == "while" or (word.part == JOINING and word.low in {"as", "when"}):
        return _Term(_turned(_MEANWHILE, query, turn), "w")
    entry = next((table[part] for part in order if part in table), None)
    if entry is None:
        base = base_of_third(word.low) or word.low
        # An action that has no name of its own: "train pulling in".
        return _Term(forms.gerund(base), "a") if word.part == FINITE else _Term(word.low, "w")
    text = _turned(entry.terms, query, turn)
    plural = entry.part == "n" and word.low != entry.words and word.low == forms.plural(entry.words)
    if not plural:
        return _Term(text, entry.part, text)
    *front, last = text.split(" ")
    return _Term(" ".join([*front, forms.plural(last)]), "n", text)


def _adverbs_last(text: str) -> list[Word]:
    """Return the tagged words of a text, "loudly barking" turned to "barking loudly"."""
    words = list(tagged(text))
    for place in range(len(words) - 1):
        word, nearby = words[place], words[place + 1]
        if word.part == ADVERB and word.low.endswith("ly") and nearby.part in _ACTIONS:
            words[place : place + 2] = [nearby, word]
    return words


def _key(word: str) -> str:
    return word if word == "people" else stem(word)


@cache
def _jargon_table() -> dict[tuple[str, ...], dict[str, _Entry]]:
    table: dict[tuple[str, ...], dict[str, _Entry]] = {}
    for entry in entries("jargon"):
        table.setdefault(tuple(_key(word) for word in entry.words.split(" ")), {}).setdefault(entry.part, entry)
    return table


# Slang: the sentence stays, its words change, endings are swallowed.


def _slang(body: str, turn: int) -> str:
    opener, closer = _turned(_OPENERS, body, turn), _turned(_CLOSERS, body + " ", turn)
    text = opener + _swallowed(" ".join(_slang_terms(_adverbs_last(body), body, turn))) + closer
    return re.sub(r"\s+(?=,)|(?<=\s)\s+", "", text).strip()


def _slang_terms(words: list[Word], query: str, turn: int) -> Iterator[str]:
    place = 0
    while place < len(words):
        for length in (4, 3, 2):
            phrase = " ".join(word.low for word in words[place : place + length])
            options = _slang_table().get(phrase, {})
            if len(words) - place >= length and "w" in options:
                yield _turned(options["w"], query, turn)
                place += length
                break
        else:
            word = words[place]
            terms = _slang_options(word)
            text = _turned(terms, query, turn) if terms else word.text
            swallowed = word.part in {*_ACTIONS, VERBAL_NOUN, MODIFIER} or terms
            yield _clipped(text) if swallowed else text
            place += 1


def _slang_options(word: Word) -> tuple[str, ...]:
    table = _slang_table().get(word.low, {})
    if word.part in _ACTIONS:
        return table.get("v", ())
    if word.part in {VERBAL_NOUN, MODIFIER, PARTICIPLE}:
        return _short(table.get("v", ()))
    if word.part == NOUN:
        return table.get("n") or table.get("w") or _short(table.get("v", ()))
    return table.get("w") or table.get("n", ()) if word.part != ADVERB else table.get("w", ())


def _short(terms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the terms that are one word: "a woof" is said, "a go woof" is not."""
    return tuple(term for term in terms if " " not in term)


def _clipped(phrase: str) -> str:
    head, space, rest = phrase.partition(" ")
    cut = head.endswith("ing") and len(head) > 4 and head not in _KEEP_G
    return (head[:-1] if cut else head) + space + rest


def _swallowed(text: str) -> str:
    """Swallow what is swallowed in talk: the article in front, "is" before a verb; mend the articles that are left."""
    text = re.sub(r"^(?:an?|the|there is an?|there are) ", "", text)
    text = re.sub(r"\b(it|that) is\b", r"\1's", text)
    text = re.sub(r"\b(?:is|are) (?=\w+in\b(?<! in))", "", text)
    text = re.sub(r"\ban? (?=(?:some|tons of|a buncha|buckets of|the)\b)", "", text)
    text = re.sub(r"\ban? (?=[aeiou])", "an ", text)
    return re.sub(r"\ban (?=[^aeiou\W])", "a ", text)


@cache
def _slang_table() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return, for every form of every entry, its terms in the same form, by part: n, v, w."""
    table: dict[str, dict[str, tuple[str, ...]]] = {}
    for entry in entries("slang"):
        for part, form, inflect in _inflections(entry):
            table.setdefault(form, {}).setdefault(part, tuple(inflect(term) for term in entry.terms))
    return table


def _inflections(entry: _Entry) -> list[tuple[str, str, Callable[[str], str]]]:
    if entry.part == "n":
        return [("n", entry.words, str), ("n", forms.plural(entry.words), _last_plural)]
    if entry.part == "v":
        makers = (forms.third, forms.gerund, forms.past)
        return [("v", entry.words, str), *(("v", maker(entry.words), _first(maker)) for maker in makers)]
    return [("w", entry.words, str)]


def _first(maker: Callable[[str], str]) -> Callable[[str], str]:
    def inflected(phrase: str) -> str:
        head, space, rest = phrase.partition(" ")
        return maker(head) + space + rest

    return inflected


def _last_plural(phrase: str) -> str:
    *front, last = phrase.split(" ")
    return " ".join([*front, last if last.endswith("s") else forms.plural(last)])


_MAKERS: dict[str, Callable[[str, int], str]] = {"jargon": _jargon, "slang": _slang}
