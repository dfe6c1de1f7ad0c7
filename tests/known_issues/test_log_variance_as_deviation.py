"""Trap 6: what heads give is log σ², and ProLIP's released inclusion takes it for log σ in its normaliser."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.integrate import quad

from clapline.objectives.bottleneck import bottleneck
from clapline.objectives.gaussian import trace
from clapline.objectives.inclusion import inclusion, log_product_integral
from clapline.params.objective import Objective

GAUSSIANS = [(0.0, -1.0, 0.5, 0.4), (0.2, 1.2, 0.2, -0.8), (0.0, 0.0, 1.0, math.log(4))]


def log_integral(m1: float, v1: float, m2: float, v2: float) -> float:
    """Return log ∫ p₁² p₂ of variances, by quadrature."""

    def density(x: float, mean: float, variance: float) -> float:
        return math.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)

    def product(x: float) -> float:
        return density(x, m1, v1) ** 2 * density(x, m2, v2)

    return math.log(quad(product, -40, 40, points=[m1, m2], epsabs=0, epsrel=1e-11, limit=300)[0])


def h(form: str, *gaussians: float) -> float:
    return inclusion(*(torch.tensor(each, dtype=torch.float64) for each in gaussians), form, 0.0).item()


@pytest.mark.parametrize("gaussians", GAUSSIANS)
def test_the_exact_form_takes_a_log_variance(gaussians: tuple[float, ...]):
    """Of variances e^s the integral is ours; of deviations e^s it is another number."""
    m1, s1, m2, s2 = gaussians
    v1, v2 = math.exp(s1), math.exp(s2)
    expected = log_integral(m1, v1, m2, v2) - log_integral(m2, v2, m1, v1)
    assert h("exact", *gaussians) == pytest.approx(expected, abs=1e-8)
    found = log_product_integral(*(torch.tensor(each, dtype=torch.float64) for each in gaussians)).item()
    assert found == pytest.approx(log_integral(m1, v1, m2, v2), rel=1e-8)
    mistaken = log_integral(m1, v1**2, m2, v2**2) - log_integral(m2, v2**2, m1, v1**2)
    assert abs(mistaken - expected) > 0.1


@pytest.mark.parametrize("gaussians", GAUSSIANS)
def test_the_release_form_is_off_by_half_the_difference(gaussians: tuple[float, ...]):
    """-2 s₁ - s₂ in the place of -s₁ - s₂/2: H gains (s₂ - s₁)/2. Kept apart and named, since papers ran it."""
    _, s1, _, s2 = gaussians
    assert h("release", *gaussians) - h("exact", *gaussians) == pytest.approx((s2 - s1) / 2, abs=1e-9)
    assert Objective().inclusion.form == "release"


def test_traces_and_the_bottleneck_take_a_log_variance():
    s = torch.tensor([[math.log(4.0), math.log(9.0)]], dtype=torch.float64)
    assert trace(s).item() == pytest.approx(13.0)
    zero = torch.zeros(1, 2, dtype=torch.float64)
    expected = sum(0.5 * (v - 1 - math.log(v)) for v in (4.0, 9.0)) / 2
    assert bottleneck(zero, s).item() == pytest.approx(expected)
