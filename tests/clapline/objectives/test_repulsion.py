"""Mask repulsion: methods/prolap.md T15."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clapline.model.inputs import Embeddings
from clapline.objectives.repulsion import repulsion
from tests.clapline.objectives.losses import unit

TRACED = math.log(0.05)  # of two dimensions: a trace of 0.1


def levels_of(*means: Tensor) -> list[Embeddings]:
    return [Embeddings(mean, torch.full_like(mean, TRACED)) for mean in means]


def test_golden_values():
    """T15: equal vectors cost softplus(10 · 0.9 - 10), orthogonal ones all but nothing."""
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    apart = torch.eye(2, dtype=torch.float64)
    assert repulsion(levels_of(apart, same), 10.0, -10.0).item() == pytest.approx(0.3132617, abs=1e-7)
    assert repulsion(levels_of(same, apart), 10.0, -10.0).item() == pytest.approx(1.670e-5, abs=1e-8)
    both = repulsion(levels_of(same, same, apart), 10.0, -10.0).item()
    assert both == pytest.approx((0.3132617 + 1.670e-5) / 2, abs=1e-7)


@pytest.mark.parametrize(("variant", "levels"), [("other_inputs", 3), ("other_inputs", 1), ("same_input", 2)])
def test_nothing_to_keep_apart(variant: str, levels: int):
    """T15: exactly 0 with one masked input, or one masked level."""
    rows = 1 if variant == "other_inputs" and levels > 1 else 3
    made = levels_of(*(unit(rows, 2, seed) for seed in range(levels)))
    loss = repulsion(made, 10.0, -10.0, variant, -1.0)
    assert torch.equal(loss, torch.zeros_like(loss))


def test_the_whole_inputs_play_no_part():
    first, second = unit(3, 4, 0), unit(3, 4, 1)
    loss = repulsion(levels_of(first, second), 10.0, -1.0)
    assert torch.equal(repulsion(levels_of(unit(3, 4, 9), second), 10.0, -1.0), loss)
    assert not torch.equal(repulsion(levels_of(first, unit(3, 4, 9)), 10.0, -1.0), loss)


def test_no_gradient_to_scale_bias_and_variances():
    """T15: it cannot win by being uncertain; only the means move, and a step lowers their cosine."""
    mean = unit(3, 4, 0).requires_grad_()
    s = torch.full((3, 4), -3.0, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(10.0, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    levels = [Embeddings(mean.detach(), s.detach()), Embeddings(mean, s)]
    loss = repulsion(levels, scale, bias)
    gradients = torch.autograd.grad(loss, [mean, s, scale, bias], allow_unused=True)
    assert gradients[1:] == (None, None, None)
    moved = torch.nn.functional.normalize(mean.detach() - 0.01 * gradients[0], dim=1)

    def cosines(rows: Tensor) -> Tensor:
        return (rows @ rows.T).triu(1).sum()

    assert cosines(moved) < cosines(mean.detach())
    assert repulsion([levels[0], Embeddings(moved, s)], scale, bias) < loss


def test_two_masks_of_one_input():
    """R2: what their cosine exceeds the margin by, of every two masked levels; below it there is no gradient."""
    masked = [unit(3, 4, seed) for seed in (1, 2, 3)]
    for margin in (-0.5, 0.0, 0.4):
        overs = [
            ((one * other).sum(dim=1) - margin).clamp(min=0).mean()
            for place, one in enumerate(masked)
            for other in masked[place + 1 :]
        ]
        loss = repulsion(levels_of(unit(3, 4, 0), *masked), 10.0, 0.0, "same_input", margin)
        torch.testing.assert_close(loss, sum(overs) / len(overs))


def test_inputs_of_one_clip_are_not_held_apart():
    """A clip may come twice in a batch: its two masked versions are positives of each other, here too."""
    means = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.2]]), dim=1).requires_grad_()
    level = Embeddings(means, torch.full((3, 2), -5.0))
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    apart = repulsion([level, level], 10.0, -5.0, positives=same)
    assert apart < repulsion([level, level], 10.0, -5.0)
    everything = repulsion([level, level], 10.0, -5.0, positives=torch.ones(3, 3, dtype=torch.bool))
    assert everything == 0
