"""Similarities of chosen pairs, where the whole table of queries and items is not asked for."""

from __future__ import annotations

import numpy as np

from clapline.metrics.similarity import Items

_PAIRS_AT_ONCE = 4096
_SCORED_AT_ONCE = 32


def pair_similarities(texts: np.ndarray, clips: Items, rows: np.ndarray) -> np.ndarray:
    """Return the similarity of text i and clip `rows[i]`, `(n,)` float32.

    `texts` is `(n, dim)`; clips are vectors, whose products are summed in float64, or score the texts themselves.
    """
    vectors = getattr(clips, "vectors", clips)
    found = np.empty(len(rows), dtype=np.float32)
    if isinstance(vectors, np.ndarray):
        for start in range(0, len(rows), _PAIRS_AT_ONCE):
            span = slice(start, start + _PAIRS_AT_ONCE)
            pair = texts[span].astype(np.float64), vectors[rows[span]].astype(np.float64)
            found[span] = np.einsum("nd,nd->n", *pair)
        return found
    for start in range(0, len(rows), _SCORED_AT_ONCE):
        span = slice(start, start + _SCORED_AT_ONCE)
        distinct, place = np.unique(rows[span], return_inverse=True)
        scores = clips.take(distinct).cosines(texts[span])
        found[span] = scores[np.arange(len(place)), place]
    return found
