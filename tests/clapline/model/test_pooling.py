"""Pooling of frames and tokens: by hand, with masks, and equal to the plain mean where all is valid."""

from __future__ import annotations

import pytest
import torch

from clapline.model.inputs import States
from clapline.model.pooling import Pooling, pool_tokens

STATES = torch.tensor([[[1.0, 8], [3, 2], [5, 5]], [[2, 2], [4, -6], [7, 7]]])
MASK = torch.tensor([[True, True, True], [True, True, False]])


def random_states(batch: int = 5, positions: int = 13, width: int = 9) -> torch.Tensor:
    return torch.randn(batch, positions, width, generator=torch.Generator().manual_seed(0))


def test_means_and_maxima_by_hand():
    states = States(STATES, MASK)
    assert Pooling("mean")(states).tolist() == [[3, 5], [3, -2]]
    assert Pooling("mean_max")(states).tolist() == [[8, 13], [7, 0]]


def test_where_all_is_valid_it_is_the_plain_mean_to_the_bit():
    states = random_states()
    pooled = Pooling("mean")(States(states, torch.ones(5, 13, dtype=torch.bool)))
    assert torch.equal(pooled, states.mean(dim=1))
    largest = Pooling("mean_max")(States(states, torch.ones(5, 13, dtype=torch.bool)))
    assert torch.equal(largest, states.mean(dim=1) + states.amax(dim=1))


@pytest.mark.parametrize("kind", ["mean", "mean_max"])
def test_padding_reaches_neither_value_nor_gradient(kind):
    states, mask = random_states().requires_grad_(), torch.ones(5, 13, dtype=torch.bool)
    mask[1:, 7:] = False
    pooled = Pooling(kind)(States(states, mask))
    pooled.square().sum().backward()
    assert (states.grad[1:, 7:] == 0).all()
    assert (states.grad[1:, :7] != 0).any(dim=1).all()
    spoilt = torch.where(mask.unsqueeze(-1), states.detach(), torch.full_like(states, torch.nan))
    assert torch.equal(Pooling(kind)(States(spoilt, mask)), pooled.detach())
    cut = Pooling(kind)(States(states[1:, :7].detach(), mask[1:, :7]))
    torch.testing.assert_close(cut, pooled[1:].detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("mean", [[3, 5], [3, -2]]), ("first", [[1, 8], [2, 2]]), ("last", [[5, 5], [4, -6]])],
)
def test_tokens_by_hand(kind, expected):
    assert pool_tokens(States(STATES, MASK), kind).tolist() == expected


def test_first_and_last_are_valid_tokens_when_padding_comes_first():
    mask = torch.tensor([[False, True, True], [False, False, True]])
    assert pool_tokens(States(STATES, mask), "first").tolist() == [[3, 2], [7, 7]]
    assert pool_tokens(States(STATES, mask), "last").tolist() == [[5, 5], [7, 7]]


def test_a_pooler_gives_one_position():
    assert pool_tokens(States(STATES[:, :1], MASK[:, :1]), "pooler").tolist() == [[1, 8], [2, 2]]
    with pytest.raises(ValueError, match="one position, found 3"):
        pool_tokens(States(STATES, MASK), "pooler")


def test_other_kinds_are_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match="allowed: mean, mean_max"):
        Pooling("tap")
    with pytest.raises(ValueError, match="allowed: mean, first, last, pooler"):
        pool_tokens(States(STATES, MASK), "max")


@pytest.mark.parametrize("kind", ["mean", "first", "last"])
def test_half_precision_states_are_pooled_in_full(kind):
    assert pool_tokens(States(STATES.bfloat16(), MASK), kind).dtype == torch.float32
    assert Pooling("mean_max")(States(STATES.bfloat16(), MASK)).dtype == torch.float32
