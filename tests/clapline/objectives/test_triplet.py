"""Triplet losses: hand-computed costs, their relations, and what no negative and several positives are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.objectives.triplet import triplet
from tests.clapline.objectives.losses import positives_of, scores, unit

KINDS = ("sum", "max", "weighted")
COSINES = torch.tensor([[0.9, 0.8, 0.1], [0.2, 0.5, 0.45], [0.0, 0.6, 0.7]], dtype=torch.float64)


def of(cosines: Tensor, negatives: str, margin: float = 0.2, positives: PositivePairs | None = None) -> float:
    positives = PositivePairs.identity(len(cosines)) if positives is None else positives
    return triplet(Scores(cosines), positives, margin, negatives).item()


def by_hand(negatives: str, margin: float) -> float:
    """Return the loss by plain Python, as the docstring's formula has it."""
    s, size, total = COSINES.tolist(), 3, 0.0

    def weighted(hardest: float, right: float) -> float:
        if hardest + margin <= right:
            return 0.0
        return max(0.0, 0.2 * right**2 - 0.7 * right + 0.5) + max(0.0, 0.9 * hardest**2 - 0.4 * hardest + 0.03)

    for i in range(size):
        others = [j for j in range(size) if j != i]
        for wrong in ([s[i][j] for j in others], [s[j][i] for j in others]):
            costs = [max(0.0, margin + each - s[i][i]) for each in wrong]
            total += {"sum": sum(costs), "max": max(costs), "weighted": weighted(max(wrong), s[i][i])}[negatives]
    return total / size


@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("negatives", KINDS)
def test_golden_values(negatives: str, margin: float):
    assert of(COSINES, negatives, margin) == pytest.approx(by_hand(negatives, margin), abs=1e-12)


def test_hand_computed():
    """Margin 0.2: of captions (0.8 in row 0: 0.1; 0.45 in row 1: 0.15; 0.6 in row 2: 0.1), of clips (0.8 and 0.6 in
    column 1: 0.5 and 0.3; 0.45 in column 2: 0)."""
    assert of(COSINES, "sum") == pytest.approx((0.1 + 0.15 + 0.1 + 0.5 + 0.3) / 3, abs=1e-12)
    assert of(COSINES, "max") == pytest.approx((0.1 + 0.15 + 0.1 + 0.5) / 3, abs=1e-12)


def test_two_pairs_have_one_negative_each():
    """`sum` and `max` are one with two pairs, and not with three; margin ranking of torch is the same cost."""
    cosines = unit(2, 3, 0) @ unit(2, 3, 1).T
    assert of(cosines, "sum", 1.0) == pytest.approx(of(cosines, "max", 1.0), abs=1e-12)
    assert of(COSINES, "sum", 1.0) > of(COSINES, "max", 1.0) + 0.1
    right, ones = cosines.diagonal(), torch.ones(2, dtype=torch.float64)
    costs = [
        functional.margin_ranking_loss(right, wrong, ones, margin=1.0)
        for wrong in (cosines.flip(1).diagonal(), cosines.flip(0).diagonal())
    ]
    assert of(cosines, "sum", 1.0) == pytest.approx(float(sum(costs)), abs=1e-12)


@pytest.mark.parametrize("negatives", KINDS)
@pytest.mark.parametrize("factors", [False, True])
def test_what_is_far_enough_costs_nothing(negatives: str, factors: bool):
    audio = torch.eye(4, dtype=torch.float64).requires_grad_()
    loss = triplet(scores(audio, torch.eye(4, dtype=torch.float64), factors), PositivePairs.identity(4), 0.5, negatives)
    loss.backward()
    assert loss.item() == 0
    assert not audio.grad.any()


@pytest.mark.parametrize("negatives", KINDS)
@pytest.mark.parametrize("factors", [False, True])
def test_several_positives(negatives: str, factors: bool):
    """A caption of the same clip is no negative, however near, and no excuse for the pair's own."""
    positives, size = positives_of(3), 3
    near = torch.tensor([[0.2, 0.99, 0.0], [0.98, 0.3, 0.1], [0.05, 0.0, 0.9]], dtype=torch.float64)
    start = near.clone().requires_grad_()
    loss = triplet(scores(start, torch.eye(3, dtype=torch.float64), factors), positives, 0.6, negatives)
    loss.backward()
    assert (start.grad[positives.matrix()] <= 0).all()
    assert start.grad[0, 1] == 0
    assert start.grad[0, 0] < 0
    right = [0.2, 0.3, 0.9]
    if negatives == "sum":
        s = near.tolist()
        wrong = [(i, j) for i in range(size) for j in range(size) if (i, j) not in {(0, 1), (1, 0)} and i != j]
        costs = [max(0.0, 0.6 + s[i][j] - right[k]) for i, j in wrong for k in (i, j)]
        assert loss.item() == pytest.approx(sum(costs) / size, abs=1e-12)


def test_published_weights_pull_far_negatives_nearer():
    """A consequence of 0.9 h² - 0.4 h + 0.03, known and kept: below h = 0.095 it falls in h; above 0.349 it pushes."""
    for negative, sign in ((-0.1, -1), (0.2, 0), (0.5, 1)):
        cosines = torch.full((3, 3), negative, dtype=torch.float64)
        cosines[0, 1] += 0.01  # one hardest, so that ties share nothing
        cosines.requires_grad_()
        triplet(Scores(cosines), PositivePairs.identity(3), 0.2, "weighted").backward()
        assert torch.sign(cosines.grad[0, 1]) == sign
