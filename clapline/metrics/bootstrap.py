"""Intervals by resampling clips: queries about the same clip stand or fall together, so clips are drawn, not queries.

A query about several clips belongs to each of them in equal parts. The gallery stays whole: the intervals say how much
the mean would move with other clips asked about, among the same candidates.
"""

from __future__ import annotations

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
    clips = len(weights)
    means = np.empty((resamples, values.shape[1]))
    block = max(1, _DRAWS_AT_ONCE // clips)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, clips, size=(rows, clips), dtype=np.int64)
        drawn += (np.arange(rows) * clips)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * clips).reshape(rows, clips).astype(np.float64)
        means[start : start + rows] = (times @ totals) / (times @ weights)[:, None]
    return means


def interval(means: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """Return the 2.5 % and 97.5 % quantiles of resampled means `(resamples,)`; None without resamples."""
    if len(means) == 0:
        return None, None
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def sign_p_value(differences: np.ndarray) -> float | None:
    """Return the two-sided bootstrap p-value of a difference being 0: twice the smaller tail, (count + 1) / (n + 1)."""
    n = len(differences)
    if n == 0:
        return None
    tail = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return float(min(1.0, 2 * (tail + 1) / (n + 1)))
