"""Intervals by resampling clips: queries about the same clip stand or fall together, so clips are drawn, not queries.

Clips that share a query stand or fall together too: what is drawn are groups of clips joined by common queries, which
are single clips where no caption belongs to two. The gallery stays whole: the intervals say how much the mean would
move with other clips asked about, among the same candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

_DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Units:
    """The clips behind each value: value i belongs to `clips[starts[i]:starts[i + 1]]`."""

    starts: np.ndarray  # (values + 1,)
    clips: np.ndarray
    clip_count: int

    @classmethod
    def one_each(cls, count: int) -> Units:
        """Return the units of values that are one per clip."""
        return cls(np.arange(count + 1), np.arange(count), count)

    @classmethod
    def about(cls, clips: Sequence[Sequence[str]]) -> Units:
        """Return the units of values by the ids of the clips that each is about."""
        place = {clip: row for row, clip in enumerate(sorted({clip for some in clips for clip in some}))}
        starts = np.cumsum([0, *map(len, clips)])
        return cls(starts, np.array([place[clip] for some in clips for clip in some]), len(place))

    def groups(self) -> tuple[np.ndarray, int]:
        """Return the group of each value, `(values,)`, and their number: values that share a clip, directly or not.

        Where more than half of the values hang together so (judged answers, of which each query has others), groups say
        nothing, and each value stands for itself.
        """
        values = len(self.starts) - 1
        owner = np.repeat(np.arange(values), np.diff(self.starts))
        edges = sparse.coo_array(
            (np.ones(len(owner), dtype=np.int8), (owner, values + self.clips)), shape=(values + self.clip_count,) * 2
        )
        _, labels = connected_components(edges, directed=False)
        # Clips that no value is about are groups of their own, which tell nothing: only those of values count.
        distinct, group = np.unique(labels[:values], return_inverse=True)
        if np.bincount(group).max() > values / 2 > 1:
            return np.arange(values), values
        return group, len(distinct)

    def sums(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each group's sums of the values, `(groups, measures)`, and its number of values, `(groups,)`."""
        group, count = self.groups()
        totals = [np.bincount(group, weights=column, minlength=count) for column in values.T]
        return np.stack(totals, axis=1), np.bincount(group, minlength=count).astype(np.float64)


def bootstrap_means(values: np.ndarray, units: Units, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Return the means of `values` `(n, measures)` over clips drawn with replacement: `(resamples, measures)`.

    Measures in the same call see the same draws, so differences between columns are paired.
    """
    totals, weights = units.sums(values)
    means = np.empty((resamples, values.shape[1]))
    for start, times in _times_drawn(len(weights), resamples, generator):
        means[start : start + len(times)] = (times @ totals) / (times @ weights)[:, None]
    return means


def bootstrap_ratios(
    numerators: np.ndarray, denominators: np.ndarray, units: Units, resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """Return sum of numerators / sum of denominators over drawn clips, `(n, measures)` each → `(resamples, measures)`.

    NaN where a draw's denominators sum to 0. With the generator in the same state the draws are those of
    `bootstrap_means`.
    """
    means = bootstrap_means(np.concatenate([numerators, denominators], axis=1), units, resamples, generator)
    above, below = np.split(means, 2, axis=1)
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)


def bootstrap_medians(values: np.ndarray, units: Units, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Return the medians of `values` `(n, measures)` over clips drawn with replacement: `(resamples, measures)`.

    With the generator in the same state the draws are those of `bootstrap_means`. Memory holds a block of resamples,
    not resamples × values.
    """
    group, count = units.groups()
    orders = [np.argsort(column, kind="stable") for column in values.T]
    medians = np.empty((resamples, values.shape[1]))
    for start, times in _times_drawn(count, resamples, generator, len(values)):
        for place, (column, order) in enumerate(zip(values.T, orders, strict=True)):
            below = np.cumsum(times[:, group[order]], axis=1)
            half = below[:, -1:] / 2
            # Where exactly half lies on either side of two values, the median is their mean, as usual.
            first, second = (below < half).sum(axis=1), (below <= half).sum(axis=1)
            medians[start : start + len(times), place] = (column[order[first]] + column[order[second]]) / 2
    return medians


def _times_drawn(
    clips: int, resamples: int, generator: np.random.Generator, width: int = 0
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first resample of a block and how often each clip was drawn in each of the block, `(block, clips)`."""
    block = max(1, _DRAWS_AT_ONCE // max(clips, width))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, clips, size=(rows, clips), dtype=np.int64)
        drawn += (np.arange(rows) * clips)[:, None]
        yield start, np.bincount(drawn.ravel(), minlength=rows * clips).reshape(rows, clips).astype(np.float64)


def interval(means: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """Return the 2.5 % and 97.5 % quantiles of resampled means `(resamples,)`; None without any that is a number."""
    means = means[~np.isnan(means)]
    if len(means) == 0:
        return None, None
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def sign_p_value(differences: np.ndarray, units: int | None = None) -> float | None:
    """Return the two-sided bootstrap p-value of a difference being 0: twice the smaller tail, (count + 1) / (n + 1).

    `units` is how many groups of clips differ at all: with so few, no p-value is below that of the sign test, 2^(1 -
    units), however alike the resamples are. None without resamples that are numbers.
    """
    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if n == 0:
        return None
    tail = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    least = 0.0 if units is None else 2.0 ** (1 - units)
    return float(min(1.0, max(2 * (tail + 1) / (n + 1), least)))
