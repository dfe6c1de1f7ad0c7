"""FAISS proposes: all of the gallery compared in float32, or only some lists of it. What decides is as in `exact`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clapline.errors import UserError
from clapline.search.bound import FLOAT32, Precision, before, error, lower_limit
from clapline.search.decide import Decider, keep_best
from clapline.search.engine import Engine
from clapline.search.rows import Rows, load, spans
from clapline.search.worker import Pairs

_ROWS = 1024
_ROWS_ADDED = 2**16
_TRAINING_ROWS_PER_LIST = 64
_MORE = 16  # proposed beyond k, since FAISS orders by its own rounding


class FaissSearch:
    """One search of rows `(n, dim)` in a gallery `(m, dim)` by a FAISS index, which holds a copy of the gallery.

    The gallery has to be at hand beside it; what is not float32 in memory or memory-mapped is loaded whole.
    """

    def __init__(
        self, rows: Rows, gallery: Rows, engine: Engine, block: int | None, advance: Callable[[float], None]
    ) -> None:
        self._rows, self._advance = rows, advance
        self._at_once = block or _ROWS
        (self._count, self._dim), self._columns = rows.shape, gallery.shape[0]
        self._gallery = load(gallery, slice(0, self._columns), "second")
        self._precision = Precision(self._gallery.lengths, np.zeros(self._columns))
        self._index = _index(self._gallery.values, engine)
        self._decider = Decider(self._dim)

    def reaching(self, threshold: float) -> Iterator[Pairs]:
        """Yield the pairs found of similarity at or above the threshold, sorted by row, then column."""
        least = np.float32(threshold)
        for span in spans(self._count, self._at_once):
            rows = load(self._rows, span, "first")
            margin = error(Precision(rows.lengths, np.zeros(len(rows.values))), self._precision, self._dim, FLOAT32)
            limit = before(lower_limit(least, margin.max(), FLOAT32))  # FAISS takes what is above, not at it
            ends, _, column = self._index.range_search(rows.values, float(limit))
            row = np.repeat(np.arange(len(rows.values)), np.diff(ends.astype(np.int64)))
            similarity = self._decider.similarities(rows.values, self._gallery.values, row, column)
            kept = similarity >= least
            row, column, similarity = row[kept], column[kept], similarity[kept]
            order = np.lexsort((column, row))
            self._advance(len(rows.values))
            yield row[order] + span.start, column[order], similarity[order]

    def nearest(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return index (int64) and similarity (float32) of the k nearest found, `(n, k)`; -1 and -inf beyond them."""
        index = np.full((self._count, k), -1, dtype=np.int64)
        similarity = np.full((self._count, k), -np.inf, dtype=np.float32)
        for span in spans(self._count, self._at_once):
            rows = load(self._rows, span, "first")
            proposed = self._index.search(rows.values, min(k + _MORE, self._columns))[1]
            row, place = np.nonzero(proposed >= 0)
            column = proposed[row, place]
            found = self._decider.similarities(rows.values, self._gallery.values, row, column)
            keep_best(index[span], similarity[span], row, column, found)
            self._advance(len(rows.values))
        return index, similarity


def _index(gallery: np.ndarray, engine: Engine) -> Any:
    try:
        import faiss
    except ImportError:
        raise UserError(f'search by {engine.kind} needs the extra "faiss": pip install "clapline[faiss]"') from None
    count, dim = gallery.shape
    index = faiss.IndexFlatIP(dim)
    if engine.kind == "faiss_ivf":
        lists = engine.lists_for(count)
        flat = index
        index = faiss.IndexIVFFlat(flat, dim, lists, faiss.METRIC_INNER_PRODUCT)
        index.nprobe = min(engine.probes, lists)
        index.cp.min_points_per_centroid = 1  # FAISS would print a warning of small galleries
        step = max(1, count // (_TRAINING_ROWS_PER_LIST * lists))
        index.train(np.ascontiguousarray(gallery[::step]))
    for span in spans(count, _ROWS_ADDED):
        index.add(gallery[span])
    return index
