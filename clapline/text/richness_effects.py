"""How far two sets of values lie apart: the Kolmogorov-Smirnov test, and A12 as a size that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp, rankdata

_EXACT = 100


@dataclass(frozen=True)
class Effect:
    """The difference between two sets of values."""

    ks: float  # greatest distance between the two cumulative distributions, in [0, 1]
    p_value: float  # of ks, if all values were drawn independently of each other
    a12: float  # chance that a value of the first set lies above one of the second, ties as half; 0.5: neither


def effect(first: Sequence[float], second: Sequence[float]) -> Effect | None:
    """Return the difference between two sets of values, or None where one is empty."""
    if not len(first) or not len(second):
        return None
    # The exact p is for few values: its time grows with the product of their numbers, its gain shrinks.
    few = max(len(first), len(second)) <= _EXACT
    test = ks_2samp(first, second, method="exact" if few else "asymp")
    return Effect(float(test.statistic), float(test.pvalue), a12(first, second))


def a12(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the chance that a value of the first set exceeds one of the second, ties counted as half.

    Vargha and Delaney, J. Educational and Behavioral Statistics 25, 2000. Neither may be empty.
    """
    ranks = rankdata(np.concatenate([first, second]))
    own = len(first)
    return float((ranks[:own].sum() / own - (own + 1) / 2) / len(second))
