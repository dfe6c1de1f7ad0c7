"""Intervals by resampling clips: queries about the same clip stand or fall together, so clips are drawn, not queries.

A query about several clips belongs to each of them in equal parts. The gallery stays whole: the intervals say how much
the mean would move with other clips asked about, among the same candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

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

    def sums(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each clip's share of the values `(clips, measures)` and of their number `(clips,)`."""
        counts = np.diff(self.starts)
        owner = np.repeat(np.arange(len(counts)), counts)
        share = 1.0 / np.repeat(counts, counts)
        weights = np.bincount(self.clips, weights=share, minlength=self.clip_count)
        totals = [
            np.bincount(self.clips, weights=share * column[owner], minlength=self.clip_count) for column in values.T
        ]
        asked = weights > 0  # clips that no value is about tell nothing
        return np.stack(totals, axis=1)[asked], weights[asked]


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

    A value weighs what its clips' shares in it weigh together; where exactly half of the weight lies on either side of
    two values, the median is their mean, as usual. With the generator in the same state the draws are those of
    `bootstrap_means`.
    """
    _, weights = units.sums(values[:, :1])
    tables = [_weights_of_values(column, units) for column in values.T]
    medians = np.empty((resamples, values.shape[1]))
    # The sums over values are wider than the draws where nearly all values differ.
    widest = max(len(distinct) for distinct, _ in tables)
    for start, times in _times_drawn(len(weights), resamples, generator, widest):
        for place, (distinct, shares) in enumerate(tables):
            below = np.cumsum(times @ shares, axis=1)
            half = below[:, -1:] / 2
            slack = 1e-9 * half
            first = (below < half - slack).sum(axis=1)
            second = (below <= half + slack).sum(axis=1)
            medians[start : start + len(times), place] = (distinct[first] + distinct[second]) / 2
    return medians


def _weights_of_values(column: np.ndarray, units: Units) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values, rising, and each asked clip's share in each of them, `(clips, distinct)`."""
    distinct, place = np.unique(column, return_inverse=True)
    counts = np.diff(units.starts)
    shares = np.zeros((units.clip_count, len(distinct)))
    np.add.at(shares, (units.clips, np.repeat(place, counts)), 1.0 / np.repeat(counts, counts))
    return distinct, shares[shares.sum(axis=1) > 0]


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
    """Return the 2.5 % and 97.5 % quantiles of resampled means `(resamples,)`; None without resamples."""
    if len(means) == 0:
        return None, None
    low, high = np.nanquantile(means, [0.025, 0.975])
    return float(low), float(high)


def sign_p_value(differences: np.ndarray) -> float | None:
    """Return the two-sided bootstrap p-value of a difference being 0: twice the smaller tail, (count + 1) / (n + 1)."""
    n = len(differences)
    if n == 0:
        return None
    tail = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return float(min(1.0, 2 * (tail + 1) / (n + 1)))
