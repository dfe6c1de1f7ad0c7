"""A threshold as a quantile of scores: what a model's cosines reach differs from model to model, their ranks do not."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stages.curate.calibration import Scored

GRAIN = 1e-4  # thresholds are whole multiples of it, so that the last bits of a product do not move them
CLIPS = 4096
_PRODUCTS_AT_ONCE = 4_000_000


def score_quantile(rows: Scored, quantile: float) -> float:
    """Return the score that the best `1 - quantile` of all pairs reach, rounded down to 0.0001.

    Taken over at most 4,096 evenly spaced clips with every caption, in a histogram over the scores that there are:
    memory does not grow with either.
    """
    lowest, highest = math.inf, -math.inf
    for scores in _sampled(rows):
        lowest, highest = min(lowest, float(scores.min())), max(highest, float(scores.max()))
    # A product in float32 may stand on either side of the exact score: a little is taken off each.
    spare = 1e-6 * max(1.0, abs(lowest), abs(highest))
    first = math.floor((lowest - spare) / GRAIN)
    counts = np.zeros(math.floor((highest - spare) / GRAIN) - first + 1, dtype=np.int64)
    for scores in _sampled(rows):
        bins = np.floor((scores.astype(np.float64) - spare) / GRAIN).astype(np.int64) - first
        counts += np.bincount(bins.ravel(), minlength=len(counts))
    wanted = max(1, math.ceil(round((1 - quantile) * int(counts.sum()), 6)))
    reached = np.cumsum(counts[::-1])[::-1]  # pairs in this bin or above
    return round((int(np.flatnonzero(reached >= wanted)[-1]) + first) * GRAIN, 4)


def _sampled(rows: Scored) -> Iterator[np.ndarray]:
    """Yield the scores of evenly spaced clips with every caption, some clips at a time, float32."""
    clips = evenly_spaced(len(rows.audio), CLIPS)
    text = rows.text.astype(np.float32)
    at_once = max(1, _PRODUCTS_AT_ONCE // len(text))
    for start in range(0, len(clips), at_once):
        chosen = np.concatenate([rows.audio[row : row + 1] for row in clips[start : start + at_once].tolist()])
        yield chosen.astype(np.float32) @ text.T


def evenly_spaced(count: int, most: int) -> np.ndarray:
    """Return at most `most` rows of `count`, evenly spaced, ascending; all where they are fewer."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
