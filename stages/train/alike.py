"""Batches whose pairs are alike in words, to a chosen degree.

The summary of arXiv 2305.01864 asks for it: soft labels are said to help where similar items meet in a batch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

_WORD = r"(?u)\b\w+\b"


def word_vectors(captions: Sequence[Sequence[str]]) -> csr_matrix:
    """Return the unit TF-IDF vectors `(clips, words)` of the captions of each clip together; without words, zeros."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [" ".join(sorted(own)) for own in captions]
    if not any(re.search(_WORD, text) for text in texts):
        return csr_matrix((len(texts), 1))
    return TfidfVectorizer(token_pattern=_WORD).fit_transform(texts)


def alike(
    order: np.ndarray, clip_of: np.ndarray, vectors: csr_matrix, begun: int, batch: int, share: float
) -> np.ndarray:
    """Return the pairs of a pass in an order whose batches hold, beside a pair, those that are most alike to it.

    The first pair of each batch is the next in `order` that is not yet placed; `share` of the rest are the pairs not
    yet placed whose clips' captions have the nearest words (of equally near ones, the earlier in `order`), the others
    the next in `order`. So every pair still comes once a pass. The last batches of a pass choose among few. Pairs
    before the first and after the last batch boundary of the pass keep their places, as in `bucketed`.

    Args:
        order: a permutation of the pairs.
        clip_of: by pair, the row of its clip in `vectors`.
        vectors: by clip, unit vectors.
        begun: pairs that the last batch of the pass before holds already.
        batch: pairs in a batch.
        share: of the pairs of a batch beside its first, 0 to 1.
    """
    head = min(-begun % batch, len(order))
    whole = (len(order) - head) // batch * batch
    queue = order[head : head + whole]
    rows = clip_of[queue]
    left = np.ones(whole, dtype=bool)
    placed: list[int] = []
    near = round(share * (batch - 1))
    first = 0
    for _ in range(whole // batch):
        while not left[first]:
            first += 1
        left[first] = False
        placed.append(first)
        if near:
            likeness = (vectors @ vectors[rows[first]].T).toarray().ravel()[rows]
            likeness[~left] = -1.0
            taken = np.argsort(-likeness, kind="stable")[:near]
            left[taken] = False
            placed += taken.tolist()
        others = np.flatnonzero(left)[: batch - 1 - near]
        left[others] = False
        placed += others.tolist()
    return np.concatenate([order[:head], queue[placed], order[head + whole :]])
