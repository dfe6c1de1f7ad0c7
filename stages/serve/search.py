"""From a query to a ranking, and from two rankings to what moved. Pure functions over numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from clapline.metrics.scores import Side
from clapline.metrics.similarity import tiles


def scores(queries: Side, candidates: Side) -> np.ndarray:
    """Return the similarity of every query and every candidate, `(queries, candidates)` float32.

    Cosines; of Gaussians less half the candidate's total variance, as evaluation scores them.
    """
    found = np.empty((len(queries), len(candidates)), np.float32)
    for rows, columns, similarities in tiles(queries.as_queries(), candidates.as_candidates()):
        found[rows, columns] = similarities
    return found


def order(similarities: np.ndarray) -> np.ndarray:
    """Return the candidates `(candidates,)` from the most to the least similar; the lower row first among equals."""
    return np.argsort(-similarities, kind="stable")


def ranks(similarities: np.ndarray) -> np.ndarray:
    """Return the place of each candidate, `(candidates,)`, from 1, in that order."""
    places = np.empty(len(similarities), np.int64)
    places[order(similarities)] = np.arange(1, len(similarities) + 1)
    return places


@dataclass(frozen=True)
class Moved:
    """A candidate's place before and after; `own`: the query is one of its captions."""

    row: int
    before: int
    after: int
    own: bool


def moved(before: np.ndarray, after: np.ndarray, count: int, own: Collection[int] = ()) -> list[Moved]:
    """Return the first `count` of either ranking, and the rows `own` wherever they are, by their place before.

    Args:
        before: similarities `(candidates,)` with the original query.
        after: the same with other words.
        count: how far down each ranking is looked.
        own: rows of the candidates that the query describes.
    """
    first, second = ranks(before), ranks(after)
    shown = np.flatnonzero((first <= count) | (second <= count))
    rows = sorted({*shown.tolist(), *own}, key=lambda row: first[row])
    return [Moved(row, int(first[row]), int(second[row]), row in own) for row in rows]


def percentile(width: float, widths: np.ndarray) -> int | None:
    """Return the share, in whole per cent, of `widths` `(n,)` that are less; half of those that are equal count.

    None without widths.
    """
    if not len(widths):
        return None
    share = ((widths < width).sum() + 0.5 * (widths == width).sum()) / len(widths)
    return round(100 * float(share))
