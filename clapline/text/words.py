"""Words of a caption: tokens, stems, content words, numbers, names; and how much of two captions is the same.

Rule-based and small on purpose: checks on paraphrases need the same answer on every machine, without a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

_TOKEN = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*|\d+(?:[.,]\d+)*")


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text set out in lines."""
    return frozenset(words.split())


#: Words that say nothing about which sounds are heard: grammar, order, and the frames that captions hang sounds in.
FUNCTION_WORDS = word_set(
    """
    a an the this that these those some any each every another other others its it's it he she they them his her
    their him i we you one's itself himself themselves who which what whose where there here and or but nor so
    yet while whilst as if though although because whereas when whenever then than before after afterwards later
    next until till since during throughout meanwhile once of in on at by for from to into onto with without
    within over under up down out off about around across through along against near between among amid behind
    beyond inside outside past toward towards upon via per is are was were be been being am do does did doing
    done have has had having can could will would may might must shall should not no very too also just only
    even still again together simultaneously hear heard hears hearing audible sound sounds sounding noise noises
    like follow follows followed following come comes coming occur occurs occurring happen happens happening
    time same first second recording recordings nothing preceded precede listen finally last how
    """
)
NUMBERS = {
    word: value
    for value, words in {
        "1": "one",
        "2": "two twice",
        "3": "three third thrice",
        "4": "four fourth",
        "5": "five fifth",
        "6": "six sixth",
        "7": "seven seventh",
        "8": "eight eighth",
        "9": "nine ninth",
        "10": "ten tenth",
        "11": "eleven",
        "12": "twelve dozen",
        "13": "thirteen",
        "14": "fourteen",
        "15": "fifteen",
        "16": "sixteen",
        "17": "seventeen",
        "18": "eighteen",
        "19": "nineteen",
        "20": "twenty",
        "30": "thirty",
        "40": "forty",
        "50": "fifty",
        "60": "sixty",
        "100": "hundred hundreds",
        "1000": "thousand thousands",
    }.items()
    for word in words.split()
}
_IRREGULAR = {
    form: base
    for base, forms in {
        "speak": "spoke spoken",
        "run": "ran",
        "blow": "blew blown",
        "fly": "flew flown flies flying",
        "ring": "rang rung",
        "sing": "sang sung",
        "drive": "drove driven",
        "ride": "rode ridden",
        "break": "broke broken",
        "fall": "fell fallen",
        "begin": "began begun",
        "go": "went gone goes going",
        "make": "made",
        "get": "got gotten",
        "give": "gave given",
        "say": "said",
        "tell": "told",
        "take": "took taken",
        "strike": "struck",
        "shake": "shook shaken",
        "grow": "grew grown",
        "draw": "drew drawn",
        "throw": "threw thrown",
        "slide": "slid",
        "grind": "ground",
        "wind": "wound",
        "leave": "left",
        "man": "men man's men's",
        "woman": "women woman's women's",
        "child": "children child's children's",
        "person": "people person's people's",
        "foot": "feet",
        "goose": "geese",
        "tooth": "teeth",
        "mouse": "mice",
        "knife": "knives",
        "leaf": "leaves",
        "water": "waters",
        "die": "dying",
        "lie": "lying",
    }.items()
    for form in forms.split()
}
_VOWELS = set("aeiouy")


@lru_cache(maxsize=32768)
def tokens(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text, lower case, punctuation left out."""
    return tuple(_TOKEN.findall(text.replace("’", "'").lower()))


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return what the inflections of a lower-case word share: barks, barked, barking → bark; noises → nois."""
    word = _IRREGULAR.get(word, word)
    word = word.removesuffix("'s").removesuffix("'")
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        if word.endswith("ies") and len(word) > 4:
            word = word[:-3] + "y"
        elif word.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")):
            word = word[:-2]
        else:
            word = word[:-1]
    for ending in ("ing", "ed"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) > 2 and _VOWELS & set(root):
            if word.endswith("ied"):
                word = word[:-3] + "y"
            elif root[-1] == root[-2] and root[-1] not in "lsfz":
                word = root[:-1]
            else:
                word = root
            break
    return word.removesuffix("e") if len(word) > 3 else word


@lru_cache(maxsize=32768)
def content_stems(text: str) -> tuple[str, ...]:
    """Return the stems of the words that are neither function words nor frames ("can be heard"), in text order."""
    return tuple(stem(token) for token in tokens(text) if token not in FUNCTION_WORDS)


def jaccard(one: str, other: str) -> float:
    """Return |A ∩ B| / |A ∪ B| of the content stems of two texts, in [0, 1]; 1 when neither has any."""
    a, b = set(content_stems(one)), set(content_stems(other))
    return len(a & b) / len(a | b) if a | b else 1.0


def common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence of two token lists."""
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for j, candidate in enumerate(other, start=1):
            above = row[j]
            row[j] = diagonal + 1 if word == candidate else max(row[j], row[j - 1])
            diagonal = above
    return row[-1]


def order_overlap(one: str, other: str) -> float:
    """Return the longest common subsequence of the tokens over the longer text's length, in [0, 1]."""
    a, b = tokens(one), tokens(other)
    return common_subsequence(a, b) / max(len(a), len(b), 1)


def numbers(text: str) -> Counter[str]:
    """Return how often each number is said, as digits or as a word: "two dogs bark twice" → {"2": 2}."""
    return Counter(
        NUMBERS.get(token) or token.replace(",", "") for token in tokens(text) if token in NUMBERS or token[0].isdigit()
    )


def names(text: str) -> set[str]:
    """Return the words, in lower case, that are written with a capital inside the text (not "I"): named entities."""
    if text[1:].islower():
        return set()
    found = set()
    for match in _TOKEN.finditer(text):
        word = match.group()
        inside = match.start() > 0 and not re.search(r"[.!?:\"“]\s*$", text[: match.start()])
        if inside and word[0].isupper() and word != "I" and not word.startswith(("I'", "I’")):
            found.add(word.lower())
    return found
