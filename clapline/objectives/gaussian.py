"""Probabilistic contrast (PPCL): clips and captions are Gaussians, and their expected distance is judged pair by pair.

Formula: CSD(Z₁, Z₂) = E‖x - y‖² = ‖μ₁ - μ₂‖² + Σ_d (v₁ + v₂), v = exp(log variance). With unit means the logit is lᵢⱼ
= s (μᵢ·μⱼ - (trᵢ + trⱼ)/2) + b = -(s/2) CSDᵢⱼ + s + b, tr the sum of the variances, and L = (1/B) Σᵢⱼ [softplus(lᵢⱼ)
- qᵢⱼ lᵢⱼ], q = 1 for every caption of the same clip.

In words: a pair is near when the means are near and both are certain; being uncertain keeps wrong pairs apart
cheaply, so what fits much gets a wide Gaussian.

Use it: with `head.distribution: gaussian` (or `gaussian_heads: true` for a model that starts with points), as the
base of ProLAP; inclusion and the bottleneck then shape the variances. Start at s = 10, b = -10 (`initial_logits:
siglip`) in large batches, at `batch` in small ones.

Relations: the sigmoid contrast of means when all variances are 0; with variances that are equal for all inputs it
ranks and pulls as the sigmoid contrast with its bias shifted by -s · tr. The similarity is a dot product of vectors
with two more entries, [μ, -tr/2, 1] and [μ, 1, -tr/2], so it goes in blocks like any other.

Reference: Chun, arXiv 2305.18171 (CSD); Chun et al., arXiv 2410.18857 (ProLIP); Manabe et al., arXiv 2510.18423
(ProLAP).
"""

from __future__ import annotations

import torch
from torch import Tensor

from clapline.objectives.precision import wide


def trace(log_variance: Tensor) -> Tensor:
    """Return Σ_d exp(log variance), the total variance, `(..., dimension)` → `(...)`."""
    return wide(log_variance).exp().sum(dim=-1)


def closed_form_distance(
    first_mean: Tensor, first_log_variance: Tensor, second_mean: Tensor, second_log_variance: Tensor
) -> Tensor:
    """Return CSD = E‖x - y‖² of independent Gaussians, `(rows, dimension)` and `(columns, dimension)` → matrix.

    Symmetric; at least the squared distance of the means; of a Gaussian with itself twice its trace, not 0.
    """
    first, second = wide(first_mean), wide(second_mean)
    squared = (first.unsqueeze(1) - second.unsqueeze(0)).square().sum(dim=2)
    return squared + trace(first_log_variance)[:, None] + trace(second_log_variance)[None, :]


def row_factor(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return [μ, -tr/2, 1], `(size, dimension + 2)`; its product with `column_factor` is the similarity."""
    return _with_two(mean, -0.5 * trace(log_variance), None)


def column_factor(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return [μ, 1, -tr/2], `(size, dimension + 2)`."""
    return _with_two(mean, None, -0.5 * trace(log_variance))


def _with_two(mean: Tensor, first: Tensor | None, second: Tensor | None) -> Tensor:
    ones = torch.ones_like(wide(mean)[:, :1])
    entries = [ones if entry is None else entry.unsqueeze(1) for entry in (first, second)]
    return torch.cat([wide(mean), *entries], dim=1)


def gaussian_similarity(
    first_mean: Tensor, first_log_variance: Tensor, second_mean: Tensor, second_log_variance: Tensor
) -> Tensor:
    """Return μ₁·μ₂ - (tr₁ + tr₂)/2 of all rows and columns, `(rows, columns)`: 1 - CSD/2 for unit means."""
    return row_factor(first_mean, first_log_variance) @ column_factor(second_mean, second_log_variance).T


def retrieval_scores(query_mean: Tensor, candidate_mean: Tensor, candidate_log_variance: Tensor) -> Tensor:
    """Return what Gaussians are ranked by, `(queries, candidates)`: μ·μ - tr_candidate/2.

    The order of -CSD: a query's own trace is the same for all candidates. No learned scale or bias takes part.
    """
    return wide(query_mean) @ wide(candidate_mean).T - 0.5 * trace(candidate_log_variance)
