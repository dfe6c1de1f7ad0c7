"""Contrastive losses over a batch of pairs: softmax (InfoNCE, NT-Xent) with any row targets."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_cross_entropy(logits: Tensor, targets: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return -(1/B) Σᵢⱼ Qᵢⱼ log softmax_row(S)ᵢⱼ, a scalar, in fp32.

    Args:
        logits: S, `(batch, batch)`.
        targets: Q, `(batch, batch)`, entries ≥ 0. With the identity this is InfoNCE in one direction.
        ignored: `(batch, batch)` boolean; these entries leave the denominator (never a positive: that is checked
            by the caller's construction, a target of mass > 0 must not be ignored).
    """
    logits = logits.float()
    if ignored is not None:
        logits = logits.masked_fill(ignored, torch.finfo(torch.float32).min)
        targets = targets.masked_fill(ignored, 0.0)
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()


def contrastive(
    first: Tensor,
    second: Tensor,
    scale: Tensor | float,
    first_targets: Tensor,
    second_targets: Tensor | None = None,
    ignored: Tensor | None = None,
) -> Tensor:
    """Return the symmetric softmax loss ½ [CE(S, Q₁) + CE(Sᵀ, Q₂)], S = scale · first secondᵀ.

    Equals CLIP's InfoNCE when the targets are the identity. Symmetric in its two sides when the targets are equal.

    Args:
        first: unit embeddings `(batch, dimension)`.
        second: unit embeddings `(batch, dimension)`, row i the partner of `first`'s row i.
        scale: 1 / temperature.
        first_targets: rows of `first` over columns of `second`, `(batch, batch)`.
        second_targets: rows of `second` over columns of `first`; None: the same as `first_targets`.
        ignored: `(batch, batch)` symmetric boolean, pairs that are neither positive nor negative.
    """
    return contrastive_of_cosines(first.float() @ second.float().T, scale, first_targets, second_targets, ignored)


def contrastive_of_cosines(
    cosines: Tensor,
    scale: Tensor | float,
    row_targets: Tensor,
    column_targets: Tensor | None = None,
    ignored: Tensor | None = None,
) -> Tensor:
    """Return the same of cosines `(batch, batch)` that are at hand, rows over columns and columns over rows.

    What text-aware pooling needs: there, a clip's embedding depends on the caption, and cosines are all there is.
    """
    logits = scale * cosines.float()
    column_targets = row_targets if column_targets is None else column_targets
    return 0.5 * (
        softmax_cross_entropy(logits, row_targets, ignored) + softmax_cross_entropy(logits.T, column_targets, ignored)
    )
