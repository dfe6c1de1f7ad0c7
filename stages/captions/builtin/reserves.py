"""The reserved vocabulary of the soundscapes: other ways to say a class, one for training and one for the benchmarks.

They are narrow ("an auger grinds masonry"), so only captions in the published words are said with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from clapline.datasets.soundscapes.grammar import TEMPLATES
from clapline.datasets.soundscapes.lexicon import LEXICON, SETTINGS, TRAITS, Reserve, Words
from clapline.text.words import jaccard, numbers, tokens
from stages.captions.builtin.rewording import article, draw

# What a published phrase counts, and where the reserve that stands for it must count the same.
_COUNTED_SUBJECT, _COUNTED_TIMES, _COUNTED_NOTES = "two-tone", "three times over", "two notes"


@dataclass(frozen=True)
class _Said:
    """What a published phrase is replaced by: for a clause the subject and the verb in its form, else one phrase."""

    subject: str
    verb: str
    train: tuple[str, str]
    test: tuple[str, str]
    near: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def options(self, purpose: str) -> list[tuple[str, str]]:
        """Return what can stand there, the nearest first: one half in other words, at last both."""
        subject, verb = self.train if purpose == "train" else self.test
        if not self.verb:
            near = self.near[purpose != "train"]
            return [(phrase, "") for phrase in near] + [(_counting(self.subject, subject), "")]
        subject, verb = _counting(self.subject, subject), _counting(self.verb, verb)
        return [(self.subject, verb), (subject, self.verb), (subject, verb)]


def _counting(phrase: str, reserve: str) -> str:
    """Return a reserve that counts what the phrase counts: "a two-tone siren" is "a two-tone paramedic van"."""
    if _COUNTED_SUBJECT in phrase:
        return re.sub(r"^(?:an? )?", "a two-tone " if phrase.startswith("a ") else "two-tone ", reserve, count=1)
    if _COUNTED_TIMES in phrase:
        return f"{reserve} {_COUNTED_TIMES}"
    return f"{reserve} on {_COUNTED_NOTES}" if _COUNTED_NOTES in phrase else reserve


def _near(nominal: str, words: Words, reserve: Reserve) -> tuple[str, ...]:
    """Return a nominal with one word in the reserve's: "barking of a mutt", "yelping of a dog"."""
    act, thing = reserve.verb[1], _bare(reserve.subject)
    found = []
    for subject in words.subjects:
        # Only a thing that can be counted stands for another: not "clap of tempest".
        if subject.startswith(("a ", "an ")) == reserve.subject.startswith(("a ", "an ")):
            pattern = rf"\b(?:an? )?{_bare(subject)}\b(?! (?:horn|siren|bell|alarm|detector|kit|set)\b)"
            found.append(re.sub(pattern, lambda match: _in_place(match.group(), thing), nominal))
    found += [re.sub(rf"\b{verb[1]}\b", act, nominal) for verb in words.verbs if " " not in verb[1] + act]
    return tuple(said for said in dict.fromkeys(found) if said != nominal and numbers(said) == numbers(nominal))


def _in_place(old: str, thing: str) -> str:
    return article("a ", thing) + thing if old.startswith(("a ", "an ")) else thing


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
            bare = _bare(nominal)
            near = (_near(bare, words, words.train), _near(bare, words, words.test))
            found.setdefault(bare, _Said(bare, "", train, test, near))
    return found


@cache
def _near_phrases() -> frozenset[str]:
    """Return the phrases that keep the article of the phrase they stand for: "the barking of a mutt"."""
    return frozenset(text for said in _phrases().values() for side in said.near for text in side)


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
    ordered = sorted(places, key=lambda place: draw(place[2], body, turn))
    result = body
    chosen: dict[tuple[int, int], str] = {}
    # Half of every event first, both halves only where that is not enough.
    for whole in (False, True):
        for start, end, phrase in ordered:
            if jaccard(body, result) <= enough:
                break
            options = _phrases()[phrase].options(purpose)
            halves = options[:-1] if len(options) > 1 else options
            said = options[-1:] if whole else halves
            subject, verb = said[(draw(phrase, body, 7) + turn) % len(said)]
            chosen[start, end] = f"{subject} {verb}".strip()
            result = _put(body, sorted((*span, text) for span, text in chosen.items()))
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
        elif not described and phrase not in _near_phrases():
            before = re.sub(r"\b(?:an?|the) $", "", before)
        pieces += [article(before, phrase), phrase]
        end = stop
    return "".join([*pieces, body[end:]])
