"""The topic model: BERTopic (Grootendorst, arXiv 2203.05794) over UMAP and HDBSCAN, the same topics in every run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from clapline.errors import UserError
from clapline.params.topics import Topics as Settings
from clapline.randomness import derived_seed, generator
from clapline.text.embedding import TFIDF, CaptionEmbedder, SentenceEmbedder, TfidfSvd
from clapline.text.topics import OUTLIER, NoEmbedding, Topics, centroids_of
from stages.analyse.sources import source_names
from stages.analyse.topic_layout import laid_out, nearest

TOPIC_WORDS = 10
_CLUSTERED_DIMENSIONS = 5
# HDBSCAN needs a few points beside the smallest cluster to tell one from noise.
_FEWEST_CAPTIONS = 10


@dataclass(frozen=True)
class Fitted:
    """The topics, and for each caption (in row order) its topic, -1 for none, and its place on the map, `(n, 2)`."""

    topics: Topics
    assignments: np.ndarray
    places: np.ndarray
    unplaced: int  # captions without a word that the embedding knows


@dataclass(frozen=True)
class Placed:
    """Captions as the clustering sees them.

    Attributes:
        embedder: what made the vectors; None where no caption holds a word.
        vectors: a unit row for each caption, `(n, dim)`; zeros where the embedding knows no word of it.
        known: which captions the embedding knows, `(m,)`.
        clustered: the places of the known ones that clusters are sought among, `(m, 5)`.
        mapped: their places on the map, `(m, 2)`.
    """

    embedder: CaptionEmbedder | None
    vectors: np.ndarray
    known: np.ndarray
    clustered: np.ndarray
    mapped: np.ndarray


def draw_evenly(captions: pd.DataFrame, maximum: int | None, seed: int) -> pd.DataFrame:
    """Return at most `maximum` captions, as many from each source as it has to give; the rows keep their order."""
    if maximum is None or maximum >= len(captions):
        return captions.reset_index(drop=True)
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
    return topics_among(captions, place_captions(captions, settings, seed), settings)


def place_captions(captions: list[str], settings: Settings, seed: int) -> Placed:
    """Embed captions and lay them out, on one thread. Too few to hold a topic are not laid out."""
    state = derived_seed(seed, "topics", "fit") % 2**31
    nothing = np.zeros((0, _CLUSTERED_DIMENSIONS), np.float32)
    # Threads change the order of sums, and so the last bits that clusters may hang on.
    with threadpool_limits(1):
        embedder = _embedder(captions, settings.embedding, state)
        if embedder is None:
            return Placed(None, np.zeros((len(captions), 1), np.float32), np.zeros(0, int), nothing, nothing[:, :2])
        vectors = embedder.encode(captions)
        known = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0.5)
        if len(known) < max(_FEWEST_CAPTIONS, settings.minimum_topic_size):
            return Placed(embedder, vectors, known, nothing, nothing[:, :2])
        near = nearest(vectors[known], min(settings.neighbours, len(known) - 1))
        clustered, mapped = (laid_out(vectors[known], size, near, state) for size in (_CLUSTERED_DIMENSIONS, 2))
    return Placed(embedder, vectors, known, clustered, mapped)


def topics_among(captions: list[str], placed: Placed, settings: Settings) -> Fitted:
    """Return the topics among captions that `place_captions` laid out."""
    unplaced = len(captions) - len(placed.known)
    if not len(placed.clustered):
        none = Topics(
            settings.embedding,
            [],
            np.zeros((0, 1), np.float32),
            np.zeros(0, np.float32),
            placed.embedder or NoEmbedding(),
        )
        return Fitted(none, np.full(len(captions), OUTLIER), np.full((len(captions), 2), np.nan), unplaced)
    with threadpool_limits(1):
        found, words = _clusters([captions[i] for i in placed.known], placed.clustered, settings.minimum_topic_size)
        assignments = np.full(len(captions), OUTLIER)
        assignments[placed.known] = found
        places = np.full((len(captions), 2), np.nan)
        places[placed.known] = placed.mapped
        centroids, radii = centroids_of(placed.vectors, assignments, len(words))
    topics = Topics(settings.embedding, words, centroids, radii, placed.embedder or NoEmbedding())
    return Fitted(topics, assignments, places, unplaced)


def _embedder(captions: list[str], embedding: str, state: int) -> CaptionEmbedder | None:
    if embedding != TFIDF:
        return SentenceEmbedder(embedding)
    try:
        return TfidfSvd.fit(captions, state)
    except ValueError:  # nothing but stop words
        return None


def _clusters(captions: list[str], places: np.ndarray, smallest: int) -> tuple[np.ndarray, list[list[str]]]:
    """Return each caption's topic `(n,)` (largest topic 0, none -1) and the words of each topic."""
    with _without_models():
        from bertopic import BERTopic
        from bertopic.backend import BaseEmbedder
        from bertopic.dimensionality import BaseDimensionalityReduction
    from hdbscan import HDBSCAN
    from sklearn.feature_extraction.text import CountVectorizer

    model = BERTopic(
        # Places come from us: BERTopic would load a model, and lay out once more, otherwise.
        embedding_model=BaseEmbedder(),
        umap_model=BaseDimensionalityReduction(),
        hdbscan_model=HDBSCAN(
            min_cluster_size=smallest, metric="euclidean", cluster_selection_method="eom", core_dist_n_jobs=1
        ),
        vectorizer_model=CountVectorizer(stop_words="english"),
        top_n_words=TOPIC_WORDS,
        calculate_probabilities=False,
        verbose=False,
    )
    try:
        found, _ = model.fit_transform(captions, embeddings=places)
    except ValueError as error:
        raise UserError(f"topics: BERTopic cannot model these {len(captions)} captions: {error}") from error
    assignments = np.asarray(found)
    count = int(assignments.max()) + 1
    words = [[word for word, _ in model.get_topic(topic) if word] for topic in range(count)]
    return assignments, words


@contextlib.contextmanager
def _without_models() -> Iterator[None]:
    """Hide language models while BERTopic is imported: it tries them all, which costs 20 s, and we hand it places."""
    hidden = [name for name in ("sentence_transformers", "transformers") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
