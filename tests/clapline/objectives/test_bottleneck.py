"""The bottleneck: methods/prolap.md T12, against torch's own divergence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from clapline.objectives.bottleneck import bottleneck
from tests.clapline.objectives.losses import unit


@pytest.mark.parametrize(("form", "expected"), [("exact", 1.0462805879), ("release", 0.5227524003)])
def test_golden_values(form: str, expected: float):
    """T12."""
    mean, s = (torch.tensor(values, dtype=torch.float64) for values in ([0.6, 0.8], [-2.0, -3.0]))
    assert bottleneck(mean, s, form).item() == pytest.approx(expected, abs=1e-9)
    start = torch.tensor([-10.0], dtype=torch.float64)
    nothing = torch.zeros(1, dtype=torch.float64)
    of_start = {"exact": 4.50002, "release": 2.00337}[form]
    assert bottleneck(nothing, start, form).item() == pytest.approx(of_start, abs=1e-5)


def test_value_and_gradient_of_torch():
    """T12: the mean of torch.distributions' KL to a standard normal."""
    mean = unit(5, 7)
    s = torch.randn(5, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def of_torch(mean: Tensor, s: Tensor) -> Tensor:
        return kl_divergence(Normal(mean, (s / 2).exp()), Normal(torch.zeros_like(s), torch.ones_like(s))).mean()

    found = []
    for loss in (bottleneck, of_torch):
        leaves = [value.clone().requires_grad_() for value in (mean, s)]
        value = loss(*leaves)
        found.append((value, *torch.autograd.grad(value, leaves)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("form", ["exact", "release"])
def test_least_at_a_standard_normal(form: str):
    """T12: 0 there, more elsewhere, and both forms raise variances that start at -10."""
    nothing = torch.zeros(4, dtype=torch.float64)
    assert bottleneck(nothing, nothing, form).item() == 0
    for change in (-0.1, 0.1):
        assert bottleneck(nothing, nothing + change, form) > 0
        assert bottleneck(nothing + change, nothing, form) > 0
    s = torch.full((4,), -10.0, dtype=torch.float64, requires_grad=True)
    bottleneck(unit(1, 4)[0], s, form).backward()
    assert (s.grad < 0).all()
