"""Similarities of chosen pairs, where the whole table of queries and items is not asked for."""

from __future__ import annotations

import numpy as np

from clapline.metrics.similarity import Items

_PAIRS_AT_ONCE = 4096
_SCORED_AT_ONCE = 32


def pair_similarities(texts: np.ndarray, text_rows: np.ndarray, clips: Items, clip_rows: np.ndarray) -> np.ndarray:
    """Return the similarity of the texts and the clips of these rows, pair by pair, `(pairs,)` float32.

    `texts` is `(n, dim)`; clips are vectors, whose products are summed in float64, or score the texts themselves.
    """
    vectors = getattr(clips, "vectors", clips)
    found = np.empty(len(clip_rows), dtype=np.float32)
    if isinstance(vectors, np.ndarray):
        for start in range(0, len(clip_rows), _PAIRS_AT_ONCE):
            span = slice(start, start + _PAIRS_AT_ONCE)
            pair = texts[text_rows[span]].astype(np.float64), vectors[clip_rows[span]].astype(np.float64)
            found[span] = np.einsum("nd,nd->n", *pair)
        return found
    for start in range(0, len(clip_rows), _SCORED_AT_ONCE):
        span = slice(start, start + _SCORED_AT_ONCE)
        distinct, place = np.unique(clip_rows[span], return_inverse=True)
        scores = clips.take(distinct).cosines(texts[text_rows[span]])
        found[span] = scores[np.arange(len(place)), place]
    return found
