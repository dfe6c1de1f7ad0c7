"""Which ranks hang on last bits: another device, another batch, another order of a sum may turn them."""

from __future__ import annotations

import numpy as np

from clapline.metrics.pairs import pair_similarities
from clapline.metrics.retrieval import Relevance
from clapline.metrics.similarity import Items, tiles

#: Similarities of the same float32 model on two devices differ by less (some 1e-7 for unit vectors, with room).
TOLERANCE = 1e-5


def near_tied(queries: Items, gallery: Items, relevance: Relevance, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return whether a rank of each query may turn, `(queries,)` boolean.

    It may where an item that does not answer it lies within `tolerance` of one that does: as far as noise of half the
    tolerance can move either. Queries that are not among them keep all their ranks under such noise.
    """
    found = np.zeros(len(queries), dtype=bool)
    owner = np.repeat(np.arange(len(queries)), relevance.counts)
    order = np.arange(len(owner)) - relevance.starts[owner]
    vectors = [getattr(items, "vectors", items) for items in (queries, gallery)]
    by_pair = all(isinstance(items, np.ndarray) for items in vectors)
    if by_pair:
        values = pair_similarities(vectors[0], owner, vectors[1], relevance.items)
    for rows, columns, similarity in tiles(queries, gallery):
        span = slice(relevance.starts[rows.start], relevance.starts[rows.stop])
        local, items = owner[span] - rows.start, relevance.items[span]
        # Clips without vectors come whole: their own similarities stand in the tile.
        own = values[span] if by_pair else similarity[local, items]
        here = (items >= columns.start) & (items < columns.stop)
        similarity[local[here], items[here] - columns.start] = np.inf
        for place in range(order[span].max() + 1):
            chosen = np.flatnonzero(order[span] == place)
            asked = similarity if len(chosen) == len(similarity) else similarity[local[chosen]]
            found[rows.start + local[chosen]] |= (np.abs(asked - own[chosen][:, None]) <= tolerance).any(axis=1)
    return found
