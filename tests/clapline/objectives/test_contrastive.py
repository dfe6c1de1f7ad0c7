"""Golden values and properties of methods/paraphrase_and_curation.md D 1, 2 and the multi-positive targets."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from clapline.objectives.contrastive import contrastive, softmax_cross_entropy
from clapline.objectives.positives import PositivePairs
from clapline.objectives.targets import HardTargets

EYE = torch.eye(2, dtype=torch.float64)
SWAPPED = EYE.flip(0)


def unit(rows: int, dimension: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(rows, dimension, generator=generator), dim=-1)


@pytest.mark.parametrize(
    ("first", "second", "scale", "expected"),
    [(EYE, EYE, 1.0, 0.3132616875), (EYE, EYE, 1 / 0.07, 6.2487476e-07), (EYE, SWAPPED, 1.0, 1.3132616875)],
)
def test_golden_values(first, second, scale, expected):
    assert contrastive(first, second, scale, EYE).item() == pytest.approx(expected, abs=1e-6)


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 9))
def test_equals_torch_cross_entropy_and_is_symmetric(seed, rows):
    audio, text = unit(rows, 6, seed), unit(rows, 6, seed + 1)
    logits, places = 5.0 * audio @ text.T, torch.arange(rows)
    expected = 0.5 * (functional.cross_entropy(logits, places) + functional.cross_entropy(logits.T, places))
    loss = contrastive(audio, text, 5.0, torch.eye(rows))
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(loss, contrastive(text, audio, 5.0, torch.eye(rows)), atol=1e-5, rtol=1e-5)


def test_invariant_to_joint_permutation_and_rotation():
    audio, text = unit(7, 5, 0), unit(7, 5, 1)
    loss = contrastive(audio, text, 10.0, torch.eye(7))
    order = torch.randperm(7, generator=torch.Generator().manual_seed(2))
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(3))).Q
    torch.testing.assert_close(contrastive(audio[order], text[order], 10.0, torch.eye(7)), loss)
    torch.testing.assert_close(contrastive(audio @ rotation, text @ rotation, 10.0, torch.eye(7)), loss)


def test_constant_embeddings_give_log_batch():
    same = unit(1, 4, 0).expand(6, 4)
    assert contrastive(same, same, 3.0, torch.eye(6)).item() == pytest.approx(math.log(6), abs=1e-6)


def test_captions_of_one_clip_are_positives():
    """Rows 0 and 1 are of one clip: pulling row 0 to caption 1 must lower the loss, not raise it."""
    positives = PositivePairs.from_matrix(torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool())
    targets = HardTargets(positives).rows(0, 3)
    torch.testing.assert_close(targets[0], torch.tensor([0.5, 0.5, 0.0]))
    logits = torch.zeros(3, 3, requires_grad=True)
    softmax_cross_entropy(logits, targets).backward()
    assert logits.grad[0, 1] < 0 < logits.grad[0, 2]


def test_ignored_pairs_get_no_gradient():
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    ignored = torch.zeros(3, 3, dtype=torch.bool)
    ignored[0, 2] = ignored[2, 0] = True
    softmax_cross_entropy(logits, torch.eye(3), ignored).backward()
    assert logits.grad[0, 2] == 0
    assert logits.grad[0, 1] > 0


def test_extreme_logits_stay_finite():
    audio, text = unit(4, 3, 0), -unit(4, 3, 0)
    loss = contrastive(audio.requires_grad_(), text, 1e4, torch.eye(4))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(audio.grad).all()
