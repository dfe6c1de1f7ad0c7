"""Which ranks hang on last bits: another device, another batch, another order of a sum may turn them."""

from __future__ import annotations

import numpy as np

from clapline.metrics.retrieval import Relevance
from clapline.metrics.similarity import Items, similarities

#: Similarities of the same float32 model on two devices differ by less (some 1e-7 for unit vectors, with room).
TOLERANCE = 1e-5
_PRODUCTS_AT_ONCE = 8_000_000


def near_tied(queries: Items, gallery: Items, relevance: Relevance, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return whether a rank of each query may turn, `(queries,)` boolean.

    It may where an item that does not answer it lies within `tolerance` of one that does: as far as noise of half the
    tolerance can move either. Queries that are not among them keep all their ranks under such noise.
    """
    rows, found = similarities(queries, gallery), np.zeros(len(queries), dtype=bool)
    block = max(1, _PRODUCTS_AT_ONCE // max(1, len(gallery)))
    for start in range(0, len(queries), block):
        stop = min(start + block, len(queries))
        similarity = rows(start, stop)
        counts = relevance.counts[start:stop]
        owner = np.repeat(np.arange(stop - start), counts)
        items = relevance.items[relevance.starts[start] : relevance.starts[stop]]
        own = similarity[owner, items]
        others = similarity.copy()
        others[owner, items] = np.nan
        order = np.arange(len(owner)) - np.repeat(relevance.starts[start:stop] - relevance.starts[start], counts)
        for place in range(counts.max()):
            here = np.flatnonzero(order == place)
            gap = np.abs(others[owner[here]] - own[here][:, None])
            found[start + owner[here]] |= (gap <= tolerance).any(axis=1)
    return found
