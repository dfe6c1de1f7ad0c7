"""The words of the captions: per class, per trait, per background and per connective.

Published captions use `subjects`, `verbs` and `nominals` only. `train` and `test` are two further vocabularies of the
same meaning that no published caption uses: a rewriter of training captions may draw on the one and a rewriter of
test queries on the other, so that what is asked at test time was never seen in training.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Reserve:
    """One more way to say a class: subject, verb as third person and as -ing form, noun phrase."""

    subject: str
    verb: tuple[str, str]
    nominal: str


@dataclass(frozen=True)
class Words:
    """Ways to say a class. Subjects are singular; any goes with any verb (third person, -ing form)."""

    subjects: tuple[str, ...]
    verbs: tuple[tuple[str, str], ...]
    nominals: tuple[str, ...]
    train: Reserve
    test: Reserve


@dataclass(frozen=True)
class Modifiers:
    """Ways to say a trait: before a noun, after a verb; with a reserve (adjective, adverb) for each purpose."""

    adjectives: tuple[str, ...]
    adverbs: tuple[str, ...]
    train: tuple[str, str]
    test: tuple[str, str]


# published phrase: the same in the training vocabulary; in the test vocabulary
CONNECTIVES: dict[str, tuple[str, str]] = {
    "followed by": ("succeeded by", "giving way to"),
    "and then": ("and thereafter", "and afterwards"),
    "then": ("thereafter", "afterwards"),
    "before": ("ahead of", "in advance of"),
    "after": ("following", "subsequent to"),
    "while": ("whilst", "during which"),
    "at the same time": ("simultaneously", "concurrently"),
    "together with": ("along with", "accompanied by"),
    "finally": ("ultimately", "in the end"),
    "can be heard": ("is audible", "is perceptible"),
    "in the background": ("at the back", "underneath"),
}


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(","))


def _reserve(text: str) -> Reserve:
    subject, third, progressive, nominal = (part.strip() for part in text.split("/"))
    return Reserve(subject, (third, progressive), nominal)


def _blocks() -> dict[str, dict[str, dict[str, str]]]:
    """Read lexicon.txt: kind of block ("sound", "trait", "background") → name → field → text."""
    blocks: dict[str, dict[str, dict[str, str]]] = {"sound": {}, "trait": {}, "background": {}}
    fields: dict[str, str] = {}
    for line in Path(__file__).with_name("lexicon.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        key, text = (part.strip() for part in line.split(":", 1))
        if line.startswith(" "):
            fields[key] = text
        else:
            fields = blocks[key].setdefault(text, {})
    return blocks


def _words(fields: dict[str, str]) -> Words:
    verbs = [verb.split("/") for verb in _items(fields["verbs"])]
    return Words(
        subjects=_items(fields["subjects"]),
        verbs=tuple((third, progressive) for third, progressive in verbs),
        nominals=_items(fields["nominals"]),
        train=_reserve(fields["train"]),
        test=_reserve(fields["test"]),
    )


def _modifiers(fields: dict[str, str]) -> Modifiers:
    train, test = _items(fields["train"]), _items(fields["test"])
    return Modifiers(_items(fields["adjectives"]), _items(fields["adverbs"]), (train[0], train[1]), (test[0], test[1]))


_READ = _blocks()
LEXICON: dict[str, Words] = {name: _words(fields) for name, fields in _READ["sound"].items()}
TRAITS: dict[str, Modifiers] = {name: _modifiers(fields) for name, fields in _READ["trait"].items()}
# Background: where (after a clause); what is heard behind.
SETTINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    name: (_items(fields["places"]), _items(fields["noises"])) for name, fields in _READ["background"].items()
}


def class_phrase(sound: str) -> str:
    """Return the plainest phrase for a class, e.g. "a dog barking"."""
    words = LEXICON[sound]
    return f"{words.subjects[0]} {words.verbs[0][1]}"


def without_article(phrase: str) -> str:
    """Return a noun phrase without its leading article."""
    return re.sub(r"^(a|an|the) ", "", phrase)


@functools.cache
def _said(sound: str) -> re.Pattern[str]:
    words = LEXICON[sound]
    clauses = [f"{subject} {form}" for subject in words.subjects for verb in words.verbs for form in verb]
    phrases = [*clauses, *map(without_article, words.nominals)]
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})\b", re.IGNORECASE)


def mention(caption: str, sound: str) -> int:
    """Return where a published caption first speaks of a class (by a clause or noun phrase of it), or -1."""
    found = _said(sound).search(caption)
    return found.start() if found else -1
