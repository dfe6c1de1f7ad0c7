"""What a text denies: the words that "no", "not" or "without" take back, as far as the sentence shows how far it goes.

Rules on words: what follows a word of denial is denied up to a pause or a word that begins something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clapline.text.words import FUNCTION_WORDS, stem, tokens, word_set

#: Of things: what they deny ends before a place or a time.
_OF_THINGS = word_set("without lack lacks lacking absence devoid")
_OF_EVENTS = word_set("no not never nothing none nobody neither nor cannot")
#: With such a word behind it, it denies nothing: "not only", "nothing but", "never ending".
_IDIOMS = {
    "not": word_set("only just merely far long"),
    "nothing": word_set("but except"),
    "no": word_set("sooner"),
    "never": word_set("ending ends ceasing ceases stopping stops"),
}
_ENDS = word_set(
    "and but while whilst as when then before after followed until just only though although however where that which "
    "who except besides"
)
_PLACES = word_set("in on at near by from during over under behind inside outside through with along around across")
#: Stems of how something goes on: "without stopping" may be told as "never stops" or "with no break".
_MANNER = word_set("stop break paus ceas end interrupt interruption rest letup delay effort haste hurry rush")
_PAUSE = re.compile(r"[,;.:!?]+(?=\s|$)|[()]|\s[-–—]+\s")


def denied(text: str) -> list[bool]:
    """Return for each of `tokens(text)` whether it is denied; words of denial are themselves."""
    return [flag for piece in _PAUSE.split(text) for flag in _within(tokens(piece))]


def denied_stems(text: str) -> set[str]:
    """Return the content stems that a text denies and nowhere tells as heard."""
    return _stems(text, wanted=True) - heard_stems(text)


def heard_stems(text: str) -> set[str]:
    """Return the content stems that a text tells without denying them."""
    return _stems(text, wanted=False)


def same_denials(source: str, text: str) -> str | None:
    """What the source denies is not told as heard, nor the other way round."""
    told = (heard_stems(text) & denied_stems(source)) - _MANNER
    if told:
        return f"negation: {', '.join(sorted(told))} is denied in what is given, not in the text"
    lost = (denied_stems(text) & heard_stems(source)) - _MANNER
    if lost:
        return f"negation: {', '.join(sorted(lost))} is denied in the text, not in what is given"
    return None


def _stems(text: str, *, wanted: bool) -> set[str]:
    words = zip(tokens(text), denied(text), strict=True)
    return {stem(word) for word, flag in words if flag == wanted and word not in FUNCTION_WORDS and not _denies(word)}


def _denies(word: str) -> bool:
    return word in _OF_EVENTS or word in _OF_THINGS or word.endswith("n't")


def _within(words: Sequence[str]) -> list[bool]:
    flags: list[bool] = []
    ends: frozenset[str] | None = None  # of what is being denied; None: nothing is
    taken = 0
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if _denies(word) and following not in _IDIOMS.get(word, ()):
            ends, taken = _ENDS | (_PLACES if word in _OF_THINGS else frozenset()), 0
        elif ends and word in ends and not (word == "and" and taken and _one_thing(words[place + 1 :])):
            ends = None
        flags.append(ends is not None)
        taken += ends is not None and word not in FUNCTION_WORDS and not _denies(word)
    return flags


def _one_thing(words: Sequence[str]) -> bool:
    """Tell whether one word of content follows up to the next end: "without music and speech"."""
    content = 0
    for word in words:
        if word in _ENDS or word in _PLACES:
            break
        content += word not in FUNCTION_WORDS
    return content == 1
