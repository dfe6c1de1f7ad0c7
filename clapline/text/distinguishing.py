"""Words that set two sets of texts apart: weighted log-odds with an informative Dirichlet prior.

Monroe, Colaresi and Quinn, "Fightin' Words", Political Analysis 16, 2008. A word's odds in each set are smoothed with
how often it occurs in general (the prior), and the difference of their logarithms is divided by its standard deviation:
neither very common words nor words seen once or twice come first for that reason alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple


class WordScore(NamedTuple):
    """A word, and how much more it belongs to the first set (above 0) than to the second (below 0)."""

    word: str
    z: float  # difference of the log-odds in standard deviations
    first: int  # times it occurs in the first set
    second: int


def distinguishing_words(
    first: Mapping[str, int], second: Mapping[str, int], prior: Mapping[str, int] | None = None
) -> list[WordScore]:
    """Return all words of both sets, those of the first set first: by falling z, then by the alphabet.

    Args:
        first: how often each word occurs in the first set.
        second: the same of the second set.
        prior: how often each word occurs in general, above 0 for every word of either set; None: in both sets together.

    Empty where there are fewer than two words: one alone has no odds.
    """
    words = sorted({word for counts in (first, second) for word, count in counts.items() if count})
    if prior is None:
        prior = {word: first.get(word, 0) + second.get(word, 0) for word in words}
    if len(words) < 2:
        return []
    weight = sum(prior.values())
    totals = [sum(counts.values()) + weight for counts in (first, second)]
    scores = []
    for word in words:
        own, other = (counts.get(word, 0) + prior[word] for counts in (first, second))
        difference = math.log(own / (totals[0] - own)) - math.log(other / (totals[1] - other))
        z = difference / math.sqrt(1 / own + 1 / other)
        scores.append(WordScore(word, z, first.get(word, 0), second.get(word, 0)))
    return sorted(scores, key=lambda score: (-score.z, score.word))
