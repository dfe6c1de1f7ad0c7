"""Heads: the formulas written out, unit length in float32, and Gaussians that start near points."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from clapline.model.head import build_head
from clapline.params.model import Head

KINDS = ("residual", "linear", "mlp")


def states_of(rows: int = 6, width: int = 10) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(1)) * 3


def head_of(kind: str, seed: int = 0, **settings) -> nn.Module:
    torch.manual_seed(seed)
    return build_head(10, Head(kind=kind, dimension=8, **settings))


def written_out(kind: str, weights: dict[str, torch.Tensor], states: torch.Tensor) -> torch.Tensor:
    if kind == "linear":
        return states @ weights["projection.weight"].T + weights["projection.bias"]
    if kind == "mlp":
        hidden = (states @ weights["first.weight"].T + weights["first.bias"]).clamp(min=0)
        return hidden @ weights["second.weight"].T + weights["second.bias"]
    first = states @ weights["first.weight"].T
    summed = first + functional.gelu(first) @ weights["second.weight"].T
    deviation = (summed.var(dim=-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return (summed - summed.mean(dim=-1, keepdim=True)) / deviation * weights["norm.weight"] + weights["norm.bias"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_its_formula(kind):
    head = head_of(kind).eval()
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    expected = written_out(kind, head.state_dict(), states_of())
    torch.testing.assert_close(head.project(states_of()), expected, atol=1e-4, rtol=1e-4)
    embeddings = head(states_of())
    torch.testing.assert_close(embeddings.mean, functional.normalize(expected, dim=-1), atol=1e-5, rtol=0)
    assert embeddings.log_variance is None


def test_the_residual_head_draws_its_weights_in_the_order_of_its_names():
    """Saved models and equal numbers from equal seeds hang on names, shapes and this order."""
    head = head_of("residual", seed=5)
    torch.manual_seed(5)
    first, second = nn.Linear(10, 8, bias=False), nn.Linear(8, 8, bias=False)
    expected = {"first.weight": first.weight, "second.weight": second.weight}
    assert list(head.state_dict()) == ["first.weight", "second.weight", "norm.weight", "norm.bias"]
    assert all(torch.equal(head.state_dict()[name], weight) for name, weight in expected.items())


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("linear", {"projection.weight": (8, 10), "projection.bias": (8,)}),
        ("mlp", {"first.weight": (8, 10), "first.bias": (8,), "second.weight": (8, 8), "second.bias": (8,)}),
    ],
)
def test_names_and_shapes(kind, shapes):
    assert {name: tuple(weight.shape) for name, weight in head_of(kind).state_dict().items()} == shapes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("distribution", ["point", "gaussian"])
def test_means_are_unit_vectors_in_float32_even_in_half_precision(kind, distribution):
    head = head_of(kind, distribution=distribution)
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = head(states_of().bfloat16())
    assert embeddings.mean.dtype == torch.float32
    torch.testing.assert_close(embeddings.mean.norm(dim=-1), torch.ones(6), atol=1e-6, rtol=0)
    if distribution == "gaussian":
        assert embeddings.log_variance.dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_a_gaussian_adds_a_variance_and_changes_no_mean(kind):
    point, gaussian = head_of(kind), head_of(kind, distribution="gaussian", initial_log_variance=-7.0)
    assert torch.equal(point.eval()(states_of()).mean, gaussian.eval()(states_of()).mean)
    assert set(gaussian.state_dict()) - set(point.state_dict()) == {"variance.weight", "variance.bias"}
    log_variance = gaussian(states_of()).log_variance
    assert log_variance.shape == (6, 8)
    expected = states_of() @ gaussian.variance.weight.T - 7.0
    torch.testing.assert_close(log_variance, expected, atol=1e-5, rtol=0)


def test_a_variance_starts_near_its_bias():
    torch.manual_seed(0)
    head = build_head(400, Head(kind="linear", dimension=300, distribution="gaussian"))
    assert (head.variance.bias == -10).all()
    assert head.variance.weight.std().item() == pytest.approx(400**-0.5, rel=0.02)
    log_variance = head(torch.randn(50, 400)).log_variance
    assert log_variance.mean().item() == pytest.approx(-10, abs=0.1)
    assert log_variance.std().item() == pytest.approx(1, abs=0.1)


def test_half_precision_does_not_round_the_log_variance():
    head = head_of("linear", distribution="gaussian")
    expected = head(states_of()).log_variance
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(states_of()).log_variance, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_projected_one_by_one(kind):
    head = head_of(kind).eval()
    frames = states_of(12).reshape(3, 4, 10)
    projected = head.project(frames)
    assert projected.shape == (3, 4, 8)
    torch.testing.assert_close(projected.reshape(12, 8), head.project(states_of(12)), atol=1e-6, rtol=0)
    assert (projected.norm(dim=-1) - 1).abs().max() > 0.01


def test_dropout_is_on_the_residual_branch_in_training_alone():
    head = head_of("residual", dropout=0.5)
    torch.manual_seed(0)
    first = head.train()(states_of()).mean
    assert not torch.equal(first, head(states_of()).mean)
    torch.manual_seed(0)
    assert torch.equal(first, head(states_of()).mean)
    assert torch.equal(head.eval()(states_of()).mean, head(states_of()).mean)
