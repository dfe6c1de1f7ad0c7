"""How far the topics of one source of captions lie from another's, beside what chance alone would show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import xlogy

PERMUTATIONS = 999
_AT_ONCE = 100


@dataclass(frozen=True)
class Drift:
    """One source against a reference. Shares are of all captions of a source; the last column is "no topic".

    Attributes:
        distance: Jensen-Shannon distance (base 2, 0 to 1) of the shares over the topics; None where either has none.
        control: its mean over the draws of chance: few captions lie apart without any difference.
        control_95: its 95th percentile over the draws.
        p_value: the share of draws that lie as far apart.
        shares: of the source's captions, `(topics + 1,)`.
        reference: of the reference's captions, `(topics + 1,)`.
        p_values: of each difference of shares, `(topics + 1,)`, good for all of them and all comparisons at once.
    """

    distance: float | None
    control: float | None
    control_95: float | None
    p_value: float | None
    shares: np.ndarray
    reference: np.ndarray
    p_values: np.ndarray


def drift(
    clips: np.ndarray,
    inside: np.ndarray,
    topics: np.ndarray,
    count: int,
    draws: np.random.Generator,
    comparisons: int = 1,
) -> Drift:
    """Compare the captions inside a source with the others.

    Chance is what is left when sources are swapped: for a clip with captions of both, all its captions change sides or
    none does; clips with captions of one source exchange their sides. So captions of one clip, which talk of the same
    things, count as one draw.

    Args:
        clips: the clip of each caption, `(n,)` int.
        inside: whether each is of the source, `(n,)`; both kinds occur.
        topics: the topic of each, `(n,)`, -1 for none.
        count: of topics.
        draws: for the permutations.
        comparisons: how many sources are compared in all.
    """
    groups, group = np.unique(np.stack([clips, inside.astype(np.int64)], axis=1), axis=0, return_inverse=True)
    column = np.where(topics < 0, count, topics)
    table = csr_matrix((np.ones(len(topics)), (group.ravel(), column)), shape=(len(groups), count + 1))
    total = np.asarray(table.sum(axis=0)).ravel()
    sides = groups[:, 1].astype(bool)
    observed = np.asarray(table.T @ sides.astype(float)).ravel()
    chance = np.concatenate(
        [
            (table.T @ _swapped(groups[:, 0], sides, min(_AT_ONCE, PERMUTATIONS - start), draws)).T
            for start in range(0, PERMUTATIONS, _AT_ONCE)
        ]
    )
    return judged(observed, total - observed, chance, total - chance, comparisons)


def judged(
    counts: np.ndarray, reference: np.ndarray, chance: np.ndarray, reference_chance: np.ndarray, comparisons: int = 1
) -> Drift:
    """Hold counts per topic against what chance gives. The last column is "no topic".

    The topics' p-values are those of the largest difference, in units of its spread by chance (Westfall and Young),
    times the number of comparisons.

    Args:
        counts: of the source, `(topics + 1,)`.
        reference: of what it is compared with, likewise.
        chance: the source's counts in each draw of chance, `(draws, topics + 1)`.
        reference_chance: the reference's, likewise, or the same in all draws, `(topics + 1,)`.
        comparisons: how many sources are compared in all.
    """
    shares, rest = _shares(counts), _shares(reference)
    gaps = _shares(chance) - _shares(reference_chance)
    middle, spread = gaps.mean(axis=0), gaps.std(axis=0)
    unit = np.where(spread > 1e-12, spread, np.inf)
    largest = (np.abs(gaps - middle) / unit).max(axis=1)
    p_values = np.array([_p_value(value, largest) for value in np.abs(shares - rest - middle) / unit])
    distance = float(_distances(counts[None], reference)[0])
    distances = _distances(chance, reference_chance)
    known = distances[np.isfinite(distances)]
    there = bool(np.isfinite(distance)) and len(known) > 0
    return Drift(
        distance=round(distance, 6) if there else None,
        control=round(float(known.mean()), 6) if there else None,
        control_95=round(float(np.quantile(known, 0.95)), 6) if there else None,
        p_value=round(min(1.0, comparisons * _p_value(distance, known)), 6) if there else None,
        shares=shares,
        reference=rest,
        p_values=np.minimum(1.0, comparisons * p_values).round(6),
    )


def effective_number(counts: np.ndarray) -> float:
    """Return how many equally large parts would be as varied as these: the exponential of their entropy."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(np.exp(-xlogy(shares, shares).sum())) if len(shares) else 0.0


def _swapped(clips: np.ndarray, sides: np.ndarray, count: int, draws: np.random.Generator) -> np.ndarray:
    """Return the sides of the groups, `(groups, count)` float, as chance alone would have them."""
    # Groups are sorted by clip: one of both sources stands twice in a row.
    _, place, sizes = np.unique(clips, return_inverse=True, return_counts=True)
    flips = draws.random((len(sizes), count)) < 0.5
    swapped = np.where((sizes[place] == 2)[:, None], sides[:, None] ^ flips[place], sides[:, None])
    single = np.flatnonzero(sizes[place] == 1)
    swapped[single] = draws.permuted(np.repeat(sides[single, None], count, axis=1), axis=0)
    return swapped.astype(float)


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(axis=-1, keepdims=True)


def _distances(counts: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the Jensen-Shannon distance of each row, without the last column; NaN where a side is empty."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ours, theirs = _shares(counts[:, :-1]), _shares(reference[..., :-1])
    middle = (ours + theirs) / 2
    divergence = xlogy(ours, ours) + xlogy(theirs, theirs) - 2 * xlogy(middle, middle)
    return np.sqrt(np.maximum(divergence.sum(axis=1), 0) / 2 / np.log(2))


def _p_value(value: float, chance: np.ndarray) -> float:
    # A permutation may give the very same split: the last bits must not decide.
    return float((1 + (chance >= value - 1e-9).sum()) / (1 + len(chance)))
