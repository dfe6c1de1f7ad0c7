"""How much of what test paraphrases bring in, words and sentence patterns, training has seen already.

Robustness to paraphrases is worth its name only where the test's rewording is not the training's: a model that learned
"hound" for "dog" in training and meets "hound" again in a query shows memory. What counts is what a paraphrase brings
in beside its own original: content words that the original lacks, and a frame (`frame`) other than the original's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from clapline.text.words import FUNCTION_WORDS, NUMBERS, content_stems, stem, tokens, word_set

SLOT = "_"
_PIECE = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*|\d+(?:[.,]\d+)*|[,;:–—]")
# Words that belong to a noun or a verb phrase and say nothing about how the sentence is built.
_INSIDE_A_SLOT = word_set(
    """
    a an the this these those some any each every another other others its it's his her their our your my one's
    itself himself themselves very too also just only even still again together up down out off no
    """
)
# A preposition that follows a slot hangs a tail on it: "rain on the roof" is as much one slot as "rain" is.
_TAILS = word_set(
    """
    of in on at by for from to into onto within over under about around across through along against near between among
    behind beyond inside outside past toward towards upon via per
    """
)
_SAME_FUNCTION = {
    form: base
    for base, forms in {
        "is": "are was were am be",
        "has": "have had having",
        "does": "do did doing",
        "sound": "sounds",
        "noise": "noises",
        "hear": "hears",
        "follow": "follows",
        "come": "comes",
        "occur": "occurs",
        "happen": "happens",
        "recording": "recordings",
        "towards": "toward",
    }.items()
    for form in forms.split()
}
# "can be heard" stays as people know it.
_AFTER_MODAL = word_set("can could will would may might must shall should")

Pair = tuple[str, str]


@lru_cache(maxsize=32768)
def introduced(original: str, text: str) -> frozenset[str]:
    """Return the stems of the content words of `text` that `original` lacks; function words and numbers do not count.

    >>> sorted(introduced("A dog barks", "The sound of a hound barking twice"))
    ['hound']
    """
    said = {stem(word) for word in tokens(text) if not _is_grammar(word)}
    return frozenset(said.difference(content_stems(original)))


def _is_grammar(word: str) -> bool:
    return word in FUNCTION_WORDS or word in NUMBERS or word[0].isdigit()


@lru_cache(maxsize=32768)
def frame(text: str) -> str:
    """Return the pattern of a sentence: its function words in order, a slot for each run of content words between them.

    Articles and the prepositional tail of a slot belong to the slot, and slots in a row between commas are one, so that
    the pattern is a template that many captions share and not the fingerprint of one. Forms of one auxiliary are one.

    >>> frame("After a dog barks, rain can be heard")
    'after _ , _ can be heard'
    >>> frame("Rain falls on a tin roof in the distance while two men talk")
    '_ while _'
    """
    pieces: list[str] = []
    words = [_piece(match) for match in _PIECE.findall(text.replace("’", "'").lower())]
    for place, word in enumerate(words):
        previous = pieces[-1] if pieces else ""
        if word == ",":
            _add_comma(pieces)
        elif word in _INSIDE_A_SLOT:
            continue
        elif word not in FUNCTION_WORDS:
            if previous != SLOT:
                pieces.append(SLOT)
        elif not (word in _TAILS and previous == SLOT):
            pieces.append(_plain(word, words[place - 1] if place else ""))
    while pieces and pieces[-1] == ",":
        pieces.pop()
    return " ".join(pieces)


def _piece(match: str) -> str:
    return match if match[0].isalnum() else ","


def _plain(word: str, before: str) -> str:
    return word if word == "be" and before in _AFTER_MODAL else _SAME_FUNCTION.get(word, word)


def _add_comma(pieces: list[str]) -> None:
    """Close a part; a list of three things and one of five are the same pattern: "_ , _"."""
    if not pieces or pieces[-1] == ",":
        return
    if pieces[-3:] == [SLOT, ",", SLOT]:
        del pieces[-2:]
    pieces.append(",")


@dataclass(frozen=True)
class Known:
    """What training has seen: stems of content words, and frames."""

    words: frozenset[str]
    frames: frozenset[str]

    def __or__(self, other: Known) -> Known:
        """Return what either has seen."""
        return Known(self.words | other.words, self.frames | other.frames)


def known_texts(texts: Iterable[str]) -> Known:
    """Return all content stems and frames of training texts, whoever wrote them."""
    distinct = set(texts)
    return Known(
        frozenset(word for text in distinct for word in content_stems(text)),
        frozenset(frame(text) for text in distinct),
    )


def known_rewording(pairs: Iterable[Pair]) -> Known:
    """Return the words and frames that training paraphrases brought in beside their originals: the rewriter's own."""
    distinct = set(pairs)
    return Known(
        frozenset(word for original, text in distinct for word in introduced(original, text)),
        frozenset(frame(text) for original, text in distinct if frame(text) != frame(original)),
    )


@dataclass(frozen=True)
class Seen:
    """Counts of what test paraphrases bring in, and how much of it training has seen; types count each one once."""

    words: int = 0
    words_seen: int = 0
    word_types: int = 0
    word_types_seen: int = 0
    frames: int = 0
    frames_seen: int = 0
    frame_types: int = 0
    frame_types_seen: int = 0

    @property
    def word_share(self) -> float | None:
        """Share in [0, 1] of the introduced words, by occurrence; None where none was introduced."""
        return _share(self.words_seen, self.words)

    @property
    def word_type_share(self) -> float | None:
        """Share in [0, 1] of the distinct introduced words; None where none was introduced."""
        return _share(self.word_types_seen, self.word_types)

    @property
    def frame_share(self) -> float | None:
        """Share in [0, 1] of the changed frames, by occurrence; None where no paraphrase changed its frame."""
        return _share(self.frames_seen, self.frames)

    @property
    def frame_type_share(self) -> float | None:
        """Share in [0, 1] of the distinct changed frames; None where no paraphrase changed its frame."""
        return _share(self.frame_types_seen, self.frame_types)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def seen_share(test_pairs: Iterable[Pair], training: Iterable[str] | Known) -> Seen:
    """Return how much of what test paraphrases bring in stands in the training texts.

    Args:
        test_pairs: (original, paraphrase); a pair that stands there twice counts twice by occurrence.
        training: the texts of training, or what `known_texts` or `known_rewording` made of them.
    """
    known = training if isinstance(training, Known) else known_texts(training)
    words: list[str] = []
    frames: list[str] = []
    for original, text in test_pairs:
        words += introduced(original, text)
        if (pattern := frame(text)) != frame(original):
            frames.append(pattern)
    return Seen(
        words=len(words),
        words_seen=sum(word in known.words for word in words),
        word_types=len(set(words)),
        word_types_seen=len(known.words.intersection(words)),
        frames=len(frames),
        frames_seen=sum(pattern in known.frames for pattern in frames),
        frame_types=len(set(frames)),
        frame_types_seen=len(known.frames.intersection(frames)),
    )
