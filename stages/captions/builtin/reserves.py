"""The reserved vocabulary of the soundscapes: other ways to say a class, one for training and one for the benchmarks.

They are narrow ("an auger grinds masonry"), so only captions in the published words are said with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from clapline.datasets.soundscapes.grammar import TEMPLATES
from clapline.datasets.soundscapes.lexicon import LEXICON, SETTINGS, TRAITS
from clapline.text.words import jaccard, tokens
from stages.captions.builtin.rewording import article, draw


@dataclass(frozen=True)
class _Said:
    """What a published phrase is replaced by: for a clause the subject and the verb in its form, else one phrase."""

    subject: str
    verb: str
    train: tuple[str, str]
    test: tuple[str, str]

    def options(self, purpose: str) -> list[tuple[str, str]]:
        subject, verb = self.train if purpose == "train" else self.test
        if not self.verb:
            return [(subject, "")]
        return [(subject, verb), (subject, self.verb), (self.subject, verb)]


@cache
def _phrases() -> dict[str, _Said]:
    """Return the published clauses and noun phrases of every class; of two classes that share one, the first has it."""
    found: dict[str, _Said] = {}
    for words in LEXICON.values():
        sides = (words.train, words.test)
        for subject in words.subjects:
            for verb in words.verbs:
                for form in (0, 1):
                    train, test = ((side.subject, side.verb[form]) for side in sides)
                    found.setdefault(f"{subject} {verb[form]}", _Said(subject, verb[form], train, test))
        for nominal in words.nominals:
            train, test = ((side.nominal, "") for side in sides)
            found.setdefault(_bare(nominal), _Said(_bare(nominal), "", train, test))
    return found


def _bare(nominal: str) -> str:
    return re.sub(r"^(?:an?|the) ", "", nominal)


@cache
def _pattern() -> re.Pattern[str]:
    listed = sorted(_phrases(), key=lambda phrase: (-len(phrase), phrase))
    return re.compile(r"\b(?:" + "|".join(map(re.escape, listed)) + r")\b", re.IGNORECASE)


@cache
def _traits(purpose: str) -> dict[str, str]:
    table = {}
    for trait in TRAITS.values():
        adjective, adverb = trait.train if purpose == "train" else trait.test
        table |= dict.fromkeys(trait.adverbs, adverb) | dict.fromkeys(trait.adjectives, adjective)
    return table


@cache
def _others() -> frozenset[str]:
    """Return every word of the published captions that is not the name of a class."""
    texts = [template for side in TEMPLATES.values() for template in side]
    texts = [re.sub(r"\{\w+\}", " ", text) for text in texts] + list(_traits("train"))
    texts += [text for sides in SETTINGS.values() for side in sides for text in side]
    return frozenset(word for text in texts for word in tokens(text)) | {
        "a",
        "an",
        "the",
        "with",
        "in",
        "background",
        "over",
    }


def published(body: str) -> bool:
    """Tell whether a caption is all published phrases of the soundscapes."""
    rest, count = _pattern().subn(" ", body)
    return bool(count) and set(tokens(rest)) <= _others()


def reserved(body: str, purpose: str, turn: int, enough: float) -> str:
    """Return a published caption with classes and traits said in the words reserved for a purpose, until enough differ.

    Any other caption comes back as it is.
    """
    if not published(body):
        return body
    places = [(m.start(), m.end(), m.group().lower()) for m in _pattern().finditer(body)]
    result = body
    chosen: list[tuple[int, int, str]] = []
    for start, end, phrase in sorted(places, key=lambda place: draw(place[2], body, turn)):
        if jaccard(body, result) <= enough:
            break
        options = _phrases()[phrase].options(purpose)
        subject, verb = options[(draw(phrase, body, turn + 7) + turn) % len(options)]
        chosen.append((start, end, f"{subject} {verb}".strip()))
        result = _put(body, sorted(chosen))
    if jaccard(body, result) > enough:
        result = _with_traits(result, purpose)
    return result


def _with_traits(text: str, purpose: str) -> str:
    table = _traits(purpose)
    listed = sorted(table, key=lambda phrase: (-len(phrase), phrase))
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, listed)) + r")\b")
    pieces, end = [], 0
    for match in pattern.finditer(text):
        word = table[match.group()]
        pieces += [article(text[end : match.start()], word), word]
        end = match.end()
    return "".join([*pieces, text[end:]])


def _put(body: str, chosen: list[tuple[int, int, str]]) -> str:
    pieces, end = [], 0
    for start, stop, phrase in chosen:
        before = body[end:start]
        described = re.search(r"\b(?:an?|the) [\w-]+ $", before)
        if described and re.match(r"(?:an?|the) ", phrase):
            # "the slow ticking of a clock" → "the slow timepiece".
            phrase = _bare(phrase)
        elif not described:
            before = re.sub(r"\b(?:an?|the) $", "", before)
        pieces += [article(before, phrase), phrase]
        end = stop
    return "".join([*pieces, body[end:]])
