"""Soft labels: methods/paraphrase_and_curation.md D 8 to 14."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clapline.objectives.contrastive import contrastive, softmax_cross_entropy
from clapline.objectives.positives import PositivePairs
from clapline.objectives.soft_targets import teacher_targets


def soft_targets(positives, teacher, beta, *, normalise=True):
    """Of whole matrices."""
    pairs = PositivePairs.from_matrix(positives)
    return teacher_targets(pairs, teacher, beta, "normalised" if normalise else "raw").rows(0, pairs.size)


EYE2 = torch.eye(2, dtype=torch.bool)


def unit(rows: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def teacher_with_cosine(cosine: float) -> torch.Tensor:
    return torch.tensor([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]])


def test_golden_cross_entropy_of_raw_and_normalised_rows():
    logits = torch.eye(2)
    raw = soft_targets(EYE2, teacher_with_cosine(0.5), 0.3, normalise=False)
    normalised = soft_targets(EYE2, teacher_with_cosine(0.5), 0.3)
    torch.testing.assert_close(raw[0], torch.tensor([1.0, 0.15]))
    assert softmax_cross_entropy(logits, raw).item() == pytest.approx(0.5102509406, abs=1e-6)
    assert softmax_cross_entropy(logits, normalised).item() == pytest.approx(0.4436964701, abs=1e-6)


def test_beta_zero_is_the_hard_loss_whatever_the_teacher_says():
    audio, text, eye = unit(5, 0), unit(5, 1), torch.eye(5, dtype=torch.bool)
    hard = contrastive(audio, text, 7.0, torch.eye(5))
    for normalise in (True, False):
        for seed in (2, 3):
            targets = soft_targets(eye, unit(5, seed), 0.0, normalise=normalise)
            torch.testing.assert_close(contrastive(audio, text, 7.0, targets), hard)


def test_orthonormal_teacher_is_the_hard_loss_for_any_beta():
    targets = soft_targets(torch.eye(4, dtype=torch.bool), torch.eye(4), 0.7, normalise=False)
    torch.testing.assert_close(targets, torch.eye(4))


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_normalised_rows_are_distributions_with_the_diagonal_largest(beta):
    targets = soft_targets(torch.eye(6, dtype=torch.bool), unit(6, 4), beta)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
    assert (targets >= 0).all()
    assert (targets.diagonal() >= targets.max(dim=1).values - 1e-6).all()


def test_negative_cosines_stay_finite_and_the_teacher_gets_no_gradient():
    teacher = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    targets = soft_targets(EYE2, teacher, 0.3, normalise=False)
    assert targets.min() >= 0
    assert not targets.requires_grad
    loss = contrastive(unit(2, 0), unit(2, 1), 5.0, targets)
    assert torch.isfinite(loss)


def test_gradient_of_a_raw_row():
    """D 12: the gradient of row i is (mᵢ Pᵢ - Qᵢ) / B."""
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    raw = soft_targets(torch.eye(3, dtype=torch.bool), unit(3, 5), 0.4, normalise=False)
    softmax_cross_entropy(logits, raw).backward()
    expected = (raw.sum(dim=1, keepdim=True) * logits.detach().softmax(dim=1) - raw) / 3
    torch.testing.assert_close(logits.grad, expected)
