"""A threshold as a quantile of scores: what a model's cosines reach differs from model to model, their ranks do not."""

from __future__ import annotations

import math

import numpy as np

from stages.curate.calibration import Scored

GRAIN = 1e-4  # thresholds are whole multiples of it, so that the last bits of a product do not move them
CLIPS = 4096
_PRODUCTS_AT_ONCE = 4_000_000


def score_quantile(rows: Scored, quantile: float) -> float:
    """Return the score that the best `1 - quantile` of all pairs reach, rounded down to 0.0001.

    Taken over at most 4,096 evenly spaced clips with every caption, in a histogram: memory does not grow with either.
    """
    clips = evenly_spaced(len(rows.audio), CLIPS)
    text = rows.text.astype(np.float32)
    at_once = max(1, _PRODUCTS_AT_ONCE // len(text))
    largest = _largest_norm(text) * max(_largest_norm(rows.audio[row : row + 1]) for row in clips.tolist())
    lowest = -math.ceil(largest / GRAIN) - 1
    counts = np.zeros(-2 * lowest + 1, dtype=np.int64)
    for start in range(0, len(clips), at_once):
        chosen = np.concatenate([rows.audio[row : row + 1] for row in clips[start : start + at_once].tolist()])
        scores = chosen.astype(np.float32) @ text.T
        bins = np.floor(scores.astype(np.float64) / GRAIN).astype(np.int64) - lowest
        counts += np.bincount(bins.ravel(), minlength=len(counts))
    wanted = max(1, math.ceil((1 - quantile) * counts.sum()))
    reached = np.cumsum(counts[::-1])[::-1]  # pairs in this bin or above
    return round((int(np.flatnonzero(reached >= wanted)[-1]) + lowest) * GRAIN, 4)


def evenly_spaced(count: int, most: int) -> np.ndarray:
    """Return at most `most` rows of `count`, evenly spaced, ascending; all where they are fewer."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _largest_norm(rows: np.ndarray) -> float:
    return float(np.linalg.norm(np.asarray(rows, np.float64), axis=1).max(initial=0.0))
