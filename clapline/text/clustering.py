"""Clusters of captions: k-means over TF-IDF with SVD, or over a sentence encoder's embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clapline.errors import UserError
from clapline.text.embedding import TFIDF, CaptionEmbedder, SentenceEmbedder, TfidfSvd

UNKNOWN = -1
_ATTEMPTS = 4  # of k-means, each from other first centres; the tightest counts


def cluster_captions(captions: Sequence[str], count: int, embedding: str, random_state: int) -> np.ndarray:
    """Return the cluster of each caption, `(captions,)` int64 from 0 to below `count`, or -1 where nothing is known.

    Nothing is known of a caption whose words the embedding does not know (a row of zeros). Equal captions get equal
    clusters; one thread sums, so that the number of cores changes nothing.

    Args:
        captions: the training captions; repetitions weigh nothing.
        count: of clusters.
        embedding: `tfidf`, or the id of a sentence encoder.
        random_state: of k-means, and of the SVD under `tfidf`.

    Raises:
        UserError: fewer distinct captions with known words than clusters; an encoder that is not to be had.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    distinct = sorted(set(captions))
    vectors = _embedder(distinct, embedding, random_state).encode(distinct)
    known = np.abs(vectors).sum(axis=1) > 0
    if known.sum() < count:
        raise UserError(
            f"clusters.count = {count}, but of the training captions {int(known.sum())} distinct ones have known words"
        )
    found = np.full(len(distinct), UNKNOWN, dtype=np.int64)
    with threadpool_limits(1):
        found[known] = KMeans(count, n_init=_ATTEMPTS, random_state=random_state).fit_predict(vectors[known])
    by_caption = dict(zip(distinct, found.tolist(), strict=True))
    return np.array([by_caption[caption] for caption in captions], dtype=np.int64)


def _embedder(captions: Sequence[str], embedding: str, random_state: int) -> CaptionEmbedder:
    if embedding != TFIDF:
        return SentenceEmbedder(embedding)
    try:
        return TfidfSvd.fit(captions, random_state)
    except ValueError as error:
        raise UserError(f"clusters.embedding tfidf: {error}; take a sentence encoder") from None
