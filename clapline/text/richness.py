"""Lexical richness of captions: counts, overlap, and MTLD per text.

MTLD (McCarthy and Jarvis, Behavior Research Methods 42, 2010): the mean length of the stretches of text over which the
type-token ratio stays above a threshold, read forwards and backwards. It is meant for 100 words and more. On one short
caption whose words all differ no stretch ever closes and MTLD is simply the number of words.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from lexicalrichness import LexicalRichness


def words_of(text: str) -> list[str]:
    """Return the words as lexicalrichness reads them: lower case, digits and hyphens out, punctuation as spaces."""
    return LexicalRichness(text).wordlist


def mtld(words: Sequence[str], threshold: float = 0.72) -> float | None:
    """Return MTLD in words, or None for a text without words."""
    if not words:
        return None
    return float(LexicalRichness(list(words), preprocessor=None, tokenizer=None).mtld(threshold=threshold))


def type_token_ratio(words: Sequence[str]) -> float | None:
    """Return distinct words over words, in (0, 1], or None without words. It falls as texts grow."""
    return len(set(words)) / len(words) if words else None


def moving_type_token_ratio(words: Iterable[str], window: int = 50) -> float | None:
    """Return the mean type-token ratio over all windows of `window` words, which does not depend on the text's length.

    None where the text is shorter than one window. (MATTR; Covington and McFall, J. Quantitative Linguistics 17, 2010.)
    """
    counts: Counter[str] = Counter()
    inside: deque[str] = deque()
    total, windows = 0, 0
    for word in words:
        inside.append(word)
        counts[word] += 1
        if len(inside) > window:
            oldest = inside.popleft()
            counts[oldest] -= 1
            if not counts[oldest]:
                del counts[oldest]
        if len(inside) == window:
            total += len(counts)
            windows += 1
    return total / (windows * window) if windows else None


def distinct_bigrams(captions: Iterable[Sequence[str]]) -> int:
    """Return the number of different neighbouring word pairs, none of which spans two captions."""
    return len({pair for words in captions for pair in itertools.pairwise(words)})


def hapax(captions: Iterable[Sequence[str]]) -> int:
    """Return the number of words that occur once in all captions together."""
    counts = Counter(word for words in captions for word in words)
    return sum(count == 1 for count in counts.values())


def pairwise_overlap(captions: Sequence[Sequence[str]]) -> float | None:
    """Return the mean Jaccard overlap, in [0, 1], of the word sets over all pairs of a clip's captions.

    Captions without words are left out; None where fewer than two remain. Lower means more variety.
    """
    sets = [set(words) for words in captions if words]
    overlaps = [len(a & b) / len(a | b) for a, b in itertools.combinations(sets, 2)]
    return sum(overlaps) / len(overlaps) if overlaps else None
