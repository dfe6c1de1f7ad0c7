"""The sigmoid form: SigLIP's formula, several positives, extreme logits, ignored pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from clapline.objectives.sigmoid import sigmoid


def test_equals_the_published_formula():
    """-(1/B) Σ log σ(z (t·cos + b)), by plain Python."""
    cosines = torch.tensor([[0.9, -0.2, 0.1], [0.3, 0.5, 0.0], [-0.7, 0.2, 0.8]], dtype=torch.float64)
    scale, bias = 10.0, -1.5
    expected = 0.0
    for row in range(3):
        for column in range(3):
            z = 1 if row == column else -1
            expected -= math.log(1 / (1 + math.exp(-z * (scale * float(cosines[row, column]) + bias)))) / 3
    loss = sigmoid(cosines, scale, bias, torch.eye(3, dtype=torch.bool))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_captions_of_one_clip_are_pulled_together():
    cosines = torch.zeros(3, 3, requires_grad=True)
    positives = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    sigmoid(cosines, 5.0, 0.0, positives).backward()
    assert (cosines.grad[positives] < 0).all()
    assert (cosines.grad[~positives] > 0).all()


def test_even_start_at_minus_log_of_the_negatives():
    """With the bias at -log(B - 1) and all cosines 0, positives and negatives of a row weigh the same."""
    batch = 64
    cosines = torch.zeros(batch, batch, requires_grad=True)
    sigmoid(cosines, 1.0, -math.log(batch - 1), torch.eye(batch, dtype=torch.bool)).backward()
    positive = -cosines.grad.diagonal().sum()
    assert positive.item() == pytest.approx(cosines.grad.sum().item() + positive.item(), rel=1e-4)


def test_extreme_logits_and_ignored_pairs():
    cosines = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], requires_grad=True)
    ignored = torch.tensor([[False, True], [False, False]])
    loss = sigmoid(cosines, 1e5, -10.0, torch.eye(2, dtype=torch.bool), ignored)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(cosines.grad).all()
    assert cosines.grad[0, 1] == 0


def test_half_precision_cosines_are_judged_in_fp32():
    cosines = functional.normalize(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    full = sigmoid(cosines, 20.0, -3.0, torch.eye(4, dtype=torch.bool))
    half = sigmoid(cosines.bfloat16(), 20.0, -3.0, torch.eye(4, dtype=torch.bool))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, atol=0.1, rtol=0.05)
