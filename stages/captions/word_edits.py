"""Word-level edits of captions as further texts to train on, by rule (after EDA; Wei and Zou, EMNLP-IJCNLP 2019).

Four operations: a synonym in a word's place, a word left out, two neighbouring content words exchanged, a synonym
put in besides. A hash of the caption draws which and where. Numbers, negations and words that tell order stay, and only
neighbours change places, so that "a man sings a song" keeps its singer. Synonyms are of the lexicon's training half.

The texts are noisy by design: a word left out may be a sound's name, so a text may tell less than the clip holds.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clapline.randomness import generator
from clapline.text.words import FUNCTION_WORDS, NUMBERS, word_set
from stages.captions import checks
from stages.captions.asking import Accepted, Dropped, Outcome
from stages.captions.builtin.places import agreed, fitting_synonyms
from stages.captions.meaning import Meaning

MODEL = "rule"
VERSION = "word-edits-2"
SHARE = 0.1  # of the words that may be edited; at least one is
NAME = "text"
_ATTEMPTS = 4
_FEWEST_WORDS = 3
_UNTOUCHED = word_set(
    """
    no not never none nothing neither nor without cannot
    then before after afterwards later next until till since during while whilst as when once first second third last
    finally lastly subsequently following followed preceded by and but or again simultaneously meanwhile
    """
) | frozenset(NUMBERS)
# The next word is their own: without it "no man" would deny the rest, and "two dogs" count it.
_DETERMINERS = word_set(
    """
    a an the this that these those some any each every either another other several many few most all both
    my your his her its our their no not never none neither nor without cannot
    """
) | frozenset(NUMBERS)
# The word before is their subject.
_AUXILIARIES = word_set("is are was were be being been am has have had can could will would do does did may might")
_LETTER = r"(?:[^\W_]|[\u0300-\u036f])"  # of any script, and the accents that are written apart from it
_WORD = re.compile(rf"{_LETTER}+(?:['’.-]{_LETTER}+)*")


@dataclass(frozen=True)
class _Words:
    """A caption as words and what stands between them: `gaps[k]` is before word k, the last one after all."""

    words: list[str]
    gaps: list[str]

    @classmethod
    def of(cls, text: str) -> _Words:
        matches = list(_WORD.finditer(text))
        ends = [0, *(match.end() for match in matches)]
        starts = [*(match.start() for match in matches), len(text)]
        return cls([m.group() for m in matches], [text[a:b] for a, b in zip(ends, starts, strict=True)])

    def text(self) -> str:
        return "".join(gap + word for gap, word in zip(self.gaps, [*self.words, ""], strict=True))

    def stretches(self) -> list[list[int]]:
        """Return the places of words that may be edited, in stretches between words and marks that may not."""
        found: list[list[int]] = [[]]
        for place, (word, gap) in enumerate(zip(self.words, self.gaps, strict=False)):
            if place and gap != " ":
                found.append([])
            if may_be_edited(word):
                found[-1].append(place)
            else:
                found.append([])
        return [stretch for stretch in found if stretch]


def may_be_edited(word: str) -> bool:
    """Tell whether a word is neither a number, a negation nor a word that tells order or joins two sounds."""
    low = word.lower().replace("’", "'")
    return low not in _UNTOUCHED and not low.endswith("n't") and not any(character.isdigit() for character in low)


def edited(caption: str, turn: int) -> str:
    """Return the caption with one operation on a tenth of its words, at least one; another turn draws another edit.

    A caption that leaves nothing to edit comes back as it is.
    """
    first = caption.split(" ", 1)[0]
    capital = first != "I" and (first[:1].isupper() and (first[1:].islower() or len(first) == 1))
    body = caption[0].lower() + caption[1:] if capital else caption
    draw = generator(0, "word_edits", caption, turn)
    count = max(1, round(SHARE * sum(map(len, _Words.of(body).stretches()))))
    for operation in draw.permutation(len(_OPERATIONS)):
        text = body
        for _ in range(count):
            text = _OPERATIONS[operation](text, draw) or text
        text = agreed(text) if text != body else text
        if text != body:
            return text[0].upper() + text[1:] if capital else text
    return caption


def _synonyms(text: str) -> list[tuple[int, int, tuple[str, ...]]]:
    found = fitting_synonyms(text)
    return [place for place in found if all(map(may_be_edited, _WORD.findall(text[place[0] : place[1]])))]


def _replaced(text: str, draw: np.random.Generator) -> str | None:
    places = _synonyms(text)
    if not places:
        return None
    start, end, options = places[draw.integers(len(places))]
    return text[:start] + options[draw.integers(len(options))] + text[end:]


def _deleted(text: str, draw: np.random.Generator) -> str | None:
    split = _Words.of(text)
    content = [word for word in split.words if word.lower() not in FUNCTION_WORDS]
    places = [place for stretch in split.stretches() for place in stretch if not _belongs(split, place)]
    # The last two words that say anything stay.
    places = [place for place in places if len(content) > 2 or split.words[place].lower() in FUNCTION_WORDS]
    if len(split.words) <= _FEWEST_WORDS or not places:
        return None
    place = int(places[draw.integers(len(places))])
    before, after = split.gaps[place], split.gaps[place + 1]
    gap = before if place == 0 or after == " " else after
    return _Words(
        split.words[:place] + split.words[place + 1 :], [*split.gaps[:place], gap, *split.gaps[place + 2 :]]
    ).text()


def _belongs(split: _Words, place: int) -> bool:
    """Tell whether a word is what a determiner, negation or number speaks of, or what an auxiliary verb does."""
    before = split.words[place - 1].lower().replace("’", "'") if place and split.gaps[place] == " " else ""
    after = split.words[place + 1].lower() if place + 1 < len(split.words) and split.gaps[place + 1] == " " else ""
    counted = any(character.isdigit() for character in before)
    return before in _DETERMINERS or before.endswith("n't") or counted or after in _AUXILIARIES


def _swapped(text: str, draw: np.random.Generator) -> str | None:
    split = _Words.of(text)
    low = [word.lower() for word in split.words]
    pairs = [
        (one, other)
        for stretch in split.stretches()
        for one, other in itertools.pairwise(stretch)
        if other == one + 1 and low[one] != low[other] and not {low[one], low[other]} & FUNCTION_WORDS
    ]
    if not pairs:
        return None
    one, other = pairs[draw.integers(len(pairs))]
    words = list(split.words)
    words[one], words[other] = words[other], words[one]
    return _Words(words, split.gaps).text()


def _inserted(text: str, draw: np.random.Generator) -> str | None:
    single = [option for _, _, options in _synonyms(text) for option in options if " " not in option]
    split = _Words.of(text)
    # Behind a word that may be edited: "no" and "two" keep the word that they belong to.
    places = [place for stretch in split.stretches() for place in stretch]
    if not single or not places:
        return None
    place = int(places[draw.integers(len(places))]) + 1
    words = [*split.words[:place], single[draw.integers(len(single))], *split.words[place:]]
    return _Words(words, [*split.gaps[:place], " ", *split.gaps[place:]]).text()


_OPERATIONS = (_replaced, _deleted, _swapped, _inserted)


def edit_all(captions: Sequence[str], meaning: Meaning, least: Sequence[float]) -> list[Outcome]:
    """Return an outcome for every caption, in order, with one text under NAME: accepted, or dropped with the reason.

    `least` is the least similarity of each caption's text to it. Equal captions share their outcome. A text that fails
    a check or lies too far in meaning is drawn anew, four times at most.
    """
    bounds = dict(zip(captions, least, strict=True))
    outcomes = {caption: Outcome() for caption in bounds}
    waiting = list(outcomes)
    for turn in range(_ATTEMPTS):
        texts = {caption: edited(caption, turn) for caption in waiting}
        failures = {caption: failure for caption, text in texts.items() if (failure := _failure(caption, text))}
        passed = [caption for caption in waiting if caption not in failures]
        for caption, similarity in zip(passed, meaning.between([((c,), texts[c]) for c in passed]), strict=True):
            if similarity < bounds[caption]:
                failures[caption] = f"similarity: {similarity:.2f} by {meaning.measure}; at least {bounds[caption]}"
            else:
                outcomes[caption].accepted[NAME] = Accepted(texts[caption], turn + 1, similarity)
        for caption, failure in failures.items():
            outcomes[caption].refuse(NAME, failure)
            outcomes[caption].dropped[NAME] = Dropped(failure, turn + 1)
        waiting = list(failures)
    for outcome in outcomes.values():
        if outcome.accepted:
            outcome.dropped.clear()
    return [outcomes[caption] for caption in captions]


def _failure(caption: str, text: str) -> str | None:
    return (
        checks.differs([caption], text)
        or checks.same_numbers(caption, text)
        or checks.negation_kept(caption, text)
        or checks.order_kept(caption, text)
        or checks.loudness_and_place(caption, text, 2)
    )
