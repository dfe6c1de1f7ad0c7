"""Gaussians and ensembles as sides of a comparison: the products are the scores of the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clapline.errors import UserError
from clapline.metrics.retrieval import Relevance, relevant_ranks
from clapline.metrics.scores import MeanGallery, Side, ensemble
from clapline.metrics.similarity import nearest, similarities
from clapline.model.gallery import VectorGallery
from clapline.objectives.gaussian import closed_form_distance, retrieval_scores


class Scorer:
    """Clips without vectors: every text's score is a number of its own, drawn by the text's first entries."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table  # (dim, clips)

    def __len__(self) -> int:
        return self.table.shape[1]

    def take(self, rows):
        return Scorer(self.table[:, np.asarray(rows)])

    def cosines(self, texts: np.ndarray) -> np.ndarray:
        return (texts.astype(np.float64) @ self.table).astype(np.float32)

    def check(self, name: str, rows: int) -> None:
        assert len(self) == rows


def unit(rows: int, seed: int, dim: int = 6) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def gaussian(rows: int, seed: int) -> tuple[Side, np.ndarray, np.ndarray]:
    means = unit(rows, seed)
    widths = np.random.default_rng(seed + 100).normal(-2, 1, size=means.shape).astype(np.float32)
    return Side(VectorGallery(means, widths), np.exp(widths.astype(np.float64)).sum(axis=1)), means, widths


def scores(queries: Side, candidates: Side) -> np.ndarray:
    return similarities(queries.as_queries(), candidates.as_candidates())(0, len(queries))


def test_gaussians_are_ranked_by_expected_distance_whatever_the_querys_own_width():
    """T17: the order of -E|x - y|² is that of μ·μ' - tr'/2, and not of μ·μ' - tr/2 or of the means alone."""
    clips, clip_means, clip_widths = gaussian(40, 0)
    texts, text_means, text_widths = gaussian(25, 1)
    expected = retrieval_scores(*map(torch.from_numpy, (text_means, clip_means, clip_widths))).numpy()
    np.testing.assert_allclose(scores(texts, clips), expected, atol=1e-6)
    arrays = map(torch.from_numpy, (text_means, text_widths, clip_means, clip_widths))
    distance = closed_form_distance(*arrays).numpy()
    np.testing.assert_array_equal(np.argsort(scores(texts, clips), axis=1), np.argsort(-distance, axis=1))
    by_means = np.argsort(text_means @ clip_means.T, axis=1)
    assert (np.argsort(scores(texts, clips), axis=1) != by_means).any()
    back = np.argsort(scores(clips, texts), axis=1)
    np.testing.assert_array_equal(back, np.argsort(-distance.T, axis=1))


def test_equal_widths_rank_as_points_do():
    clips, clip_means, _ = gaussian(30, 2)
    texts, text_means, _ = gaussian(20, 3)
    level = Side(clips.items, np.full(30, 0.7)), Side(texts.items, np.full(20, 0.3))
    relevance = Relevance.from_pairs(np.arange(20), np.arange(20), 20, 30)
    wide = relevant_ranks(level[1].as_queries(), level[0].as_candidates(), relevance)
    np.testing.assert_array_equal(wide, relevant_ranks(text_means, clip_means, relevance))


def test_rows_keep_their_width():
    clips, _, _ = gaussian(10, 4)
    chosen = clips.take([7, 2])
    np.testing.assert_array_equal(chosen.total_variance, clips.total_variance[[7, 2]])
    np.testing.assert_array_equal(chosen.items.log_variance, clips.items.log_variance[[7, 2]])


def test_an_ensemble_scores_by_the_mean_of_its_members():
    clips = [Side(VectorGallery(unit(12, seed, dim))) for seed, dim in ((0, 6), (1, 9))]
    texts = [Side(unit(8, seed, dim)) for seed, dim in ((2, 6), (3, 9))]
    both = ensemble(clips, texts)
    mean = np.mean([scores(text, clip) for text, clip in zip(texts, clips, strict=True)], axis=0)
    np.testing.assert_allclose(scores(both[1], both[0]), mean, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(both[0].items, axis=1), 1, atol=1e-6)
    alone = ensemble(clips[:1] * 3, texts[:1] * 3)
    np.testing.assert_allclose(scores(alone[1], alone[0]), scores(texts[0], clips[0]), atol=1e-6)


def test_an_ensemble_of_gaussians_and_points():
    gauss, means, _ = gaussian(12, 5)
    points = Side(VectorGallery(unit(12, 6)))
    texts = Side(unit(8, 7)), Side(unit(8, 8))
    clips, words = ensemble([gauss, points], texts)
    # The texts are points, so that only the clips' widths count: half of them, for the one of two models.
    mean = (texts[0].items @ means.T - gauss.total_variance / 2 + texts[1].items @ points.items.vectors.T) / 2
    side = Side(words.items, np.zeros(8))
    np.testing.assert_allclose(scores(side, clips), mean, atol=1e-6)


def test_members_that_pool_by_text_are_asked_with_their_own_part():
    vectors, table = unit(12, 9), unit(12, 10, 9).T.astype(np.float64)
    clips = [Side(VectorGallery(vectors)), Side(Scorer(table))]
    texts = [Side(unit(8, 11)), Side(unit(8, 12, 9))]
    both = ensemble(clips, texts)
    assert isinstance(both[0].items, MeanGallery)
    mean = (texts[0].items @ vectors.T + texts[1].items @ table) / 2
    np.testing.assert_allclose(scores(both[1], both[0]), mean, atol=1e-6)
    np.testing.assert_array_equal(nearest(both[1].items, both[0].items), mean.argmax(axis=1))
    np.testing.assert_allclose(scores(both[1], both[0].take([3, 1])), mean[:, [3, 1]], atol=1e-6)
    gauss, _, _ = gaussian(12, 5)
    with pytest.raises(UserError, match="cannot hold"):
        ensemble([gauss, clips[1]], texts)
    with pytest.raises(UserError, match="are no Gaussians"):
        Side(Scorer(table), np.ones(12)).as_candidates()
