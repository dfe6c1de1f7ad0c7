"""Gaussians: methods/prolap.md T1, T2, T3 and T17, and the distance against draws and torch's own normal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal

from clapline.metrics.retrieval import Relevance, any_hit_at_k, relevant_ranks
from clapline.objectives.gaussian import (
    closed_form_distance,
    column_factor,
    gaussian_similarity,
    retrieval_scores,
    row_factor,
    trace,
)
from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.objectives.sigmoid import sigmoid, sigmoid_contrast
from clapline.objectives.soft_targets import PairProbabilities
from tests.clapline.objectives.losses import LOSSES, gradients_of, positives_of, unit, values_of


def spread(rows: int, width: int, seed: int, least: float = -3.0) -> Tensor:
    return least + 2 * torch.rand(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_distance_is_that_of_draws():
    """T1: E‖x - y‖² of 200,000 draws within four standard errors, D = 8."""
    mean, log_variance = unit(2, 8, 0), spread(2, 8, 1)
    torch.manual_seed(0)
    first, second = (Normal(mean[i], (log_variance[i] / 2).exp()).sample((200_000,)) for i in range(2))
    drawn = (first - second).square().sum(dim=1)
    closed = closed_form_distance(mean[:1], log_variance[:1], mean[1:], log_variance[1:])[0, 0]
    error = drawn.std() / len(drawn) ** 0.5
    assert abs(closed - drawn.mean()) <= 4 * error
    # Not of something else: without the variances, or with standard deviations in their place, it is far off.
    assert abs((mean[0] - mean[1]).square().sum() - drawn.mean()) > 40 * error
    wrong = (mean[0] - mean[1]).square().sum() + (log_variance / 2).exp().sum()
    assert abs(wrong - drawn.mean()) > 40 * error


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_properties_of_the_distance(seed: int):
    """T1: symmetric, twice the trace with itself, at least the squared distance of the means."""
    first, second = unit(3, 5, seed), unit(4, 5, seed + 1)
    of_first, of_second = spread(3, 5, seed), spread(4, 5, seed + 1)
    distance = closed_form_distance(first, of_first, second, of_second)
    torch.testing.assert_close(distance, closed_form_distance(second, of_second, first, of_first).T)
    own = closed_form_distance(first, of_first, first, of_first).diagonal()
    torch.testing.assert_close(own, 2 * trace(of_first))
    assert (own > 0).all()
    assert (distance >= torch.cdist(first, second).square() - 1e-12).all()


def golden() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64),
        torch.tensor([[-2.0, -2.0], [-1.0, -1.0]], dtype=torch.float64),
        torch.tensor([[0.6, 0.8], [0.0, 1.0]], dtype=torch.float64),
        torch.tensor([[-1.0, -1.0], [-3.0, -3.0]], dtype=torch.float64),
    )


@pytest.mark.parametrize("factors", [False, True])
def test_golden_logits_and_loss(factors: bool):
    """T2."""
    audio, of_audio, text, of_text = golden()
    logits = 10.0 * gaussian_similarity(audio, of_audio, text, of_text) - 10.0
    expected = torch.tensor([[-9.03214724, -11.85122352], [-9.35758882, -4.17666510]], dtype=torch.float64)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-8)
    rows, columns = row_factor(audio, of_audio), column_factor(text, of_text)
    scores = Scores(rows=rows, columns=columns) if factors else Scores(rows @ columns.T)
    loss = sigmoid_contrast(scores, 10.0, -10.0, PairProbabilities(PositivePairs.identity(2)))
    assert loss.item() == pytest.approx(6.6121291351, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_logit_is_the_distance(dtype: torch.dtype):
    """T2: a (μ·μ - tr/2) + b = -(a/2) CSD + a + b for unit means."""
    first, second = unit(6, 16, 0, dtype), unit(6, 16, 1, dtype)
    of_first, of_second = spread(6, 16, 2).to(dtype), spread(6, 16, 3).to(dtype)
    logits = 10.0 * gaussian_similarity(first, of_first, second, of_second) - 10.0
    distance = closed_form_distance(first, of_first, second, of_second)
    torch.testing.assert_close(logits, -5.0 * distance, rtol=1e-6, atol=1e-5 if dtype == torch.float32 else 1e-12)


def test_points_are_the_sigmoid_loss():
    """T3: with s = -∞ value and gradient of the means are SigLIP's."""
    values, positives = values_of(5), positives_of(5)
    values |= {f"{side}_log_variance": torch.full((5, 3), -torch.inf) for side in ("audio", "text")}
    probabilistic, siglip = LOSSES["probabilistic"], LOSSES["sigmoid"]
    loss, gradients = gradients_of(probabilistic, values, positives)
    expected, others = gradients_of(siglip, values, positives)
    torch.testing.assert_close(loss, expected)
    for name, gradient in others.items():
        torch.testing.assert_close(gradients[name], gradient)


def test_variance_raises_the_cost_of_positives_and_lowers_that_of_negatives():
    """T3: per pair, the sign of the gradient of the log variances."""
    for positive, sign in ((True, 1), (False, -1)):
        s = torch.full((1, 4), -2.0, dtype=torch.float64, requires_grad=True)
        of_text = torch.full((1, 4), -2.0, dtype=torch.float64, requires_grad=True)
        similarity = gaussian_similarity(unit(1, 4, 0), s, unit(1, 4, 1), of_text)
        sigmoid(similarity, 10.0, -10.0, torch.tensor([[positive]])).backward()
        for gradient in (s.grad, of_text.grad):
            assert (sign * gradient > 0).all()


def test_the_order_of_means_and_that_of_distances():
    """T17: -CSD ranks as μ·μ - tr/2 of the candidate; a query's own trace, or the candidates' left out, would not."""
    queries, candidates = unit(20, 8, 0), unit(30, 8, 1)
    of_queries, of_candidates = spread(20, 8, 2), spread(30, 8, 3)
    order = closed_form_distance(queries, of_queries, candidates, of_candidates).argsort(dim=1)
    scores = retrieval_scores(queries, candidates, of_candidates)
    assert torch.equal(scores.argsort(dim=1, descending=True), order)
    by_means = queries @ candidates.T
    by_query = by_means - 0.5 * trace(of_queries)[:, None]
    assert torch.equal(by_query.argsort(dim=1), by_means.argsort(dim=1))
    assert not torch.equal(by_query.argsort(dim=1, descending=True), order)


def hits(scores: Tensor) -> float:
    """Return R@1, ties against the query."""
    own = scores.diagonal()[:, None]
    return float(((scores >= own).sum(dim=1) == 1).double().mean())


def test_recall_of_perfect_and_of_random_embeddings():
    """T17: 100 %, and about 1 in N."""
    perfect = unit(200, 32, 0)
    equal = torch.full((200, 32), -6.0, dtype=torch.float64)
    assert hits(retrieval_scores(perfect, perfect, equal)) == 1.0
    found = [
        hits(retrieval_scores(unit(1000, 32, 2 * seed), unit(1000, 32, 2 * seed + 1), spread(1000, 32, seed)))
        for seed in range(5)
    ]
    assert 0 < np.mean(found) < 0.004


def test_what_evaluation_ranks_by_is_the_order_of_distances():
    """T17: a further entry of the vectors, -tr/2 against 1, gives this order to any search by dot products."""
    queries, candidates, of_candidates = unit(50, 8, 0), unit(50, 8, 1), spread(50, 8, 3)
    gallery = column_factor(candidates, of_candidates)[:, [*range(8), 9]]
    asked = torch.cat([queries, torch.ones(50, 1)], dim=1)
    relevance = Relevance.from_pairs(np.arange(50), np.arange(50), 50, 50)
    ranks = relevant_ranks(asked.numpy(), gallery.numpy(), relevance)
    scores = retrieval_scores(queries, candidates, of_candidates)
    expected = (scores >= scores.diagonal()[:, None]).sum(dim=1)
    np.testing.assert_array_equal(ranks, expected.numpy())
    assert any_hit_at_k(ranks, relevance, 1).mean() == hits(scores)
