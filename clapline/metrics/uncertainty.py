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


def stranger(count: int, generator: np.random.Generator) -> np.ndarray:
    """Return for each of `count` items another one, `(count,)`: a cyclic step in a drawn order, so never itself."""
    order = generator.permutation(count)
    partner = np.empty(count, dtype=np.int64)
    partner[order] = np.roll(order, 1)
    return partner
