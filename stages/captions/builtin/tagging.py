"""What part each word of a caption plays, told by word lists, endings and the words around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from stages.captions.builtin import forms
from stages.captions.builtin.verbs import base_of_gerund, base_of_past, base_of_third, verbs

#: determiner, pronoun, preposition, conjunction, joining word, a form of "be", auxiliary, adverb, adjective, noun,
#: finite verb, -ing form as verb, -ing form as noun, -ing or -ed form that describes the next word, past participle,
#: infinitive, comma or other mark.
DETERMINER, PRONOUN, PREPOSITION, CONJUNCTION, JOINING, BE, AUXILIARY = "D", "O", "P", "C", "J", "B", "M"
ADVERB, ADJECTIVE, NOUN, FINITE, GERUND, VERBAL_NOUN, MODIFIER = "R", "A", "N", "V", "G", "H", "Q"
PARTICIPLE, INFINITIVE, MARK = "E", "I", ","

_NOUN_LIKE = frozenset({NOUN, ADJECTIVE, VERBAL_NOUN, MODIFIER})
_ADJECTIVE_ENDING = re.compile(r"(?:ous|ful|ive|able|ible|ish|less|ical|etic|atic|onic|ular|inal|ional)$")
_ADVERB_ENDING = re.compile(r"^[a-z]{3,}ly$")
_NO_ADVERBS = frozenset(
    {"family", "assembly", "friendly", "lovely", "lonely", "elderly", "early", "butterfly", "reply"}
)
_PIECE = re.compile(r"[A-Za-z0-9]+(?:['’\-.][A-Za-z0-9]+)*['’]?|[^\sA-Za-z0-9]+")


@dataclass(frozen=True)
class Word:
    """One word or mark of a text with the part that it plays."""

    text: str
    part: str
    start: int

    @property
    def low(self) -> str:
        """The word in lower case."""
        return self.text.lower()

    @property
    def end(self) -> int:
        """Where the word ends in the text."""
        return self.start + len(self.text)


@cache
def words_of(kind: str) -> frozenset[str]:
    """Return the words that grammar.txt lists under a kind."""
    return frozenset(word for listed, word in _lines() if listed == kind)


@cache
def _lines() -> tuple[tuple[str, str], ...]:
    lines = Path(__file__).with_name("grammar.txt").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        if line and not line.startswith("#"):
            kind, words = line.split(":", 1)
            found += [(kind.strip(), word) for word in words.split()]
    return tuple(found)


@lru_cache(maxsize=32768)
def tagged(text: str) -> tuple[Word, ...]:
    """Return the words of a text, each with its part."""
    pieces = [(match.group(), match.start()) for match in _PIECE.finditer(text)]
    reader = _Reader([piece.lower().replace("’", "'") for piece, _ in pieces])
    return tuple(Word(piece, part, start) for (piece, start), part in zip(pieces, reader.parts(), strict=True))


def plural(word: str) -> bool:
    """Tell whether a noun stands in the plural."""
    word = word.lower()
    if word in words_of("plural"):
        return True
    if word in words_of("uncounted") or word.endswith(("ss", "us", "'s")):
        return False
    return word.endswith("s") and word not in {"bus", "glass", "grass", "gas", "news"} and len(word) > 3


class _Reader:
    """Reads from left to right; what is known so far decides what an ambiguous word is."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._found: list[str] = []
        self._finite = False  # the clause at hand has its finite verb
        self._last_verb = ""  # part of the last verb: what "and" may continue
        self._last_base = ""

    def parts(self) -> list[str]:
        """Return the part of every word."""
        for place, word in enumerate(self._words):
            part = self._part(place, word)
            self._found.append(part)
            if part in {MARK, JOINING, CONJUNCTION}:
                self._finite = False
            elif part in {FINITE, BE} or (part == AUXILIARY):
                self._finite = True
            if part in {FINITE, GERUND, PARTICIPLE, INFINITIVE}:
                self._last_verb = part
            elif part == JOINING:
                self._last_verb = ""
        return self._found

    def _part(self, place: int, word: str) -> str:
        if not word[0].isalnum():
            return MARK
        if word == "to":
            after = self._word(place + 1)
            return INFINITIVE if after in verbs() and after not in words_of("noun") else PREPOSITION
        if word in {"that", "this", "these", "those"}:
            return JOINING if word == "that" and place and self._before() in {NOUN, VERBAL_NOUN} else DETERMINER
        if word in {"like", "as", "so", "then", "once", "past"} and word in words_of("preposition"):
            return PREPOSITION
        for kind, part in _LISTED:
            if word in words_of(kind):
                return part
        if word[0].isdigit():
            return DETERMINER
        return self._open_class(place, word)

    def _open_class(self, place: int, word: str) -> str:
        before, words = self._before(), self._words
        after_be = self._skipping_adverbs() == BE
        if before == INFINITIVE and words[place - 1] == "to" and word in verbs():
            return INFINITIVE
        if self._skipping_adverbs() == AUXILIARY and word in verbs():
            return INFINITIVE
        if _ADVERB_ENDING.match(word) and word not in _NO_ADVERBS and word not in verbs():
            return ADVERB
        if word in words_of("noun") and not self._sounds_as_verb(place, word):
            return NOUN
        if word.endswith("ing") and len(word) > 4:
            return self._ing(place, word, after_be)
        adjective = word in words_of("adjective") or bool(_ADJECTIVE_ENDING.search(word))
        if adjective and word not in verbs() and not base_of_third(word):
            # "an adult male speaks": the last adjective of a phrase without a noun stands for it.
            if word in {"male", "female", "adult"} and base_of_gerund(self._word(place + 1)):
                return NOUN
            if word in {"male", "female", "adult"} and before in {NOUN, ADJECTIVE} and not self._noun_like(place + 1):
                return NOUN
            lone = before in {DETERMINER, ADJECTIVE, MODIFIER} and not self._noun_like(place + 1)
            return NOUN if lone and not after_be else ADJECTIVE
        base = base_of_past(word)
        if base:
            part = self._past(place, word, base, after_be)
            if part:
                return part
        if base_of_third(word) and (self._third_fits(place, word) or self._sure_verb(place, word)):
            return FINITE
        if word in verbs() and self._bare_fits(place):
            return FINITE
        if word.endswith("s") and not plural(self._word(place - 1)) and self._unknown_third(place, word):
            return FINITE
        return ADJECTIVE if adjective else NOUN

    def _ing(self, place: int, word: str, after_be: bool) -> str:
        before, base = self._before(), base_of_gerund(word)
        transitive = base in words_of("transitive")
        noun_next = self._noun_like(place + 1)
        if after_be:
            return GERUND
        if before == ADVERB:
            before = self._skipping_adverbs()
            if before in {"", MARK, DETERMINER, PREPOSITION}:
                return MODIFIER if noun_next else VERBAL_NOUN
        if before == CONJUNCTION:
            if self._last_verb == GERUND and not (noun_next and not transitive):
                return GERUND
            return MODIFIER if noun_next and not transitive else VERBAL_NOUN
        if before == JOINING and not noun_next:
            return GERUND
        if before in {"", MARK, JOINING}:
            if before == MARK and self._last_verb in {GERUND, FINITE} and (transitive or not noun_next):
                return GERUND
            return MODIFIER if noun_next and not transitive else VERBAL_NOUN
        if before in {DETERMINER, ADJECTIVE, MODIFIER}:
            return MODIFIER if noun_next else VERBAL_NOUN
        if before in {PREPOSITION, VERBAL_NOUN}:
            if before == VERBAL_NOUN and not noun_next:
                return GERUND
            return MODIFIER if noun_next and not transitive else VERBAL_NOUN
        if noun_next and not transitive and base is not None:
            return MODIFIER
        return GERUND

    def _past(self, place: int, word: str, base: str, after_be: bool) -> str:
        before = self._skipping_adverbs()
        if after_be:
            return PARTICIPLE
        if before == AUXILIARY:
            return INFINITIVE
        if before in {"", DETERMINER, ADJECTIVE, PREPOSITION, MARK, MODIFIER}:
            return MODIFIER if word.endswith("ed") or word in words_of("adjective") else ""
        if before == CONJUNCTION:
            return self._last_verb if self._last_verb in {PARTICIPLE, FINITE} else MODIFIER
        if before in {NOUN, PRONOUN, VERBAL_NOUN} and not self._finite:
            if word in verbs() and not plural(self._word(place - 1)):
                return ""
            if self._word(place + 1) in words_of("determiner"):
                return FINITE
            if base in words_of("intransitive") and self._word(place + 1) != "by":
                return FINITE
            if word == forms.past(base) and not word.endswith("ed") and base not in words_of("transitive"):
                return FINITE
            return PARTICIPLE
        return PARTICIPLE if word.endswith("ed") else ""

    def _third_fits(self, place: int, word: str) -> bool:
        before = self._before()
        after = self._word(place + 1)
        if self._coordinated():
            return self._last_verb == FINITE and not self._verb_like(place + 1)
        before = self._skipping_adverbs() if before == ADVERB else before
        if before not in {NOUN, PRONOUN, VERBAL_NOUN, JOINING} or self._finite:
            return False
        if before == JOINING and self._words[place - 1] not in {"that", "which", "who"}:
            return False
        if before == NOUN and self._plural_subject(place) and not self._collective():
            return False
        if after in words_of("be") or (base_of_gerund(after) and base_of_gerund(after) not in words_of("transitive")):
            return False
        return not (after in verbs() and after not in words_of("adverb") and not self._noun_like(place + 1))

    def _sure_verb(self, place: int, word: str) -> bool:
        """Tell whether a verb goes on with the sentence: "a man talks then laughs", "an adult male speaks"."""
        if self._words[place - 1] == "then" and (FINITE in self._found):
            return not self._verb_like(place + 1)
        return word in words_of("verb") and not self._finite and self._before() in {NOUN, ADJECTIVE, VERBAL_NOUN}

    def _bare_fits(self, place: int) -> bool:
        if self._coordinated():
            return self._last_verb == FINITE and self._plural_verb() and not self._verb_like(place + 1)
        before = self._skipping_adverbs()
        if self._finite or before not in {NOUN, PRONOUN}:
            return False
        after = self._word(place + 1)
        if after in words_of("be") or (base_of_third(after) and not self._noun_like(place + 1)):
            return False
        return self._plural_subject(place)

    def _unknown_third(self, place: int, word: str) -> bool:
        # After "a carpenter" an unknown word in -s is a verb.
        if self._finite or self._before() != NOUN or word.endswith(("ss", "us", "'s")):
            return False
        openers = [part for part in self._found if part in {DETERMINER, PRONOUN}]
        starts = self._found[0] in {DETERMINER, PRONOUN} and self._words[0] in {"a", "an", "someone", "somebody"}
        after = self._word(place + 1)
        known_after = after in words_of("determiner") or after in words_of("preposition") or _ADVERB_ENDING.match(after)
        return bool(starts and len(openers) == 1 and place > 1 and (known_after or not after))

    def _sounds_as_verb(self, place: int, word: str) -> bool:
        """Tell whether "sounds" and its like are verbs here: "a horn sounds"."""
        return word in {"sounds", "waves", "leaves"} and self._third_fits(place, word) and self._before() == NOUN

    def _coordinated(self) -> bool:
        """Tell whether "and" or a comma stands before the word, adverbs aside."""
        return self._skipping_adverbs() in {CONJUNCTION, MARK}

    def _collective(self) -> bool:
        """Tell whether a group of things is spoken of, whose verb may stand in either number."""
        return bool(words_of("collective") & set(self._words))

    def _plural_verb(self) -> bool:
        for word, part in zip(reversed(self._words[: len(self._found)]), reversed(self._found), strict=False):
            if part == FINITE:
                return base_of_third(word) is None
        return False

    def _plural_subject(self, place: int) -> bool:
        """Tell whether the noun phrase that ends before a place is plural: "dogs", "a man and a woman"."""
        head, joined, closed = "", False, False
        for word, part in zip(self._words[:place], self._found, strict=False):
            if part in {MARK, JOINING, FINITE, GERUND}:
                head, joined, closed = "", False, False
            elif part == CONJUNCTION and head:
                if FINITE in self._found or BE in self._found:
                    head, joined, closed = "", False, False
                elif word == "and":
                    joined = True
            elif part == PREPOSITION and head and not (word == "of" and head in words_of("collective")):
                closed = True
            elif part in {NOUN, PRONOUN, VERBAL_NOUN} and not closed:
                head = word
        return joined or plural(head) or head in {"they", "we", "others"}

    def _verb_like(self, place: int) -> bool:
        word = self._word(place)
        return (
            word in words_of("be")
            or base_of_third(word) is not None
            or (word in verbs() and word not in words_of("adverb") and word not in words_of("noun"))
        )

    def _noun_like(self, place: int) -> bool:
        """Tell whether the word there can go on with a noun phrase."""
        word = self._word(place)
        if not word or not word[0].isalpha():
            return False
        closed = ("preposition", "determiner", "pronoun", "conjunction", "joining", "be", "auxiliary", "adverb")
        if any(word in words_of(kind) for kind in closed) or word in words_of("verb"):
            return False
        if word in words_of("adjective"):
            return self._noun_like(place + 1) or word in {"male", "female", "adult"}
        return not (_ADVERB_ENDING.match(word) and word not in _NO_ADVERBS)

    def _before(self) -> str:
        return self._found[-1] if self._found else ""

    def _skipping_adverbs(self) -> str:
        return next((part for part in reversed(self._found) if part != ADVERB), "")

    def _word(self, place: int) -> str:
        return self._words[place] if 0 <= place < len(self._words) else ""


_LISTED = (
    ("be", BE),
    ("auxiliary", AUXILIARY),
    ("pronoun", PRONOUN),
    ("conjunction", CONJUNCTION),
    ("joining", JOINING),
    ("preposition", PREPOSITION),
    ("determiner", DETERMINER),
    ("adverb", ADVERB),
)
