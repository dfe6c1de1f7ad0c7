"""Inclusion: the specific lies inside the abstract, told by Gaussians of which one is wider.

Formula: H(Z₁ ⊂ Z₂) = log(∫ p₁² p₂ / ∫ p₁ p₂²), per dimension w (s₂ - s₁) + ½ log((v₂ + 2v₁)/(v₁ + 2v₂)) + κ d² (v₂ -
v₁)/((v₁ + 2v₂)(v₂ + 2v₁)), s the log variance, v = exp(s), d = μ₁ - μ₂. `exact`: w = ½, κ = 1, which is the integral.
`release`: w = 1, κ = exp(ε), which is what the released code of ProLIP computes. L = mean over clips and dimensions
of softplus(-c H), here with the clip inside its caption.

In words: a caption leaves open much that the clip settles, so the caption's Gaussian should be the wider one.

Use it: beside the probabilistic contrast, with a small weight (ProLAP: 5e-7 between modalities). `release` with ε =
-10 is the default, since under `exact` the term in d² pushes the means apart once v₂ > v₁.

Relations: H(Z ⊂ Z) = 0, and H(Z₁ ⊂ Z₂) = -H(Z₂ ⊂ Z₁). Per dimension H has the sign of s₂ - s₁ whatever the means: it
compares variances, it is no containment of regions. The hierarchy loss is this one between masked versions of one
input.

Reference: Chun et al., arXiv 2410.18857 (ProLIP, and its code); Manabe et al., arXiv 2510.18423 (ProLAP).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.precision import wide

InclusionForm = Literal["exact", "release"]
_LARGEST_EXPONENT = 30.0  # beyond it the mean term is cut: e³⁰ in one dimension decides everything anyway


def log_product_integral(
    first_mean: Tensor, first_log_variance: Tensor, second_mean: Tensor, second_log_variance: Tensor
) -> Tensor:
    """Return log ∫ p₁² p₂ per dimension: -log 2π - s₁/2 - ½ log(v₁ + 2v₂) - d²/(v₁ + 2v₂), of the arguments' shape."""
    s1, s2 = wide(first_log_variance), wide(second_log_variance)
    log_width = torch.logaddexp(s1, s2 + math.log(2))
    distance = (wide(first_mean) - wide(second_mean)).square()
    return -math.log(2 * math.pi) - s1 / 2 - log_width / 2 - distance * (-log_width).exp()


def inclusion(
    first_mean: Tensor,
    first_log_variance: Tensor,
    second_mean: Tensor,
    second_log_variance: Tensor,
    form: InclusionForm = "release",
    epsilon: float = -10.0,
) -> Tensor:
    """Return H(Z₁ ⊂ Z₂) per dimension, of the arguments' shape, positive where the second is the wider one.

    Computed between logarithms and in fp32 at least: as a difference of two integrals it would lose every digit at the
    variances of a model at its start.

    Args:
        first_mean: of the Gaussians that should lie inside, `(..., dimension)`.
        first_log_variance: the same shape.
        second_mean: of those around them.
        second_log_variance: the same shape.
        form: `exact` or `release`, as above.
        epsilon: ε, the log of κ; with `exact` κ is 1 and ε plays no part.
    """
    s1, s2 = wide(first_log_variance), wide(second_log_variance)
    weight, log_kappa = (0.5, 0.0) if form == "exact" else (1.0, epsilon)
    log_12 = torch.logaddexp(s1, s2 + math.log(2))
    log_21 = torch.logaddexp(s2, s1 + math.log(2))
    # Not torch.maximum, which would halve the gradient where both are equal, as they are at the start.
    widest = torch.where(s2 >= s1, s2, s1)
    squared = (wide(first_mean) - wide(second_mean)).square()
    exponent = (log_kappa + widest - log_12 - log_21).clamp(max=_LARGEST_EXPONENT)
    # v₂ - v₁ as exp(widest) times a difference in [-1, 1], which keeps its digits where the two are near.
    difference = torch.where(s2 >= s1, -torch.expm1(s1 - widest), torch.expm1(s2 - widest))
    return weight * (s2 - s1) + (log_21 - log_12) / 2 + squared * exponent.exp() * difference


def inclusion_loss(h: Tensor, sharpness: float = 1000.0) -> Tensor:
    """Return softplus(-c H), of the shape of H: ln 2 where H = 0, whatever the sharpness c."""
    return functional.softplus(-sharpness * h)


def summed_inclusion(h: Tensor) -> Tensor:
    """Return Σ_d H, `(..., dimension)` → `(...)`: what an inclusion test reports; training uses H per dimension."""
    return h.sum(dim=-1)
