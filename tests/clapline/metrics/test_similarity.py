"""Measures over clips that score texts themselves: as over vectors, in both directions, in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from clapline.metrics.retrieval import Relevance, relevant_ranks
from clapline.metrics.similarity import nearest, similarities
from clapline.metrics.traversal import traverse
from clapline.metrics.zero_shot import classify
from clapline.model.gallery import VectorGallery


class Scorer:
    """Clips without vectors: scores of the texts by number, and a note of how many were asked for at once."""

    def __init__(self, scores: np.ndarray, asked: list[tuple[int, int]] | None = None) -> None:
        self.scores, self.asked = scores, [] if asked is None else asked  # scores: (texts, clips)

    def __len__(self) -> int:
        return self.scores.shape[1]

    def take(self, rows):
        return Scorer(self.scores[:, np.asarray(rows)], self.asked)

    def cosines(self, texts: np.ndarray) -> np.ndarray:
        self.asked.append((len(texts), len(self)))
        return self.scores[texts[:, 0].astype(np.int64)].astype(np.float32)


def numbered(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32)[:, None]


def table(queries: int, items: int, seed: int = 0) -> Relevance:
    rng = np.random.default_rng(seed)
    pairs = [(query, item) for query in range(queries) for item in rng.choice(items, 3, replace=False)]
    query, item = np.array(pairs).T
    return Relevance.from_pairs(query, item, queries, items)


def unit(rows: int, dim: int = 6, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("levels", [4, 10**6])  # few values: many ties
@pytest.mark.parametrize("at_once", [1, 40, 10**6])
def test_ranks_in_both_directions_are_those_of_the_score_matrix(monkeypatch, levels, at_once):
    monkeypatch.setattr("clapline.metrics.similarity._PRODUCTS_AT_ONCE", at_once)
    scores = np.random.default_rng(1).integers(0, levels, (17, 11)).astype(np.float32)
    forward, backward = table(17, 11), table(11, 17)
    as_vectors = np.eye(17, dtype=np.float32), scores.T  # text i · clip j = scores[i, j]
    clips = Scorer(scores)
    ranks = relevant_ranks(numbered(17), clips, forward)
    np.testing.assert_array_equal(ranks, relevant_ranks(*as_vectors, forward))
    ranks = relevant_ranks(clips, numbered(17), backward)
    np.testing.assert_array_equal(ranks, relevant_ranks(*reversed(as_vectors), backward))
    assert max(texts * clips for texts, clips in clips.asked) <= max(at_once, 17)


def test_a_gallery_of_vectors_is_its_vectors(monkeypatch):
    texts, audio = unit(20), unit(9, seed=1)
    forward, backward = table(20, 9), table(9, 20)
    gallery = VectorGallery(audio)
    # Exact search over vectors decides, not products of blocks: nothing is asked of the gallery itself.
    monkeypatch.delattr(VectorGallery, "cosines")
    np.testing.assert_array_equal(nearest(gallery, texts), nearest(audio, texts))
    np.testing.assert_array_equal(relevant_ranks(texts, gallery, forward), relevant_ranks(texts, audio, forward))
    np.testing.assert_array_equal(relevant_ranks(gallery, texts, backward), relevant_ranks(audio, texts, backward))
    np.testing.assert_array_equal(similarities(gallery, texts)(2, 7), similarities(audio, texts)(2, 7))
    truth = np.arange(9) % 4
    for got, expected in zip(classify(gallery, texts[:4], truth), classify(audio, texts[:4], truth), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_clips_without_vectors_are_classified_and_walk_as_those_with():
    texts, audio = unit(20), unit(9, seed=1)
    scores = similarities(texts, audio)(0, 20)
    truth = np.arange(9) % 4
    for got, expected in zip(
        classify(Scorer(scores), numbered(4), truth), classify(audio, texts[:4], truth), strict=True
    ):
        np.testing.assert_array_equal(got, expected)

    class Asked(Scorer):
        def take(self, rows):
            return Asked(self.scores[:, np.asarray(rows)])

        def cosines(self, asked: np.ndarray) -> np.ndarray:
            assert asked is texts
            return self.scores

    trees = [[row, row + 9] for row in range(9)]
    got, expected = traverse(Asked(scores), texts, texts[0], trees), traverse(audio, texts, texts[0], trees)
    np.testing.assert_array_equal(got.precision, expected.precision)
    np.testing.assert_array_equal(got.level_hits, expected.level_hits)


def test_the_nearest_is_the_first_of_equals_in_either_direction(monkeypatch):
    scores = np.array([[0, 3, 3], [2, 2, 2], [9, 0, 9], [9, 3, 1]], np.float32)
    for at_once in (1, 10**6):
        monkeypatch.setattr("clapline.metrics.similarity._PRODUCTS_AT_ONCE", at_once)
        assert nearest(numbered(4), Scorer(scores)).tolist() == [1, 0, 0, 0]
        assert nearest(Scorer(scores), numbered(4)).tolist() == [2, 0, 2]
    assert nearest(np.eye(4, dtype=np.float32), np.ascontiguousarray(scores.T)).tolist() == [1, 0, 0, 0]
    assert nearest(numbered(4)[:0], Scorer(scores)).tolist() == []
