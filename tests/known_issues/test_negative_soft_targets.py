"""Trap 5: raw cosines as soft targets are negative in places, which torch's KL makes NaN, and no distribution."""

from __future__ import annotations

import pytest
import torch

from clapline.objectives.contrastive import softmax_contrast
from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.objectives.soft_targets import PairProbabilities, teacher_targets

BETA = 0.3


def teacher(cosine: float) -> torch.Tensor:
    return torch.tensor([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]], dtype=torch.float64)


@pytest.mark.parametrize("cosine", [-0.5, -1e-8])
def test_the_published_loss_is_not_a_number(cosine: float):
    """D 9: as published, without a clamp; rounding of orthogonal rows is enough."""
    rows = (1 - BETA) * torch.eye(2) + BETA * teacher(cosine) @ teacher(cosine).T
    loss = torch.nn.KLDivLoss(reduction="batchmean")(torch.eye(2).double().log_softmax(dim=1), rows)
    assert loss.isnan()


@pytest.mark.parametrize("form", ["raw", "normalised", "softmax"])
@pytest.mark.parametrize("cosine", [-1.0, -0.5, -1e-8, 0.0, 0.9])
@pytest.mark.parametrize("factors", [False, True])
def test_ours_is_finite(form: str, cosine: float, factors: bool):
    """D 9, D 13: value and gradient."""
    targets = teacher_targets(PositivePairs.identity(2), teacher(cosine), BETA, form)
    logits = torch.eye(2, dtype=torch.float64, requires_grad=True)
    scores = Scores(rows=logits, columns=torch.eye(2, dtype=torch.float64)) if factors else Scores(logits)
    loss = softmax_contrast(scores, 5.0, targets)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    assert (targets.rows(0, 2) >= 0).all()


def test_only_raw_rows_do_not_sum_to_one():
    """Rows of raw cosines weigh more the more neighbours they have; the default is a distribution."""
    sums = {
        form: teacher_targets(PositivePairs.identity(2), teacher(0.9), BETA, form).rows(0, 2).sum(dim=1)
        for form in ("raw", "normalised", "softmax")
    }
    assert (sums["raw"] > 1.2).all()
    for form in ("normalised", "softmax"):
        torch.testing.assert_close(sums[form], torch.ones(2).double(), rtol=0, atol=1e-6)


def test_probabilities_of_pairs_stay_between_nothing_and_one():
    views = (teacher(-0.7), teacher(0.9) * (1 + 1e-6))  # rounded rows may be a little too long
    rows = PairProbabilities(PositivePairs.identity(2), 1.0, views).rows(0, 2)
    assert ((rows >= 0) & (rows <= 1)).all()
