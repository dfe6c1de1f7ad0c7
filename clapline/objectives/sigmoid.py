"""Sigmoid loss: every pair of a batch judged by itself (SigLIP, arXiv 2303.15343; the thesis' equation 3.3)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def sigmoid(
    cosines: Tensor, scale: Tensor | float, bias: Tensor | float, positives: Tensor, ignored: Tensor | None = None
) -> Tensor:
    """Return -(1/B) Σᵢⱼ log σ(zᵢⱼ (scale · cosᵢⱼ + bias)), a scalar in fp32; z is +1 for positives, -1 elsewhere.

    The code's form of the thesis, with the bias added: -10 makes the many negatives cheap at the start. Symmetric in
    its two sides. With the identity as positives this is SigLIP's loss.

    Args:
        cosines: `(batch, batch)` of clips and captions.
        scale: 1 / temperature.
        bias: of the logits, about -log(batch - 1) for an even start.
        positives: `(batch, batch)` boolean, the diagonal among them.
        ignored: `(batch, batch)` boolean; these pairs are left out.
    """
    logits = scale * cosines.float() + bias
    losses = functional.softplus(logits.where(~positives, -logits))
    if ignored is not None:
        losses = losses.masked_fill(ignored, 0.0)
    return losses.sum() / len(cosines)
