"""Lexical richness of captions: counts, overlap, and measures of variety per text.

MTLD (McCarthy and Jarvis, Behavior Research Methods 42, 2010): the mean length of the stretches of text over which the
type-token ratio stays above a threshold, read forwards and backwards. It is meant for 100 words and more. On one short
caption whose words all differ no stretch ever closes and MTLD is simply the number of words.

Words and MTLD are lexicalrichness's own; its MATTR and HD-D take time with the window and with every distinct word, so
they are counted here in another way, to the same numbers.
"""

from __future__ import annotations

import itertools
import math
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
    value = LexicalRichness(list(words), preprocessor=None, tokenizer=None).mtld(threshold=threshold)
    # Captions share few values of MTLD. The last digits of a sum must not part them: tests and A12 count ties.
    return round(float(value), 9)


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


def drawn_type_token_ratio(words: Sequence[str], draws: int = 42) -> float | None:
    """Return the type-token ratio to expect of `draws` words drawn from the text without putting any back.

    None where the text has fewer words. (HD-D; McCarthy and Jarvis, Language Testing 24, 2007.)
    """
    total = len(words)
    if total < draws:
        return None
    seen = 0.0
    for times, types in sorted(Counter(Counter(words).values()).items()):
        missed = math.prod((total - times - place) / (total - place) for place in range(draws))
        seen += types * (1 - missed)
    return seen / draws


def distinct_ngrams(captions: Iterable[Sequence[str]], length: int) -> tuple[int, int]:
    """Return how many runs of `length` words differ, and how many there are; none of them spans two captions."""
    found: set[tuple[str, ...]] = set()
    total = 0
    for words in captions:
        runs = list(zip(*(words[start:] for start in range(length)), strict=False))
        found.update(runs)
        total += len(runs)
    return len(found), total


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
