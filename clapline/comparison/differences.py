"""The mean of differences over queries and seeds, with an interval that covers other clips and other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from clapline.comparison.runs import CLIPS
from clapline.comparison.tested import LEVEL, Tested, holm
from clapline.metrics.bootstrap import Units

_CERTAIN = 1e-12


@dataclass(frozen=True)
class Difference(Tested):
    """A mean difference with its 95 % interval, what it was by seed, and on how many queries about how many clips.

    With one group of clips there is no interval, and no p-value; without any spread the interval is the value.
    """

    estimate: float
    low: float | None
    high: float | None
    p_value: float | None
    by_seed: tuple[float, ...]
    queries: int
    clips: int
    p_holm: float | None = None


def mean_difference(gaps: np.ndarray, units: Units) -> Difference:
    """Return the mean of `gaps` `(seeds, queries)`, one value per seed and query.

    Two sources of chance add up: which clips were asked about (queries of one clip go together, and so do clips of one
    query) and, with several seeds, the seed. The variance of the mean is that of the clips' means over seeds plus that
    of the seeds' means less that of how clips and seeds interact, which both hold (two-way analysis of variance, both
    random); the interval is Student's, with the degrees of freedom of Welch and Satterthwaite. So few seeds widen it as
    they should: in simulations with three it covers the truth in 92 to 97 % of cases, whatever part the seeds have in
    the chance. Of one seed it says nothing about others.
    """
    seeds, queries = gaps.shape
    by_seed = gaps.mean(axis=1)
    estimate, seen = float(by_seed.mean()), tuple(map(float, by_seed))
    sums, counts = units.sums(gaps.T)
    groups = len(counts)
    if groups < 2:
        return Difference(estimate, None, None, None, seen, queries, groups)
    residuals = sums.T - by_seed[:, None] * counts  # (seeds, groups)
    scale = groups / (groups - 1) / queries**2
    of_clips = float(np.square(residuals.mean(axis=0)).sum()) * scale
    of_seeds = float(by_seed.var(ddof=1)) / seeds if seeds > 1 else 0.0
    of_both = float(residuals.var(axis=0, ddof=1).sum()) / seeds * scale if seeds > 1 else 0.0
    variance = max(of_clips + of_seeds - of_both, of_clips, of_seeds)
    # The sign test's p-value: with so few groups that differ at all none can be lower, however alike they are.
    least = 2.0 ** (1 - int((np.abs(sums).max(axis=1) > _CERTAIN).sum()))
    if variance < _CERTAIN**2:
        return Difference(estimate, estimate, estimate, min(1.0, least), seen, queries, groups)
    freedom = variance**2 / (of_clips**2 / (groups - 1) + (of_seeds**2 / (seeds - 1) if seeds > 1 else 0.0))
    error = variance**0.5
    half = float(student_t.ppf(1 - LEVEL / 2, freedom)) * error
    p_value = min(1.0, max(least, float(2 * student_t.sf(abs(estimate) / error, freedom))))
    return Difference(estimate, estimate - half, estimate + half, p_value, seen, queries, groups)


def paired_difference(
    of: Sequence[pd.DataFrame], other: Sequence[pd.DataFrame], measure: str, factor: float = 1.0
) -> Difference | None:
    """Return `of` minus `factor` times `other`, query by query and seed by seed; None where no query has both.

    Args:
        of: the frames (`Run.parts`) of one part, by seed.
        other: those of the other side, of the same seeds in the same order.
        measure: a column of them. Queries that lack it in some frame take no part.
        factor: of the other side; 0 measures `of` alone.
    """
    common = other[0].index.intersection(of[0].index).sort_values()
    pairs = zip(of, other, strict=True)
    gaps = np.stack(
        [one.loc[common, measure].to_numpy() - factor * two.loc[common, measure].to_numpy() for one, two in pairs]
    )
    known = ~np.isnan(gaps).any(axis=0)
    if not known.any():
        return None
    about = [sorted({*a, *b}) for a, b in zip(other[0].loc[common, CLIPS], of[0].loc[common, CLIPS], strict=True)]
    return mean_difference(
        gaps[:, known], Units.about([clips for clips, keep in zip(about, known, strict=True) if keep])
    )


def corrected(found: Sequence[Difference]) -> list[Difference]:
    """Return differences with p-values corrected for their number (Holm)."""
    adjusted = holm([1.0 if one.p_value is None else one.p_value for one in found])
    return [replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)]
