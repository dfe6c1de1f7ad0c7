"""A caption as parts and what joins them: order in time, at one time, or "and"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.captions.builtin import tagging as t
from stages.captions.builtin.clauses import read_part
from stages.captions.builtin.tagging import tagged
from stages.captions.builtin.verbs import base_of_third


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
    r"^(?:you can hear|we can hear|we hear how|we hear|one can hear|a (?:sound )?recording of"
    r"|the (?:sounds?|noises?) of"
    r"|there (?:is|are)|there's|this is|it is the sound of|sounds? of|first (?:comes|there (?:is|are))|nothing but) "
    r"(?!that\b|how\b|no\b|then\b|also\b)"
)
_FRAME_END = re.compile(
    r",? (?:(?:can|could) be heard|(?:is|are|was|were) (?:being )?heard|(?:is|are) (?:audible|present))$"
)
_SEQUENCE = re.compile(
    r",? (?:and |which )?(?:is |are |then |shortly |briefly |gets? |being |immediately )*followed"
    r"(?: shortly| closely| immediately| up)? (?:by|with) (?:then )?"
    r"|,? (?:and |but )?then (?:by |of |finally |there is |comes )?"
    r"|,? (?:and )?(?:finally|afterwards|next(?! to\b| door\b)),? "
    r"|,? and last |,? before "
)
_BACKWARD = re.compile(r",? (?:shortly |soon |right |just )?after (?!another\b|one\b|which\b|that\b)|,? following ")
_MEANWHILE = re.compile(
    r",? (?:while|whilst) |,? as (?!well\b|if\b|though\b|a result\b|it\b|they\b|he\b|she\b|time\b|an? \w+ of\b|loud\b)"
    r"|,? when (?!it\b|they\b|he\b|she\b)|,? and at the same time "
)
_PRONOUN_TAIL = re.compile(r",? (while|as|when) ((?:it|they|he|she|time) .+|[a-z]+ing\b.*)$")
_TOGETHER = re.compile(r",? (?:together|mixed|along) with |,? alongside (?:of )?|,? accompanied by |,? as well as ")
_WITH = re.compile(r",? with (?=(?:an?|the|some|several|many|two|more|other|distant|loud|people|music|wind|\w+s)\b)")
_FRONT = re.compile(r"^(while|as|when|after|before|following) ([^,]+), (?:then )?(.+)$", re.IGNORECASE)
_PLACE = r"(?:in|at|on|by|near|over|with|under|inside|outside|amid|among|beside)"
_SETTING_LAST = re.compile(rf"^(.+?), ({_PLACE} (?:(?!\b(?:and|then|followed|before|after|while)\b)[^,])+)$")
_SETTING_FIRST = re.compile(rf"^({_PLACE} [^,]+|indoors|outdoors|outside|inside|nearby), (.+)$")


def read_scene(body: str) -> Scene:
    """Return a caption (no full stop) as the parts that order words, "while" or "and" join, in order of time."""
    text, setting, first = body, "", False
    for pattern, leading in ((_SETTING_FIRST, True), (_SETTING_LAST, False)):
        match = pattern.match(text)
        if match and not any(word.part in {t.FINITE, t.BE} for word in tagged(match.group(1 if leading else 2))):
            setting, text = match.groups() if leading else reversed(match.groups())
            first = leading
            break
    relation, parts = _split(unframed(text))
    return Scene(relation, tuple(part.strip(" ,") for part in parts), setting, first)


def unframed(text: str) -> str:
    """Return a caption without "you can hear", "the sound of", "can be heard" around it."""
    ended = _FRAME_END.sub("", text)
    bare = _FRAME_START.sub("", ended if not re.search(r"\b(?:that|which|while|as)\b", ended) else text)
    return bare or text


def _split(text: str) -> tuple[str, list[str]]:
    front = _FRONT.match(text)
    if front:
        word, head, tail = front.group(1).lower(), front.group(2), front.group(3)
        if word not in {"after", "following", "before"}:
            if leans_back(head) or (head.split(" ")[0].endswith("ing") and _leans(head)):
                return "mixed", [text]
            return ("mixed", [text]) if _SEQUENCE.search(tail) else ("while", [tail, head])
        if _BACKWARD.search(tail) or _BACKWARD.search(head):
            return "mixed", [text]
        sides = [_in_order(head), _in_order(tail)]
        return "then", [part for side in (reversed(sides) if word == "before" else sides) for part in side]
    if _SEQUENCE.search(text):
        return ("mixed", [text]) if _BACKWARD.search(text) else ("then", _in_order(text))
    if _BACKWARD.search(text):
        return "then", list(reversed(_BACKWARD.split(text, maxsplit=1)))
    together = re.sub(r",? (?:at the same time|at once|simultaneously)$", "", text)
    tail = _PRONOUN_TAIL.search(together)
    if tail and _leans(tail.group(2)):
        return f"pronoun {tail.group(1)}", [together[: tail.start()], tail.group(2)]
    for pattern in (_MEANWHILE, _TOGETHER):
        if pattern.search(together):
            return "while", pattern.split(together, maxsplit=1)
    accompanied = _accompanied(together)
    if accompanied:
        return "with", accompanied
    sides = _joined(together)
    if sides:
        return "while" if together != text else "and", sides
    return "one", [text]


def _leans(side: str) -> bool:
    """Tell whether the side of "while" lacks a subject of its own: "it passes", "eating"."""
    words = tagged(side)
    return not words[0].low.endswith("ing") or words[0].part in {t.GERUND, t.VERBAL_NOUN}


def _accompanied(text: str) -> list[str] | None:
    """Return both sides of "with" where what follows is heard too: "a dog barks with music in the background"."""
    for match in _WITH.finditer(text):
        left, right = text[: match.start()], text[match.end() :]
        kind = read_part(right).kind
        behind = re.search(r"\b(?:in the (?:background|distance|foreground)|nearby)$", right)
        if read_part(left).kind != "other" and (kind == "participle" or (kind == "noun" and behind)):
            return [left, right]
    return None


def _joined(text: str) -> list[str] | None:
    """Return the two sides of the "and" that joins two like parts, else those of the first "and"."""
    places = [*re.finditer(r",? and ", text), *re.finditer(r", (?!and\b)", text)]
    for match in places:
        left, right = text[: match.start()], text[match.end() :]
        one, other = read_part(left), read_part(right)
        if one.kind == other.kind == "noun" and "," not in left and len(places) == 1 and " and " in match.group():
            return [left, right]
        if leans_back(right) or (one.kind in _VERBAL and tagged(right)[0].low.endswith("ing")):
            continue
        if one.kind in _VERBAL and other.kind in _VERBAL and "," not in left:
            return [left, right]
        if one.kind in _VERBAL and other.kind == "noun" and "," not in left and _is_heard(right):
            return [left, right]
        if one.kind == "noun" and other.kind in _VERBAL and "," not in left and _is_heard(left):
            return [left, right]
    return None


def _is_heard(text: str) -> bool:
    """Tell whether a noun phrase is a sound by itself: "a clicking noise", "light rain"."""
    words = tagged(text)
    return any(word.low in _SOUNDS or word.part == t.VERBAL_NOUN for word in words)


_SOUNDS = frozenset(
    {
        "noise",
        "noises",
        "sound",
        "sounds",
        "music",
        "speech",
        "laughter",
        "applause",
        "wind",
        "rain",
        "thunder",
        "static",
        "traffic",
        "hum",
        "beep",
        "beeps",
        "chatter",
        "footsteps",
        "chirps",
        "clicks",
        "barks",
        "voices",
        "hiss",
        "buzz",
    }
)
_VERBAL = frozenset({"clause", "participle", "passive", "finite"})


def _in_order(text: str) -> list[str]:
    text = re.sub(r"^(?:at )?first(?:ly)?,? (?:comes |there is |there are )?", "", text)
    return [unframed(part.strip(" ,")) for part in _SEQUENCE.split(text) if part.strip(" ,;")]


def subjectless(text: str) -> str | None:
    """Return the verb's -ing form and what follows it for a part that lacks a subject: "then gurgles loudly"."""
    low = text.split(" ")
    if len(low) > 1 and base_of_third(low[0].strip(",")) and (low[0].endswith(",") or low[1] in {"and", "then", "or"}):
        return read_part(f"it {text}").doing() or text
    words = tagged(f"it {text}")
    place = next((k for k in range(1, len(words)) if words[k].part != t.ADVERB), len(words))
    if place == len(words) or words[place].part != t.FINITE or read_part(text).kind in _VERBAL:
        return None
    return read_part(f"it {text}").doing()


def leans_back(text: str) -> bool:
    """Tell whether a part needs what stood before it: it begins with a pronoun, a bare verb or "is"."""
    first = tagged(text)[:1]
    if not first:
        return True
    pronoun = first[0].low in {"it", "he", "she", "they", "is", "are", "them", "this", "another"}
    return pronoun or subjectless(text) is not None
