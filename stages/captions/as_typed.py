"""Queries as hurried people type them, by rule: a few keywords, or the whole query with slips of the fingers."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from clapline.randomness import generator
from clapline.text.words import FUNCTION_WORDS, NUMBERS, stem, tokens, word_set
from stages.captions.builtin.lexicon import entries
from stages.captions.builtin.tagging import (
    ADJECTIVE,
    ADVERB,
    FINITE,
    GERUND,
    INFINITIVE,
    MODIFIER,
    PARTICIPLE,
    tagged,
)
from stages.captions.builtin.verbs import base_of_gerund, base_of_third, verbs
from stages.captions.denials import denied

#: Someone in a hurry types no more keywords than these.
MOST_KEYWORDS = 6
#: One word in so many slips.
WORDS_PER_TYPO = 6
_VERBS = frozenset({FINITE, GERUND, INFINITIVE, PARTICIPLE})
_VAGUE = word_set(
    """
    various several multiple different other something someone somebody person object objects thing things surface
    background foreground area distance nearby continuously repeatedly constantly slowly quickly loudly quietly softly
    heavily lightly briefly steadily being going moving making using getting going starting beginning continuing move
    moves make makes use uses get gets go goes start starts begin begins continue continues take takes put puts
    kind kinds type types way lot some few very really rather quite almost away back forth far near amount
    sort sorts bit
    """
)
# What one hits instead: the neighbours on the row and the rows beside it (QWERTY).
_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "qsz", "s": "adwx", "d": "sfec", "f": "dgrv", "g": "fhtb", "h": "gjyn", "j": "hkum",
    "k": "jli", "l": "ko", "z": "xa", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "nj",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")


def keywords(query: str) -> str:
    """Return what is left of a query for someone in a hurry: up to six of its words, in order, verbs in base form.

    Grammar, vague words and manner go first, then what describes, then verbs; numbers stay. What the query denies is
    left out: a search by keywords would look for it. Empty when the query tells nothing as heard.
    """
    pieces = tagged(query)
    words = [(token, piece.part) for piece in pieces for token in tokens(piece.text)]
    # Of the pieces, not of the query: "1,000" is one token there and two pieces here.
    flags = denied(" ".join(piece.text for piece in pieces))
    words = [word for word, flag in zip(words, flags, strict=True) if not flag]
    words = [(token, part) for token, part in words if token not in FUNCTION_WORDS and token != "one"]
    told = [(token, part) for token, part in words if _held(token, part) == 3 or _tells(token, part)] or words
    held: dict[str, int] = {}
    for token, part in told:
        held.setdefault(_shortened(token), _held(token, part))
    chosen = list(held)
    for least in (0, 1, 2):
        spare = [word for word in reversed(chosen) if held[word] == least]
        for word in spare[: max(0, len(chosen) - MOST_KEYWORDS)]:
            chosen.remove(word)
    return " ".join(chosen)


def _tells(word: str, part: str) -> bool:
    return word not in _VAGUE and part != ADVERB


def _shortened(word: str) -> str:
    """Return a verb without its ending: "barks" and "barking" are typed as "bark"."""
    base = base_of_gerund(word) or base_of_third(word)
    return base if base and stem(base) == stem(word) else word


def _held(word: str, part: str) -> int:
    """Return how long a keyword is held on to: what describes 0, verbs 1, nouns 2, numbers 3."""
    if word in NUMBERS or word[0].isdigit():
        return 3
    return 0 if part in {ADJECTIVE, MODIFIER} else 1 if part in _VERBS else 2


def typos(query: str) -> str:
    """Return the query with a slip in about one word of six, at least one; the query itself when no word can slip.

    A slip drops, doubles or swaps letters or hits a neighbouring key; first and last letters stay, and no slip makes
    another known word. The same query always slips the same way, whatever the run's seed: a benchmark stays itself.
    """
    draws = generator(0, "stress", "typos", query)
    words = [match for match in _WORD.finditer(query) if len(match.group()) >= 4]
    words = words or [match for match in _WORD.finditer(query) if len(match.group()) == 3]
    if not words:
        return query
    wanted = max(1, round(len(_WORD.findall(query)) / WORDS_PER_TYPO))
    changes: list[tuple[int, int, str]] = []
    for place in draws.permutation(len(words)):
        match = words[place]
        word = _slipped(match.group(), draws)
        if word != match.group() and len(changes) < wanted:
            changes.append((match.start(), match.end(), word))
    text = query
    for start, end, word in sorted(changes, reverse=True):
        text = text[:start] + word + text[end:]
    return text


def _slipped(word: str, draws: np.random.Generator) -> str:
    candidates = [text for text in _slips(word) if stem(text.lower()) not in _known() and text != word]
    return candidates[int(draws.integers(len(candidates)))] if candidates else word


def _slips(word: str) -> list[str]:
    """Return slips of a word: letters swapped, dropped, doubled, missed, about as many of each sort."""
    inside = range(1, len(word) - 1)
    swapped = [word[:k] + word[k + 1] + word[k] + word[k + 2 :] for k in inside if k + 2 < len(word)]
    if len(word) == 4:
        swapped = [word[0] + word[2] + word[1] + word[3]]
    dropped = [word[:k] + word[k + 1 :] for k in inside]
    doubled = [word[: k + 1] + word[k:] for k in inside]
    missed = [word[:k] + near + word[k + 1 :] for k in inside for near in _NEIGHBOURS.get(word[k], "")]
    # Every letter has several neighbours: as many missed keys as dropped letters will do.
    return [*swapped, *dropped, *doubled[: len(dropped)], *missed[:: max(1, len(missed) // max(1, len(dropped)))]]


@cache
def _known() -> frozenset[str]:
    """Return the stems of the words that a slip must not make."""
    listed = {entry.word for entry in entries()}
    listed |= {text for entry in entries() for side in entry.alternatives.values() for text in side}
    words = {word for text in listed for word in text.split()}
    return frozenset(stem(word) for word in words | verbs() | FUNCTION_WORDS | set(NUMBERS) | _SHORT)


#: Short words that slips make easily and that mean something else.
_SHORT = word_set(
    """
    ran ring bran bid bad bed bud dig do doe god car cat cart care core can cow man men mean run rig sin sing sun win
    wind wing wend wed wad ward word world wold horse house hose nose note rode road rod ride rude rail hail fail fall
    fill file fire fine five life live line lane land lend sand send said sad song son soon moon noon room roof root
    rot hot hat hit hut hurt gut gun gum gate gait goat got cot coat boat boot bout bat bet bit but bell ball bill bull
    tap top tip tape type tame time tune tone torn town ton tan ten then than thin thing think thank tank talk tall tail
    tale take lake like bike bake book boom boon born barn burn bean been bear beer deer dear door poor pour post past
    pest rest nest test text tent tend bend band bond bound found fund find wine wire were where here hear heard herd
    hard had has hash dash wash wish fish dish disc desk dust must mist list lost last lass glass grass gas pass path
    bath both moth month mouth mouse moose loose lose love move more mode made mad may way bay day pay play clay lay
    say sway stay star stair stare start stat state slate plate plat plant plan plane plain pain paint pint point
    train trains drain grain brain rains strain staring string sting spring ting wring bring thong tong seeking peaking
    peeking barking baking banging hanging ranging raging singing sinking signing winging walling waling calling filling
    failing following flowing blowing bowing rowing rocking racking raking ticking tacking taking talking tapping
    bow boo hue seek peer deed wide side king
    dripping dropping tripping ripping popping sipping shipping chipping chopping shopping hopping hoping
    """
)
