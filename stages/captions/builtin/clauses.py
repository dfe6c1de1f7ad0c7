"""A caption taken apart: its parts, what joins them, and in each part the subject, the verb and the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from clapline.text.words import FUNCTION_WORDS, word_set
from stages.captions.builtin.forms import gerund, guessed_base, plural
from stages.captions.builtin.lexicon import adjectives
from stages.captions.builtin.verbs import base_of_gerund, base_of_third, verbs

_DETERMINERS = word_set(
    """
    a an the this that these those some any each every another its his her their several many few two three four
    five multiple various other no one lots both
    """
)
_PREPOSITIONS = word_set(
    """
    in on at by from to into onto with without within over under up down out off about around across through
    along against near between among behind beyond inside outside past toward towards upon of for as like during
    """
)
_FRONTABLE = "in|on|at|near|outside|inside|behind|under|beside"
_AUXILIARIES = word_set("has have had does do did can could will would may might must keeps gets")
_JOINING = frozenset({"while", "as", "when", "that", "which", "who", "until"})
_BE = {"is", "are", "was", "were"}
_PLURAL_WORDS = word_set("people men women children birds sheep others crickets")
_UNCOUNTED = word_set("water wind rain music traffic thunder laughter applause static speech machinery")
_DESCRIBING = word_set(
    "distinct pitched hoarse far-off far-away black white red single rough real very harsh dull faint"
)
_ENDED = re.compile(r"(?:ous|ful|ive|able|ible|ish|less|ical)$")
_ADVERB = re.compile(r"^[a-z]+ly$")


@dataclass(frozen=True)
class Part:
    """One part of a caption: a clause ("a dog barks"), a participle ("a dog barking") or a noun phrase.

    For the first two `subject`, `verb` (its -ing form, adverbs in front) and `rest` are known; `be` agrees with the
    subject.
    """

    text: str
    kind: str  # clause, participle, noun, other
    subject: str = ""
    verb: str = ""
    rest: str = ""
    be: str = "is"

    def participle(self) -> str:
        """Return "a dog barking loudly"."""
        return _join(self.subject, self.verb, self.rest) if self.verb else self.text

    def clause(self) -> str:
        """Return a finite clause: "a dog is barking loudly" for "a dog barking loudly"; clauses as they stand."""
        if self.kind == "participle":
            return _join(self.subject, self.be, self.verb, self.rest)
        return f"{self.text} can be heard" if self.kind == "noun" else self.text

    def heard(self) -> str:
        """Return "a dog can be heard barking loudly", "loud barks can be heard"."""
        if self.verb:
            return _join(self.subject, "can be heard", self.verb, self.rest)
        return f"{self.text} can be heard" if self.kind == "noun" else self.text

    def fronted(self) -> tuple[str, str] | None:
        """Return (place or manner, the rest of the part): ("in the distance", "a dog barks"), or None."""
        match = re.search(rf"^(.*\S) ((?:{_FRONTABLE}) (?:(?!\b(?:and|or|while|as)\b)[\w' -])+)$", self.text)
        if match is None or self.kind == "other":
            return None
        head, tail = match.groups()
        last = re.search(rf"^(.*\S) ((?:{_FRONTABLE}) [\w' -]+)$", tail)
        if last and not re.search(r" (?:on|in|at) (?:and|off)\b", tail) and len(tail.split()) > 6:
            head, tail = f"{head} {last.group(1)}", last.group(2)
        if self.verb and len(head.split()) < len(self.subject.split()) + 1:
            return None
        if re.search(r" (?:that|which|who) ", head):
            return None
        if len(tail.split()) < 2 or re.search(r"\b(?:of|to|the|a|an|is|are|by|back)$", head):
            return None
        if re.fullmatch(r"(?:on|off|up|down|out|over|in) (?:and|then|again|loudly)\b.*", tail):
            return None
        return tail, head


_COORDINATED = re.compile(r"(,? (?:and|or|then|and then|but) (?:\w+ly )?)(\w+)\b(?! (?:are|were|is|was)\b)")


def _following(rest: str, be: str) -> str:
    """Put further verbs of the same subject into the -ing form: "sneezing and blows her nose" → "… and blowing …"."""

    def inflected(match: re.Match[str]) -> str:
        word = match.group(2)
        base = base_of_third(word) if be == "is" else word if word in verbs() else None
        nearby = match.string[match.end() :].strip().split(" ")[0]
        # "… and waves crash": the word is another clause's subject.
        clause_follows = nearby in verbs() or nearby.endswith("ing")
        return match.group() if base is None or clause_follows else match.group(1) + gerund(base)

    return _COORDINATED.sub(inflected, f" {rest}")[1:]


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


@lru_cache(maxsize=16384)
def read_part(text: str) -> Part:
    """Return a part with its subject and verb, where the word lists and the word order show them."""
    words = text.split(" ")
    low = [word.lower().strip(",;") for word in words]
    for place, word in enumerate(low):
        if word in _JOINING:
            break
        if word in _BE and place and low[0] not in {"there", "it", "this", "that"}:
            after = place + 1
            while after < len(low) and (_ADVERB.match(low[after]) or low[after] in {"being", "constantly"}):
                after += 1
            if after < len(low) and low[after].endswith("ing") and len(low[after]) > 4:
                verb = " ".join(words[place + 1 : after + 1])
                return Part(text, "clause", " ".join(words[:place]), verb, " ".join(words[after + 1 :]), word)
            return Part(text, "other")
    if low[0] in _PREPOSITIONS or low[0] in {"it", "there", "this", "that", "he", "she", "they"}:
        return Part(text, "other")
    for place in range(1, len(low)):
        if low[place] in _AUXILIARIES or low[place] in _JOINING:
            return Part(text, "other")
        found = _verb_at(low, place)
        if found:
            kind, verb, be = found
            start = place
            while start > 1 and _ADVERB.match(low[start - 1]):
                start -= 1
            subject = " ".join(words[:start])
            if kind == "participle" and low[place - 1] in {"of", "by", "for", "from", "without", "and"}:
                break
            adverbs = " ".join(words[start:place])
            comma = "," if words[place].endswith(",") else ""
            rest = " ".join(words[place + 1 :])
            rest = _following(rest, be) if kind == "clause" else rest
            return Part(text, kind, subject, _join(adverbs, verb) + comma, rest, be)
    finite = any(
        (word in verbs() or base_of_third(word)) and before not in _DETERMINERS | _PREPOSITIONS
        for before, word in pairwise(low)
    )
    starts_as_verb = base_of_third(low[0]) is not None and len(low) > 1 and low[1] not in _PREPOSITIONS
    has_comma = "," in text
    return Part(text, "other" if finite or starts_as_verb or has_comma else "noun")


def _verb_at(low: list[str], place: int) -> tuple[str, str, str] | None:
    word, before = low[place], low[place - 1]
    subject_like = before not in _DETERMINERS and before not in _PREPOSITIONS and before not in {"and", "or", "but"}
    if (not subject_like or _describes(before)) and not _ADVERB.match(before):
        return None
    base = base_of_third(word)
    if base and not _plural_subject(low[:place]):
        return "clause", gerund(base), "is"
    if word in verbs() and _plural_subject(low[:place]):
        return "clause", gerund(word), "are"
    if _alone(low[0], place) and re.search(r"[a-z]{2}(?<![su])s$", word):
        # After "a carpenter" an unknown word in -s is a verb.
        return "clause", gerund(guessed_base(word)), "is"
    if base_of_gerund(word) and before not in FUNCTION_WORDS:
        # "a noisy ringing phone", "loud barking": an adjective in front, no subject.
        if place == 1 and before.endswith(("ed", "y", "ic", "al", "ant", "oud", "ow", "aint", "ight", "ft", "ief")):
            return None
        return "participle", word, "are" if _plural_subject(low[:place]) else "is"
    return None


def _describes(word: str) -> bool:
    """Tell whether a word describes the noun that follows: "a faint hiss", "reversing beeps"."""
    if word in adjectives() or word in _DESCRIBING:
        return True
    return base_of_gerund(word) is not None or _ENDED.search(word) is not None


def _alone(first: str, place: int) -> bool:
    return first in {"someone", "somebody"} or (first in {"a", "an"} and place > 1)


def _plural_subject(words: list[str]) -> bool:
    head = words
    for place, word in enumerate(words):
        if word in _PREPOSITIONS and place:
            head = words[:place]
            break
    if "and" in head:
        return True
    last = next((word for word in reversed(head) if not _ADVERB.match(word)), "")
    if last in _PLURAL_WORDS:
        return True
    if last in _UNCOUNTED or last.endswith("ss") or last.endswith("us"):
        return False
    return (last.endswith("s") and last not in {"bus", "glass", "grass"} and len(last) > 3) or last == plural(last)


@dataclass(frozen=True)
class Scene:
    """A caption as parts and what joins them.

    `relation`: `then` (parts in order of time), `while`, `and`, `one` (a single part), `mixed` (left whole).
    `setting`: a place or a noise behind, set off by a comma; `setting_first` tells on which side it stood.
    """

    relation: str
    parts: tuple[str, ...]
    setting: str = ""
    setting_first: bool = False


_FRAME_START = re.compile(
    r"^(?:you can hear|we can hear|we hear how|we hear|a recording of|the sounds? of|there (?:is|are)|this is) "
    r"(?!that\b|how\b)"
)
_FRAME_END = re.compile(r" (?:can be heard|is heard|are heard|is audible|are audible)$")
_SEQUENCE = re.compile(
    r",? (?:and )?(?:is |are |which is )?(?:shortly |then |briefly )?followed (?:shortly )?by (?:then )?"
    r"|,? (?:and )?then (?:by |of |finally )?|,? (?:and )?(?:finally|afterwards|next(?! to\b| door\b)) "
    r"|,? and last |,? before "
)
_BACKWARD = re.compile(r",? (?:shortly |soon |right )?after (?!another\b|one\b)|,? following ")
_MEANWHILE = re.compile(
    r",? while |,? as (?!well\b|if\b|though\b|a result\b|it\b|they\b|he\b|she\b)|,? when "
    r"|,? and at the same time "
)
_TOGETHER = re.compile(r",? (?:together|mixed|along) with |,? alongside (?:of )?")
_FRONT = re.compile(r"^(while|as|when|after|before|following) ([^,]+), (?:then )?(.+)$", re.IGNORECASE)
_PLACE = r"(?:in|at|on|by|near|over|with|under|inside|outside|amid|among|beside)"
_SETTING_LAST = re.compile(rf"^(.+?), ({_PLACE} (?:(?!\b(?:and|then|followed|before|after|while)\b)[^,])+)$")
_SETTING_FIRST = re.compile(rf"^({_PLACE} [^,]+|indoors|outdoors|outside|inside|nearby), (.+)$")


def read_scene(body: str) -> Scene:
    """Return a caption (no full stop) as the parts that order words, "while" or "and" join, order words first."""
    text, setting, first = body, "", False
    for pattern, leading in ((_SETTING_FIRST, True), (_SETTING_LAST, False)):
        match = pattern.match(text)
        if match:
            setting, text = match.groups() if leading else reversed(match.groups())
            first = leading
            break
    relation, parts = _split(unframed(text))
    return Scene(relation, tuple(part.strip(" ,") for part in parts), setting, first)


def unframed(text: str) -> str:
    """Return a caption without "you can hear", "the sound of", "can be heard" around it."""
    bare = re.sub(r"^nothing but ", "", _FRAME_END.sub("", _FRAME_START.sub("", text)))
    return bare or text


def _split(text: str) -> tuple[str, list[str]]:
    front = _FRONT.match(text)
    if front:
        word, head, tail = front.group(1).lower(), front.group(2), front.group(3)
        if word not in {"after", "following", "before"}:
            return ("mixed", [text]) if _SEQUENCE.search(tail) else ("while", [tail, head])
        if _BACKWARD.search(tail) or _BACKWARD.search(head):
            return "mixed", [text]
        sides = [_in_order(head), _in_order(tail)]
        return "then", [part for side in (reversed(sides) if word == "before" else sides) for part in side]
    if _SEQUENCE.search(text):
        return ("mixed", [text]) if _BACKWARD.search(text) else ("then", _in_order(text))
    if _BACKWARD.search(text):
        return "then", list(reversed(_BACKWARD.split(text, maxsplit=1)))
    together = re.sub(r" (?:at the same time|at once)$", "", text)
    for pattern in (_MEANWHILE, _TOGETHER):
        if pattern.search(together):
            return "while", pattern.split(together, maxsplit=1)
    sides = re.split(r",? and ", together, maxsplit=1)
    if len(sides) == 2:
        return "while" if together != text else "and", sides
    return "one", [text]


def _in_order(text: str) -> list[str]:
    text = re.sub(r"^first(?:ly)?,? (?:comes |there is )?", "", text)
    return [part for part in _SEQUENCE.split(text) if part.strip(" ,")]
