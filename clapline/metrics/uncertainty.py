"""Whether a Gaussian's width says anything: of a wrong answer, of a text's length, of abstraction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

PARTS_OF_CALIBRATION = 5


@dataclass(frozen=True)
class Calibration:
    """How far a wide Gaussian means a wrong answer.

    `area` is the chance that a missed query is wider than an answered one (0.5: width says nothing; None where all are
    missed or all answered), `correlation` Spearman's between width and loss; `widths` and `scores` are the means of
    equal parts of the queries from narrow to wide.
    """

    area: float | None
    correlation: float | None
    widths: list[float]
    scores: list[float]


def calibration(width: np.ndarray, score: np.ndarray, parts: int = PARTS_OF_CALIBRATION) -> Calibration:
    """Return how the `width` of queries `(n,)` goes with their `score` in [0, 1]; a score of 0 is a miss.

    Equal widths stand in the order given.
    """
    missed, answered = width[score == 0], width[score > 0]
    area = None
    if len(missed) and len(answered):
        area = float(stats.mannwhitneyu(missed, answered).statistic / (len(missed) * len(answered)))
    pieces = np.array_split(np.argsort(width, kind="stable"), min(parts, len(width)))
    return Calibration(
        area,
        correlation(width, 1 - score),
        [float(width[piece].mean()) for piece in pieces],
        [float(score[piece].mean()) for piece in pieces],
    )


def correlation(first: np.ndarray, second: np.ndarray, *, ranks: bool = True) -> float | None:
    """Return Spearman's correlation (Pearson's with `ranks` off) of two `(n,)`; None where one of them is constant."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float((stats.spearmanr if ranks else stats.pearsonr)(first, second).statistic)


def stranger(kinds: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return for each item another one of another kind, `(items,)` int64; -1 where all are of one kind.

    `kinds` `(items,)` are numbers: items of one kind are the same text, or clips of the same captions, and no strangers
    to each other. Each is drawn at random among all items of other kinds.
    """
    order = np.argsort(kinds, kind="stable")
    place = np.empty(len(kinds), dtype=np.int64)
    place[order] = np.arange(len(kinds))
    counts = np.bincount(kinds)
    first = (np.cumsum(counts) - counts)[kinds]  # where the item's own kind begins in the order
    others = len(kinds) - counts[kinds]
    if (others == 0).any():
        return np.full(len(kinds), -1, dtype=np.int64)
    # A place among the items of other kinds: past the own kind where it falls there or beyond.
    drawn = generator.integers(0, others)
    return order[np.where(drawn >= first, drawn + counts[kinds], drawn)]
