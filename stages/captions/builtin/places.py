"""Single words of a caption replaced in place: which synonyms read as English there, and the article before them."""

from __future__ import annotations

import re

from clapline.text.words import FUNCTION_WORDS, stem, tokens
from stages.captions.builtin.rewording import replaceable, vowel_sound
from stages.captions.builtin.verbs import base_of_gerund, base_of_third

#: What follows the end of a phrase: the end, a comma, or a word that joins.
EDGE = (
    r"(?=$|[,.]| (?:in|on|at|and|or|while|as|with|near|nearby|outside|inside|from|over|into|to|by|then|followed|before"
    r"|after)\b)"
)
_ARTICLE = re.compile(r"\b(a)n? (?=([a-z][\w-]*))", re.IGNORECASE)
_OWN_DETERMINER = re.compile(r"\b(?:a|an|the) (?=(?:a|an|the|some|several|many) )", re.IGNORECASE)
_DEGREE = re.compile(r"\b(?:very|so|too|more|most|really|quite|as|extremely|slightly) $", re.IGNORECASE)
_PARTICLES = frozenset({"by", "past", "up", "over", "off", "away", "along"})  # of "pass by": no "go past by"
_AFTER_A_NOUN = frozenset({"is", "are", "was", "were", "can", "of"})
_FIRST_WORD = re.compile(r" (\w+)")


def fits(text: str, start: int, end: int, word: str) -> bool:
    """Tell whether `word` reads as English in the place of `text[start:end]`.

    Several words do not stand before a noun ("metallic material objects") nor, for an adverb, before its verb ("without
    a break falling") nor after "very"; and no content word of the text is said again.
    """
    after = text[end:]
    rest = {stem(token) for token in tokens(text[:start] + after)}
    if any(stem(token) in rest for token in tokens(word) if token not in FUNCTION_WORDS):
        return False
    if " " not in word:
        return True
    following = match.group(1).lower() if (match := _FIRST_WORD.match(after)) else ""
    if _DEGREE.search(text[:start]) or following in _PARTICLES:
        return False
    if re.match(EDGE, after):
        return True
    verb = following in _AFTER_A_NOUN or base_of_third(following) or base_of_gerund(following)
    return bool(verb) and not text[start:end].endswith("ly")


def fitting_synonyms(text: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """Return (start, end, synonyms for training that fit) for the words and phrases of a text that have any."""
    found = []
    for place in replaceable(text, "train"):
        fitting = tuple(word for word in place.alternatives if fits(text, place.start, place.end, word))
        if fitting:
            found.append((place.start, place.end, fitting))
    return found


def agreed(text: str) -> str:
    """Return a text with "a" or "an" as the next word asks for, and no article before another: "a the dog"."""
    single = _OWN_DETERMINER.sub("", text)
    return _ARTICLE.sub(lambda match: match.group(1) + ("n " if vowel_sound(match.group(2)) else " "), single)
