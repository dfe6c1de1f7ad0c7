"""Distillation: methods/paraphrase_and_curation.md C.5, D 22 and D 23, and parity with torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.contrastive import contrastive
from clapline.objectives.distillation import distillation, one_teacher_of
from tests.clapline.objectives.losses import scores, unit

WAYS = [pytest.param(False, id="whole"), pytest.param(True, id="factors")]
SCALE = 20.0


def teachers(count: int, size: int = 6) -> list[tuple[Tensor, Tensor]]:
    return [(unit(size, 4 + seed, 2 * seed + 50), unit(size, 4 + seed, 2 * seed + 51)) for seed in range(count)]


def of(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    audio, text = zip(*pairs, strict=True)
    return one_teacher_of(audio).double(), one_teacher_of(text).double()


@pytest.mark.parametrize("factors", WAYS)
def test_a_teacher_like_the_student(factors: bool):
    """D 22: at the same τ the loss is the mean entropy of the rows of both directions, its gradient 0."""
    audio, text = unit(6, 4, 0), unit(6, 4, 1)
    student = audio.clone().requires_grad_()
    loss = distillation(scores(student, text, factors), SCALE, audio, text, 1 / SCALE)
    loss.backward()
    logits = SCALE * audio @ text.T
    entropies = [torch.distributions.Categorical(logits=each).entropy().mean() for each in (logits, logits.T)]
    torch.testing.assert_close(loss.detach(), sum(entropies) / 2)
    assert student.grad.abs().max() < 1e-8
    other = audio.clone().requires_grad_()
    distillation(scores(other, text, factors), SCALE, audio, text, 2 / SCALE).backward()
    assert other.grad.abs().max() > 1e-3


@pytest.mark.parametrize("factors", WAYS)
def test_copies_of_a_teacher_are_one(factors: bool):
    """D 22; two teachers that differ are not."""
    (pair,), compared = teachers(1), scores(unit(6, 4, 0), unit(6, 4, 1), factors)
    one, three = (distillation(compared, SCALE, *of([pair] * count)) for count in (1, 3))
    torch.testing.assert_close(one, three, rtol=1e-6, atol=1e-6)
    assert not torch.isclose(distillation(compared, SCALE, *of(teachers(2))), one, rtol=1e-3)


def test_several_teachers_are_their_mean_cosine():
    """C.5: the mean of the cosines, then the temperature."""
    pairs = teachers(3)
    audio, text = of(pairs)
    mean = sum(clips @ captions.T for clips, captions in pairs) / 3
    torch.testing.assert_close(audio @ text.T, mean, rtol=1e-5, atol=1e-6)
    found = distillation(scores(unit(6, 4, 0), unit(6, 4, 1), False), SCALE, audio, text, 0.05)
    logits = SCALE * unit(6, 4, 0) @ unit(6, 4, 1).T
    expected = 0.5 * (
        functional.cross_entropy(logits, (mean / 0.05).softmax(dim=1))
        + functional.cross_entropy(logits.T, (mean.T / 0.05).softmax(dim=1))
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factors", WAYS)
def test_a_cold_teacher_that_ranks_each_pair_first(factors: bool):
    """D 23: τ → 0 is the supervised loss, at unique positives; a warm one is not."""
    teacher = torch.eye(6, dtype=torch.float64)
    audio, text = unit(6, 4, 0), unit(6, 4, 1)
    hard = contrastive(audio, text, SCALE, torch.eye(6))
    compared = scores(audio, text, factors)
    torch.testing.assert_close(distillation(compared, SCALE, teacher, teacher, 1e-3), hard, rtol=0, atol=1e-10)
    assert not torch.isclose(distillation(compared, SCALE, teacher, teacher, 1.0), hard, rtol=1e-3)


def test_each_direction_has_its_own_targets():
    """C.5: softmax over captions for clips, over clips for captions: not one matrix for both."""
    (pair,) = teachers(1)
    audio, text = unit(6, 4, 0), unit(6, 4, 1)
    logits, cold = SCALE * audio @ text.T, pair[0] @ pair[1].T / 0.05
    found = distillation(scores(audio, text, False), SCALE, *pair, 0.05)
    rows, columns = cold.softmax(dim=1), cold.T.softmax(dim=1)
    right = 0.5 * (functional.cross_entropy(logits, rows) + functional.cross_entropy(logits.T, columns))
    wrong = 0.5 * (functional.cross_entropy(logits, rows) + functional.cross_entropy(logits.T, rows.T))
    torch.testing.assert_close(found, right)
    assert not torch.isclose(found, wrong, rtol=1e-2)


@pytest.mark.parametrize("factors", WAYS)
def test_no_gradient_reaches_the_teacher(factors: bool):
    teacher = [side.requires_grad_() for side in teachers(1)[0]]
    student = unit(6, 4, 0).requires_grad_()
    distillation(scores(student, unit(6, 4, 1), factors), SCALE, *teacher, 0.05).backward()
    assert student.grad.abs().max() > 0
    assert teacher[0].grad is teacher[1].grad is None
