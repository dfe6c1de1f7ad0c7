"""The sigmoid form: SigLIP's formula, parity with torch, several positives, extreme logits, ignored pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.ignored import Ignored
from clapline.objectives.positives import PositivePairs
from clapline.objectives.sigmoid import initial_logits, sigmoid, sigmoid_contrast
from clapline.objectives.soft_targets import PairProbabilities
from tests.clapline.objectives.losses import positives_of, scores, unit

WAYS = [pytest.param(False, id="whole"), pytest.param(True, id="factors")]


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
    assert loss.item() == pytest.approx(expected, abs=1e-12)


def siglip(audio: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Return OpenCLIP's SigLipLoss of one process, written out."""
    logits = scale * torch.einsum("id,jd->ij", audio, text) + bias
    z = 2 * torch.eye(len(audio), dtype=logits.dtype) - 1
    return -functional.logsigmoid(z * logits).sum() / len(audio)


def gradients(loss, *leaves: Tensor) -> tuple[Tensor, ...]:
    leaves = tuple(leaf.clone().requires_grad_() for leaf in leaves)
    value = loss(*leaves)
    return value.detach(), *torch.autograd.grad(value, leaves)


def leaves() -> tuple[Tensor, ...]:
    numbers = (torch.tensor(value, dtype=torch.float64) for value in (10.0, -10.0))
    return unit(21, 8, 0), unit(21, 8, 1), *numbers


@pytest.mark.parametrize("factors", WAYS)
def test_value_and_gradient_of_siglip(factors: bool):
    """The plain formula in the place of OpenCLIP, which cannot be imported beside a CPU torch."""

    def ours(audio: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        targets = PairProbabilities(PositivePairs.identity(len(audio)))
        return sigmoid_contrast(scores(audio, text, factors), scale, bias, targets)

    for own, other in zip(gradients(ours, *leaves()), gradients(siglip, *leaves()), strict=True):
        torch.testing.assert_close(own, other)


def test_value_and_gradient_of_open_clip():
    open_clip = pytest.importorskip("open_clip", exc_type=ImportError)

    def ours(audio: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        return sigmoid(audio @ text.T, scale, bias, torch.eye(len(audio), dtype=torch.bool))

    for own, other in zip(gradients(ours, *leaves()), gradients(open_clip.SigLipLoss(), *leaves()), strict=True):
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("factors", WAYS)
@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_value_and_gradient_of_torch(beta: float, factors: bool):
    """binary_cross_entropy_with_logits of the same probabilities, summed over pairs and divided by B, not by B²."""
    targets = PairProbabilities(positives_of(7), beta, (unit(7, 3, 2), unit(7, 3, 3)))
    start = unit(7, 4, 0), unit(7, 4, 1), torch.tensor(5.0).double(), torch.tensor(-2.0).double()

    def ours(audio: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        return sigmoid_contrast(scores(audio, text, factors), scale, bias, targets)

    def theirs(audio: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        logits = scale * audio @ text.T + bias
        return functional.binary_cross_entropy_with_logits(logits, targets.rows(0, 7).double(), reduction="sum") / 7

    for own, other in zip(gradients(ours, *start), gradients(theirs, *start), strict=True):
        torch.testing.assert_close(own, other)


def test_captions_of_one_clip_are_pulled_together():
    cosines = torch.zeros(3, 3, requires_grad=True)
    positives = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    sigmoid(cosines, 5.0, 0.0, positives).backward()
    assert (cosines.grad[positives] < 0).all()
    assert (cosines.grad[~positives] > 0).all()


def test_even_start_at_minus_log_of_the_negatives():
    """With the bias at -log(B - 1) and all cosines 0, positives and negatives of a row weigh the same."""
    scale, bias = initial_logits("batch", 64)
    assert scale is None
    cosines = torch.zeros(64, 64, requires_grad=True)
    sigmoid(cosines, 1.0, bias, torch.eye(64, dtype=torch.bool)).backward()
    positive = -cosines.grad.diagonal().sum()
    assert positive.item() == pytest.approx(cosines.grad.sum().item() + positive.item(), rel=1e-4)


def test_named_first_logits():
    assert initial_logits("siglip", 7) == (10.0, -10.0)
    assert initial_logits("thesis", 7) == (pytest.approx(54.3656, abs=1e-4), -10.0)
    assert initial_logits("batch", 1) == (None, 0.0)


@pytest.mark.parametrize("factors", WAYS)
def test_ignored_pairs_are_left_out(factors: bool):
    """At extreme logits too: no gradient, no cost."""
    positives = PositivePairs.identity(2)
    states = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    ignored = Ignored(positives, states, 0.9)
    audio = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], requires_grad=True)
    targets = PairProbabilities(positives)
    loss = sigmoid_contrast(scores(audio, torch.eye(2), factors), 1e5, -10.0, targets, ignored)
    loss.backward()
    assert loss.item() == 0
    assert audio.grad[0, 1] == audio.grad[1, 0] == 0
    cost = sigmoid_contrast(scores(audio, torch.eye(2), factors), 1e5, -10.0, targets)
    assert cost.item() == pytest.approx((1e5 - 10) / 2)
