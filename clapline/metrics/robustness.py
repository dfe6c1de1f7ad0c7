"""What other words for a query move: its rank, what stands in the top ten, and its embedding (RobustCLAP)."""

from __future__ import annotations

import numpy as np

from clapline.metrics.similarity import Items, similarities
from clapline.search import top_k

_PRODUCTS_AT_ONCE = 8_000_000


def rank_shift(original: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return |log₂ rank - log₂ rank| of two askings of the same queries, `(queries,)`: 1 is twice as far down or up."""
    return np.abs(np.log2(original) - np.log2(other))


def shared_top(first: Items, second: Items, gallery: Items, k: int) -> np.ndarray:
    """Return the share of the top k that two askings of each query have in common, `(queries,)` in [0, 1].

    `first` and `second` are `(queries, dim)`, row by row the same query. With fewer than k items the share is of all.
    """
    one, other = top_items(first, gallery, k), top_items(second, gallery, k)
    return (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1)


def top_items(queries: Items, gallery: Items, k: int) -> np.ndarray:
    """Return the rows of each query's k most similar items, best first, `(queries, k)`; the lowest of equals first."""
    k = min(k, len(gallery))
    vectors = [getattr(items, "vectors", items) for items in (queries, gallery)]
    if all(isinstance(side, np.ndarray) for side in vectors):
        return top_k(*vectors, k)[0]
    rows, block = similarities(queries, gallery), max(1, _PRODUCTS_AT_ONCE // max(1, len(gallery)))
    spans = [(start, min(start + block, len(queries))) for start in range(0, len(queries), block)]
    return np.concatenate([np.argsort(-rows(*span), axis=1, kind="stable")[:, :k] for span in spans])


def row_cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine of each row with the row at its place, unit rows `(n, dim)` → `(n,)` float64."""
    return np.einsum("nd,nd->n", first.astype(np.float64), second.astype(np.float64))
