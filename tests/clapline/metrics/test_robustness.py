"""What other words move: shifts of rank, the top ten, cosines."""

from __future__ import annotations

import numpy as np
import pytest

from clapline.metrics.robustness import rank_shift, row_cosines, shared_top
from clapline.model.gallery import VectorGallery


class Scorer:
    """Clips that score texts by number."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores  # (texts, clips)

    def __len__(self) -> int:
        return self.scores.shape[1]

    def cosines(self, texts: np.ndarray) -> np.ndarray:
        return self.scores[texts[:, 0].astype(np.int64)].astype(np.float32)


def unit(rows: int, seed: int, dim: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_rank_shift_is_in_doublings_either_way():
    np.testing.assert_allclose(rank_shift(np.array([1, 8, 5]), np.array([2, 2, 5])), [1, 2, 0])


def test_the_same_words_share_all_and_opposite_words_nothing():
    queries, gallery = unit(30, 0), unit(50, 1)
    np.testing.assert_array_equal(shared_top(queries, queries, gallery, 10), 1)
    assert shared_top(queries, -queries, gallery, 10).max() == 0
    np.testing.assert_array_equal(shared_top(queries, -queries, gallery[:7], 10), 1)  # the whole gallery


@pytest.mark.parametrize("at_once", [1, 10**6])
def test_overlap_is_that_of_sorted_lists_for_vectors_and_for_clips_that_score(monkeypatch, at_once):
    monkeypatch.setattr("clapline.metrics.robustness._PRODUCTS_AT_ONCE", at_once)
    first, second, gallery = unit(20, 2), unit(20, 3), unit(40, 4)
    tops = [np.argsort(-(words @ gallery.T), axis=1)[:, :10] for words in (first, second)]
    expected = [len(set(one) & set(other)) / 10 for one, other in zip(*tops, strict=True)]
    np.testing.assert_allclose(shared_top(first, second, VectorGallery(gallery), 10), expected)
    scorer = Scorer(np.concatenate([first, second]) @ gallery.T)
    rows = np.arange(40, dtype=np.float32)[:, None]
    np.testing.assert_allclose(shared_top(rows[:20], rows[20:], scorer, 10), expected)


def test_cosines_are_row_by_row():
    first, second = unit(5, 5), unit(5, 6)
    np.testing.assert_allclose(row_cosines(first, second), np.diag(first @ second.T), atol=1e-6)
