"""The topic model: BERTopic (Grootendorst, arXiv 2203.05794) over UMAP and HDBSCAN, the same topics in every run."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from clapline.errors import UserError
from clapline.params.topics import Topics as Settings
from clapline.randomness import derived_seed, generator
from clapline.text.embedding import TFIDF, CaptionEmbedder, SentenceEmbedder, TfidfSvd
from clapline.text.topics import OUTLIER, Topics, centroids_of
from stages.analyse.sources import source_names

if TYPE_CHECKING:
    from umap import UMAP

TOPIC_WORDS = 10
_CLUSTERED_DIMENSIONS = 5
# HDBSCAN needs a few points beside the smallest cluster to tell one from noise.
_FEWEST_CAPTIONS = 10
_ROWS_AT_ONCE = 1024

Nearest = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """The topics, and for each caption (in row order) its topic, -1 for none, and its place on the map, `(n, 2)`."""

    topics: Topics
    assignments: np.ndarray
    places: np.ndarray
    unplaced: int  # captions without a word that the embedding knows


def draw_evenly(captions: pd.DataFrame, maximum: int, seed: int) -> pd.DataFrame:
    """Return at most `maximum` captions, as many from each source as it has to give; the rows keep their order."""
    left, chosen = maximum, []
    groups = {name: np.flatnonzero(captions["source"] == name) for name in source_names(captions)}
    # Smallest source first, so that what it cannot give is shared among the larger ones.
    for place, name in enumerate(sorted(groups, key=lambda name: (len(groups[name]), name))):
        count = min(len(groups[name]), left // (len(groups) - place))
        chosen.append(generator(seed, "topics", "draw", name).choice(groups[name], count, replace=False))
        left -= count
    return captions.iloc[np.sort(np.concatenate(chosen))].reset_index(drop=True)


def fit_topics(captions: list[str], settings: Settings, seed: int) -> Fitted:
    """Fit topics to captions on one thread. With too few captions, or without clusters among them, no topic is found.

    Raises:
        UserError: the embedding's model is nowhere to be had.
    """
    state = derived_seed(seed, "topics", "fit") % 2**31
    # Threads change the order of sums, and so the last bits that clusters may hang on.
    with threadpool_limits(1):
        embedder = _embedder(captions, settings.embedding, state)
        if embedder is None:
            return _without_topics(settings.embedding, _Nothing(), len(captions), len(captions))
        vectors = embedder.encode(captions)
        placed = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0.5)
        unplaced = len(captions) - len(placed)
        if len(placed) < max(_FEWEST_CAPTIONS, settings.minimum_topic_size):
            return _without_topics(settings.embedding, embedder, len(captions), unplaced)
        neighbours = min(settings.neighbours, len(placed) - 1)
        near = nearest(vectors[placed], neighbours)
        found, words = _clusters([captions[i] for i in placed], vectors[placed], near, settings, state)
        assignments = np.full(len(captions), OUTLIER)
        assignments[placed] = found
        places = np.full((len(captions), 2), np.nan)
        places[placed] = _umap(vectors[placed], 2, near, state).fit_transform(vectors[placed])
    centroids, radii = centroids_of(vectors, assignments, len(words))
    return Fitted(Topics(settings.embedding, words, centroids, radii, embedder), assignments, places, unplaced)


def _embedder(captions: list[str], embedding: str, state: int) -> CaptionEmbedder | None:
    if embedding != TFIDF:
        return SentenceEmbedder(embedding)
    try:
        return TfidfSvd.fit(captions, state)
    except ValueError:  # nothing but stop words
        return None


class _Nothing:
    """The embedding of captions none of which holds a word."""

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.zeros((len(texts), 1), np.float32)


def _without_topics(embedding: str, embedder: CaptionEmbedder, count: int, unplaced: int) -> Fitted:
    none = Topics(embedding, [], np.zeros((0, 1), np.float32), np.zeros(0, np.float32), embedder)
    return Fitted(none, np.full(count, OUTLIER), np.full((count, 2), np.nan), unplaced)


def _clusters(
    captions: list[str], vectors: np.ndarray, near: Nearest, settings: Settings, state: int
) -> tuple[np.ndarray, list[list[str]]]:
    """Return each caption's topic `(n,)` (largest topic 0, none -1) and the words of each topic."""
    with _without_models():
        from bertopic import BERTopic
        from bertopic.backend import BaseEmbedder
    from hdbscan import HDBSCAN
    from sklearn.feature_extraction.text import CountVectorizer

    model = BERTopic(
        embedding_model=BaseEmbedder(),  # vectors come from us; BERTopic would load a model otherwise
        umap_model=_umap(vectors, _CLUSTERED_DIMENSIONS, near, state),
        hdbscan_model=HDBSCAN(
            min_cluster_size=settings.minimum_topic_size,
            metric="euclidean",
            cluster_selection_method="eom",
            core_dist_n_jobs=1,
        ),
        vectorizer_model=CountVectorizer(stop_words="english"),
        top_n_words=TOPIC_WORDS,
        calculate_probabilities=False,
        verbose=False,
    )
    try:
        found, _ = model.fit_transform(captions, embeddings=vectors)
    except ValueError as error:
        raise UserError(f"topics: BERTopic cannot model these {len(captions)} captions: {error}") from error
    assignments = np.asarray(found)
    count = int(assignments.max()) + 1
    words = [[word for word, _ in model.get_topic(topic) if word] for topic in range(count)]
    return assignments, words


def nearest(vectors: np.ndarray, neighbours: int) -> Nearest:
    """Return the exact nearest rows of unit rows `(n, dim)`: indices and cosine distances, `(n, neighbours)` each.

    Every row is its own first neighbour. Equal distances, as between equal captions, are ordered by index. Time grows
    with n², memory with n. UMAP by itself would call Python for every pair, and twice.
    """
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    indices = np.empty((len(exact), neighbours), np.int64)
    distances = np.empty((len(exact), neighbours), np.float32)
    for start in range(0, len(exact), _ROWS_AT_ONCE):
        # Rounded, as equal captions must not differ in the last bit.
        block = np.round(1 - exact[start : start + _ROWS_AT_ONCE] @ exact.T, 9)
        rows = np.arange(len(block))
        block[rows, start + rows] = -1
        chosen = np.sort(np.argpartition(block, neighbours - 1, axis=1)[:, :neighbours], axis=1)
        values = np.take_along_axis(block, chosen, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        indices[start + rows] = np.take_along_axis(chosen, order, axis=1)
        distances[start + rows] = np.maximum(np.take_along_axis(values, order, axis=1), 0)
    return indices, distances


def principal_places(vectors: np.ndarray, dimensions: int) -> np.ndarray:
    """Return `(n, dimensions)` float32: the rows of `(n, dim)` on their first principal axes, noise beyond their rank.

    Signs are fixed and the last bits rounded away. A good start for UMAP: Kobak and Linderman, Nature Biotechnology 39,
    2021.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    axes = axes[:, ::-1][:, :dimensions] * (variances[::-1][:dimensions] > 1e-9)
    strongest = np.take_along_axis(axes, np.abs(axes).round(6).argmax(axis=0)[None], axis=0)
    places = (centred @ (axes * np.where(strongest < 0, -1, 1))).round(5)
    # UMAP scales each axis to one range, and would divide by nothing on an axis without any.
    start = np.random.default_rng(0).standard_normal((len(vectors), dimensions))
    start[:, : places.shape[1]] = np.where(places.any(axis=0), places, start[:, : places.shape[1]])
    return start.astype(np.float32)


def _umap(vectors: np.ndarray, dimensions: int, near: Nearest, state: int) -> UMAP:
    from umap import UMAP

    # Said when a seed is given, and when no index for later rows is kept: we want the first and need no second.
    for message in ("n_jobs value", "precomputed_knn"):
        warnings.filterwarnings("ignore", message=message, module="umap")
    return UMAP(
        n_neighbors=near[0].shape[1],
        n_components=dimensions,
        min_dist=0.0,
        metric="cosine",
        precomputed_knn=(near[0].copy(), near[1].copy()),
        # The usual spectral start differs from run to run where the graph falls apart, as with many equal captions.
        init=principal_places(vectors, dimensions),
        random_state=state,
        n_jobs=1,
    )


@contextlib.contextmanager
def _without_models() -> Iterator[None]:
    """Hide language models while BERTopic is imported: it tries them all, which costs 20 s, and we hand it vectors."""
    hidden = [name for name in ("sentence_transformers", "transformers") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
