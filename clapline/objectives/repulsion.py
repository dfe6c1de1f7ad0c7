"""Mask repulsion: masked inputs of different clips must not fall together.

Formula: `other_inputs` (R1): the mean over levels l ≥ 1 and inputs i, j that are no positives of each other, of
softplus(s (μᵢ·μⱼ - (trᵢ + trⱼ)/2) + b), of one modality under masks of one level. `same_input` (R2): the mean over
inputs and levels l ≠ k, both ≥ 1, of max(0, μ⁽ˡ⁾·μ⁽ᵏ⁾ - m). No gradient reaches scale, bias and variances.

In words: when most of an input is hidden, what stands in for it looks the same in all; this keeps what is left of
each apart.

Use it: if the health figures show cosines of masked inputs above 0.95 (collapse); weights of 1e-3 to 1e-2. R2 works
against the wish that views of one input share content, hence its margin.

Relations: R1 are the negatives of the probabilistic contrast between masked inputs. With fewer than two masked inputs
(R1) or masked levels (R2) it is exactly 0. Its masks are those of the hierarchy, whose settings count even where its
weight is 0.

Reference: named in the first abstract of arXiv 2510.18423 (ProLAP); its formula is not public, so both are our
reading.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from clapline.model.inputs import Embeddings
from clapline.objectives.gaussian import trace
from clapline.objectives.precision import wide


def repulsion(
    levels: Sequence[Embeddings],
    scale: Tensor | float,
    bias: Tensor | float,
    variant: Literal["other_inputs", "same_input"] = "other_inputs",
    margin: float = 0.5,
    positives: Tensor | None = None,
) -> Tensor:
    """Return the repulsion of one modality, a scalar ≥ 0.

    Args:
        levels: Gaussians of the same inputs under M₀, M₁, …; the unmasked level M₀ plays no part.
        scale: of the logits; no gradient reaches it.
        bias: of the logits; no gradient reaches it.
        variant: R1 or R2, as above.
        margin: cosine up to which two masked versions of one input may be alike (R2).
        positives: which inputs say the same, `(inputs, inputs)` boolean, each itself among them; None: no two (R1).
    """
    masked = [Embeddings(wide(level.mean), wide(level.log_variance)) for level in levels[1:]]
    if variant == "same_input":
        overs = [
            ((one.mean * other.mean).sum(dim=1) - margin).clamp(min=0).mean()
            for one, other in itertools.combinations(masked, 2)
        ]
        return torch.stack(overs).mean() if overs else levels[0].mean.new_zeros(())
    apart = ~torch.eye(len(levels[0].mean), dtype=torch.bool, device=levels[0].mean.device)
    if positives is not None:
        apart &= ~positives
    if not masked or not apart.any():
        return levels[0].mean.new_zeros(())
    scale, bias = (value.detach() if isinstance(value, Tensor) else value for value in (scale, bias))
    terms = []
    for level in masked:
        traces = trace(level.log_variance.detach())
        logits = scale * (level.mean @ level.mean.T - (traces[:, None] + traces[None, :]) / 2) + bias
        terms.append(functional.softplus(logits[apart]).mean())
    return torch.stack(terms).mean()
