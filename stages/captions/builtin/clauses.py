"""A part of a caption taken apart, subject, verb and rest, and said in other forms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from stages.captions.builtin import forms
from stages.captions.builtin import tagging as t
from stages.captions.builtin.spans import base_of, crowded, follows_conjunction, join, spaced, text_of
from stages.captions.builtin.tagging import Word, tagged, words_of
from stages.captions.builtin.verbs import base_of_third

_PRESENT = frozenset({"is", "are"})
_FRONTED = frozenset({"in", "at", "near", "outside", "inside", "behind", "under", "with", "during", "among", "by"})
_PLACES = frozenset({"street", "road", "farm", "beach", "highway", "day", "night", "morning", "porch", "playground"})
_DEFINITE = frozenset(
    {"the", "it", "he", "she", "they", "his", "her", "their", "its", "all", "this", "that", "these", "both"}
)
_AGENTS = frozenset({"someone", "somebody", "person", "man", "woman", "child", "boy", "girl", "people"})


@dataclass(frozen=True)
class Part:
    """One part of a caption.

    `kind`: "clause" (one active verb that can be put in other forms: "a dog barks", "a dog is barking"), "participle"
    ("a dog barking"), "passive" ("water is poured"), "finite" (a clause that stays as it is), "noun", or "other".
    For the first three: `subject`, `adverbs` before the verb, the verb's `base`, the `rest`, and whether the subject
    is `many`. `words` are those of the text.
    """

    text: str
    kind: str
    words: tuple[Word, ...] = ()
    subject: str = ""
    adverbs: str = ""
    base: str = ""
    rest: tuple[Word, ...] = ()
    many: bool = False
    progressive: bool = False

    @property
    def be(self) -> str:
        """The form of "be" that agrees with the subject, or with a noun phrase."""
        return "are" if self.many else "is"

    @property
    def there(self) -> str:
        """The form of "be" that follows "there": "there is a swarm of bees", "there are a few dogs"."""
        one = self.words and self.words[0].low in {"a", "an"}
        counted = len(self.words) > 1 and self.words[1].low in {"number", "couple", "few", "lot", "variety"}
        return "is" if one and not counted and " and " not in self.subject else self.be

    @property
    def told(self) -> bool:
        """Whether the part is a full clause as it stands."""
        return self.kind in {"clause", "passive", "finite"}

    def heard_thing(self) -> str | None:
        """Return what can be said to be heard: "a dog barking loudly", "loud barks"; None for what has no such form."""
        if self.kind in {"clause", "participle"}:
            return join(self.subject, self.adverbs, forms.gerund(self.base), self._rest("gerund"))
        if self.kind == "passive":
            return join(self.subject, "being", self.adverbs, forms.participle(self.base), text_of(self.rest))
        return self.text if self.kind == "noun" else None

    def clause(self) -> str | None:
        """Return a full clause in the present: "a dog barks", "loud barks can be heard"; None for scraps."""
        if self.kind == "participle":
            return self.progressive_clause()
        if self.kind == "noun":
            return f"{self.text} can be heard"
        return self.text if self.told else None

    def simple_clause(self) -> str | None:
        """Return "a dog barks loudly", for a time that is over or a habit; other clauses as they stand."""
        if self.kind in {"clause", "participle"}:
            verb = self.base if self.many or self.subject.lower() in {"they", "we", "you"} else forms.third(self.base)
            return join(self.subject, self.adverbs, verb, self._rest("base" if self.many else "third"))
        return self.clause()

    def progressive_clause(self) -> str | None:
        """Return "a dog is barking loudly"."""
        if self.kind not in {"clause", "participle"}:
            return self.clause()
        return join(self.subject, self.be, self.adverbs, forms.gerund(self.base), self._rest("gerund"))

    def can_be_heard(self) -> str | None:
        """Return "a dog can be heard barking", "loud barks can be heard"."""
        if self.kind in {"clause", "participle"}:
            return join(self.subject, "can be heard", self.adverbs, forms.gerund(self.base), self._rest("gerund"))
        if self.kind == "passive":
            verb = join("being", self.adverbs, forms.participle(self.base))
            return join(self.subject, "can be heard", verb, text_of(self.rest))
        return f"{self.text} can be heard" if self.kind == "noun" else None

    def doing(self) -> str | None:
        """Return what the subject does, without the subject: "barking loudly"."""
        if self.kind in {"clause", "participle"}:
            return join(self.adverbs, forms.gerund(self.base), self._rest("gerund"))
        return None

    def relative(self) -> str | None:
        """Return "a dog that barks": what follows "it is"."""
        if self.kind in {"clause", "participle"} and self.subject.lower() not in words_of("pronoun"):
            verb = self.base if self.many else forms.third(self.base)
            link = "who" if tagged(self.subject)[-1].low in words_of("person") else "that"
            return join(self.subject, link, self.adverbs, verb, self._rest("base" if self.many else "third"))
        if self.kind == "passive" and self.subject.lower() not in words_of("pronoun"):
            verb = join(self.be, "being", self.adverbs, forms.participle(self.base))
            return join(self.subject, "that", verb, text_of(self.rest))
        return None

    @property
    def definite(self) -> bool:
        """Whether "there is" cannot stand before it: "the dog", "it", "his phone"."""
        return bool(self.words) and self.words[0].low in _DEFINITE

    def nominal(self) -> str | None:
        """Return "the barking of a dog in the distance", for a verb without object or adverb."""
        acts_alone = not self.rest or self.rest[0].part == t.PREPOSITION
        if self.kind not in {"clause", "participle"} or self.adverbs or not acts_alone or self._more():
            return None
        if any(word.part in {t.ADVERB, t.MARK, t.CONJUNCTION, t.JOINING} for word in self.rest):
            return None
        if self.rest and self.rest[0].low not in {"in", "at", "near", "on", "inside", "outside", "from"}:
            return None
        subject = tagged(self.subject)
        if any(word.part in {t.PREPOSITION, t.CONJUNCTION, t.PRONOUN, t.MARK} for word in subject):
            return None
        return join("the", forms.gerund(self.base), "of", self.subject, text_of(self.rest))

    def passive(self) -> str | None:
        """Return "a drum is struck by a man" for "a man strikes a drum"."""
        found = self._object()
        if found is None:
            return None
        thing, tail = found
        many = t.plural(tagged(thing)[-1].low) or " and " in thing
        being = "being" if self.progressive else ""
        verb = join("are" if many else "is", being, self.adverbs, forms.participle(self.base))
        return join(thing, verb, f"by {self.subject}", tail)

    def being_done(self) -> str | None:
        """Return "a drum being struck by a man" for "a man strikes a drum"."""
        said = self.passive()
        return read_part(said).heard_thing() if said and read_part(said).kind == "passive" else None

    def active(self) -> str | None:
        """Return "a man pours water" for "water is poured by a man"."""
        if self.kind != "passive":
            return None
        match = re.match(r"by ((?:an? |the )?(?:\w+ )?(?:" + "|".join(_AGENTS) + r"))\b ?(.*)$", text_of(self.rest))
        if match is None or (match.group(2) and not re.match(r"(?:in|on|at|with|into|onto|over)\b", match.group(2))):
            return None
        agent, tail = match.groups()
        verb = self.base if t.plural(agent.split(" ")[-1]) else forms.third(self.base)
        return join(agent, self.adverbs, verb, self.subject, tail)

    def fronted(self) -> tuple[str, str] | None:
        """Return (place or manner, the rest of the part): ("in the distance", "a dog barks"), or None."""
        if self.kind not in {"clause", "participle", "passive", "noun"}:
            return None
        words = self.words
        first = 1 + len(tagged(self.subject)) if self.subject else 1
        for place in range(first, len(words) - 1):
            word = words[place]
            if word.part != t.PREPOSITION or word.low not in _FRONTED | {"on"}:
                continue
            tail = words[place:]
            if word.low == "on" and tail[-1].low not in _PLACES:
                continue
            if word.low == "by" and tail[-1].low not in _PLACES:
                continue
            stands_alone = words[place - 1].part not in {t.PREPOSITION, t.CONJUNCTION}
            if word.low == "with" and not stands_alone:
                return None
            if len(tail) > 1 and tail[1].low in {"each", "one"}:
                return None
            if len(tail) < 2 or tail[1].part not in {t.DETERMINER, t.ADJECTIVE, t.NOUN, t.MODIFIER}:
                continue
            if any(w.part not in _INSIDE_A_PHRASE for w in tail):
                if word.low == "with":
                    return None
                continue
            before = words[place - 1]
            phrasal = word.low in {"in", "on", "by"} and before.part in {t.FINITE, t.GERUND, t.PARTICIPLE}
            if before.part in {t.PREPOSITION, t.CONJUNCTION} or (phrasal and _holds_to_verb(before, word)):
                continue
            if any(w.part == t.CONJUNCTION for w in words[:place]) and self.kind == "noun":
                continue
            return text_of(tail), self.text[: before.end]
        return None

    def _object(self) -> tuple[str, str] | None:
        """Return the verb's object and what comes after it."""
        if self.kind not in {"clause", "participle"} or self.base not in words_of("transitive") or self._more():
            return None
        if self.subject.lower() in words_of("pronoun") - {"someone", "somebody"}:
            return None
        end = 0
        while end < len(self.rest) and self.rest[end].part in _INSIDE_AN_OBJECT:
            end += 1
        thing, tail = self.rest[:end], self.rest[end:]
        if not thing or thing[-1].part not in {t.NOUN, t.VERBAL_NOUN} or thing[-1].low in words_of("pronoun"):
            return None
        owned = {"his", "her", "their", "its", "himself", "herself"}
        if any(word.low in owned or word.low.endswith(("self", "selves", "other")) for word in thing) or thing[
            -1
        ].low in {"time", "times", "noise", "fun"}:
            return None
        if tail and tail[0].part not in {t.PREPOSITION, t.ADVERB}:
            return None
        if tail and (tail[0].low in {"of", "up", "down", "out", "off", "to"} or crowded(tail)):
            return None
        return text_of(thing), text_of(tail)

    def _more(self) -> bool:
        return any(word.part in {t.FINITE, t.GERUND, t.PARTICIPLE, t.BE} for word in self.rest)

    def _rest(self, form: str) -> str:
        """Return the rest with further verbs of the same subject in the same form as the first."""
        pieces = []
        own = {t.FINITE, t.GERUND}
        for place, word in enumerate(self.rest):
            follows = follows_conjunction(self.rest, place)
            base = base_of(word) if word.part in own and follows else None
            if base is None or (word.part == t.GERUND and self.kind == "clause" and not self.progressive):
                pieces.append(word.text)
            else:
                make = {"gerund": forms.gerund, "third": forms.third, "base": str}[form]
                pieces.append(make(base))
        return spaced(self.rest, pieces)


_INSIDE_A_PHRASE = frozenset({t.PREPOSITION, t.DETERMINER, t.ADJECTIVE, t.NOUN, t.MODIFIER, t.VERBAL_NOUN})
_INSIDE_AN_OBJECT = frozenset({t.DETERMINER, t.ADJECTIVE, t.NOUN, t.MODIFIER, t.VERBAL_NOUN})


def _holds_to_verb(before: Word, preposition: Word) -> bool:
    """Tell whether a preposition belongs to the verb before it: "chews on ice", "passes by a house"."""
    if preposition.low == "in":
        return base_of(before) in {"pour", "breathe", "suck", "type", "come", "turn", "set", "kick", "pull"}
    return True


@lru_cache(maxsize=16384)
def read_part(text: str) -> Part:
    """Return a part with its subject and verb, where the words and their order show them."""
    words = tagged(text)
    if not words:
        return Part(text, "other")
    verb = _first_verb(words)
    if verb is None:
        return Part(text, _verbless_kind(words), words, many=_plural_head(words))
    word = words[verb]
    if verb == 0 or words[0].part in {t.PREPOSITION, t.JOINING} or words[0].low == "there":
        return Part(text, "finite" if verb and word.part in {t.FINITE, t.BE} else "other", words)
    start = verb
    while start > 1 and words[start - 1].part == t.ADVERB:
        start -= 1
    subject, adverbs = text_of(words[:start]), text_of(words[start:verb])
    if word.part == t.GERUND and _inner_with(words[:start]):
        return Part(text, "noun", words, many=_plural_head(words))
    if _crowded_subject(words[:start]):
        if sum(word.text == "," for word in words[:start]) == 1:
            return Part(text, "other", words)
        return Part(text, "other" if word.part in {t.GERUND, t.PARTICIPLE} else "finite", words)
    many = _plural_head(words[:start])
    rest = words[verb + 1 :]
    if word.part == t.BE:
        return _with_be(text, words, verb, (subject, many))
    base = base_of(word)
    if _second_clause(rest) or base is None or word.part == t.PARTICIPLE:
        return Part(text, "other" if word.part in {t.GERUND, t.PARTICIPLE} else "finite", words)
    if word.part == t.GERUND:
        return Part(text, "participle", words, subject, adverbs, base, rest, many, progressive=True)
    if word.low not in {base, forms.third(base)}:
        return Part(text, "finite", words)
    return Part(text, "clause", words, subject, adverbs, base, rest, many=word.low == base)


def _with_be(text: str, words: tuple[Word, ...], place: int, subject: tuple[str, bool]) -> Part:
    be, after = words[place].low, place + 1
    if be == "being" and after < len(words) and words[after].part == t.PARTICIPLE:
        # "a bell being rung": no clause yet, but one with "is".
        said = "are" if subject[1] else "is"
        return read_part(join(subject[0], said, text_of(words[place:])))
    while after < len(words) and words[after].part in {t.ADVERB, t.BE}:
        after += 1
    if be in _PRESENT and after < len(words) and not _second_clause(words[after + 1 :]):
        base = base_of(words[after]) if words[after].part in {t.GERUND, t.PARTICIPLE} else None
        adverbs = text_of([word for word in words[place + 1 : after] if word.part == t.ADVERB])
        rest = words[after + 1 :]
        if base and words[after].part == t.GERUND:
            many = be == "are"
            return Part(text, "clause", words, subject[0], adverbs, base, rest, many, progressive=True)
        regular = base and words[after].low == forms.participle(base)
        if base and regular and not any(word.part in {t.BE, t.FINITE} for word in rest):
            return Part(text, "passive", words, subject[0], adverbs, base, rest, be == "are")
    return Part(text, "finite", words)


def _first_verb(words: Sequence[Word]) -> int | None:
    inside = False
    for place, word in enumerate(words):
        if word.part == t.JOINING and word.low in {"that", "which", "who"}:
            inside = True
        elif word.part in {t.FINITE, t.BE, t.AUXILIARY, t.GERUND} and not inside:
            if word.part == t.GERUND and place == 0:
                continue
            return place
        elif word.part == t.PARTICIPLE and not inside and place and words[place - 1].part == t.NOUN:
            return place
        elif inside and word.part in {t.FINITE, t.GERUND, t.PARTICIPLE}:
            inside = False
    return None


def _verbless_kind(words: Sequence[Word]) -> str:
    first, parts = words[0], {word.part for word in words}
    if first.part in {t.PREPOSITION, t.JOINING, t.CONJUNCTION, t.MARK, t.PARTICIPLE, t.FINITE} or first.low == "there":
        return "other"
    joining = any(word.part == t.JOINING and word.low not in {"that", "which", "who"} for word in words)
    if joining or t.AUXILIARY in parts or (first.part == t.PRONOUN and len(words) > 1):
        return "other"
    if first.part == t.ADVERB and not parts & {t.NOUN, t.VERBAL_NOUN}:
        return "other"
    if not parts & {t.NOUN, t.VERBAL_NOUN, t.PRONOUN}:
        return "other"
    # A noun that is also a verb and could be the clause's: not safe to hang in a frame that wants a noun.
    doubtful = any(
        w.part == t.NOUN and w.low not in words_of("noun") and _may_be_verb(words, p) for p, w in enumerate(words)
    )
    return "other" if doubtful else "noun"


def _may_be_verb(words: Sequence[Word], place: int) -> bool:
    """Tell whether a noun ends the phrase before it as a verb might: "the contents drop on the floor"."""
    if place < 1 or base_of_third(words[place].low) is None or words[place - 1].part != t.NOUN:
        return False
    after = words[place + 1] if place + 1 < len(words) else None
    return after is not None and after.part in {t.DETERMINER, t.ADVERB}


def _inner_with(words: Sequence[Word]) -> bool:
    """Tell whether the -ing form that follows belongs to a "with" phrase: "rain with a car | going by"."""
    return any(
        word.low in {"with", "of", "from", "by", "without", "for"} and place
        for place, word in enumerate(words)
        if word.part == t.PREPOSITION and _near_end(words, place)
    )


def _near_end(words: Sequence[Word], place: int) -> bool:
    if words[place].low in {"of", "for", "from", "by"}:
        # "the sound of a dog barking", but "a group of people talking".
        return words[place - 1].part == t.VERBAL_NOUN or words[place - 1].low in {"sound", "sounds", "noise", "noises"}
    return True


def _crowded_subject(words: Sequence[Word]) -> bool:
    return any(word.part in {t.MARK, t.JOINING} and word.text not in {"-", "'"} for word in words)


def _second_clause(rest: Sequence[Word]) -> bool:
    """Tell whether another subject and verb stand in the rest."""
    for place, word in enumerate(rest):
        if word.part in {t.FINITE, t.BE, t.AUXILIARY} and not follows_conjunction(rest, place):
            inside = any(w.low in {"that", "which", "who"} for w in rest[:place])
            if not inside:
                return True
        if word.part == t.GERUND and not follows_conjunction(rest, place):
            between = [w.part for w in rest[:place]]
            if t.CONJUNCTION in between or t.MARK in between:
                return True
    return False


def _plural_head(words: Sequence[Word]) -> bool:
    """Tell whether a noun phrase is plural: its head is, or "and" joins two of its nouns."""
    head = ""
    for place, word in enumerate(words):
        if word.part in {t.PREPOSITION, t.JOINING} and place and head:
            break
        if word.low == "and" and head:
            return True
        if word.part in {t.NOUN, t.PRONOUN, t.VERBAL_NOUN}:
            head = word.low
    first = " ".join(word.low for word in words[:3])
    if first in {"a group of", "a crowd of", "a flock of", "a variety of", "a number of", "a couple of"}:
        return first in {"a number of", "a couple of", "a variety of"}
    return t.plural(head) or head in {"they", "we", "you", "others"}
