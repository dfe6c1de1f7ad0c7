"""Similarities that measures are made of: between vectors, or between texts and clips that score them themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from clapline.search import top_k

_PRODUCTS_AT_ONCE = 8_000_000
_TILE = (1024, 2048)  # queries, items: large enough for the product, small enough for the cache


class Gallery(Protocol):
    """Clips that can be compared with texts (`clapline.model.gallery`). With an attribute `vectors`, they are those."""

    def __len__(self) -> int:
        """Return the number of clips."""

    def take(self, rows: Sequence[int] | np.ndarray) -> Gallery:
        """Return the clips of these rows, in this order."""

    def cosines(self, texts: np.ndarray) -> np.ndarray:
        """Return the cosines of unit texts `(n, dim)` with every clip, `(n, clips)` float32."""

    def check(self, name: str, rows: int) -> None:
        """Raise UserError when the clips are not `rows`, none, not finite, or all alike."""


Items = np.ndarray | Gallery  # vectors (n, dim), or clips without any


def similarities(queries: Items, gallery: Items) -> Callable[[int, int], np.ndarray]:
    """Return the function of (start, stop) that gives those queries' similarities, `(stop - start, items)` float32.

    Of two sets of vectors they are summed in float64 and rounded to float32, so that equal embeddings tie exactly.
    One side may be clips without vectors, which are then scored by the rows of the other, texts.
    """
    queries, gallery = _vectors(queries), _vectors(gallery)
    if not isinstance(queries, np.ndarray):
        return lambda start, stop: np.ascontiguousarray(queries.take(np.arange(start, stop)).cosines(gallery).T)
    if not isinstance(gallery, np.ndarray):
        return lambda start, stop: gallery.cosines(queries[start:stop])
    wide = gallery.astype(np.float64)
    return lambda start, stop: (queries[start:stop].astype(np.float64) @ wide.T).astype(np.float32)


def tiles(queries: Items, gallery: Items) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield all similarities in pieces: which queries, which items, and their similarities, float32.

    The piece is the caller's to overwrite. Memory holds one of them, not queries × items; clips without vectors come
    whole, a few queries at a time.
    """
    queries, gallery = _vectors(queries), _vectors(gallery)
    if isinstance(queries, np.ndarray) and isinstance(gallery, np.ndarray):
        for rows in _slices(len(queries), _TILE[0]):
            asked = queries[rows].astype(np.float64)
            for columns in _slices(len(gallery), _TILE[1]):
                yield rows, columns, (asked @ gallery[columns].astype(np.float64).T).astype(np.float32)
        return
    whole = similarities(queries, gallery)
    for rows in _slices(len(queries), max(1, _PRODUCTS_AT_ONCE // max(1, len(gallery)))):
        yield rows, slice(0, len(gallery)), whole(rows.start, rows.stop).copy()  # it may be the clips' own


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def nearest(queries: Items, gallery: Items) -> np.ndarray:
    """Return the row of each query's most similar item, `(queries,)` int64; the lowest of equals."""
    queries, gallery = _vectors(queries), _vectors(gallery)
    if isinstance(queries, np.ndarray) and isinstance(gallery, np.ndarray):
        return top_k(queries, gallery, 1)[0][:, 0]
    rows, block = similarities(queries, gallery), max(1, _PRODUCTS_AT_ONCE // max(1, len(gallery)))
    starts = range(0, len(queries), block)
    best = [rows(start, min(start + block, len(queries))).argmax(axis=1) for start in starts]
    return np.concatenate([np.empty(0, dtype=np.int64), *best])


def _vectors(items: Items) -> Items:
    return getattr(items, "vectors", items)
