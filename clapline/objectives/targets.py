"""Targets: how the mass of each row of a batch is shared among its columns."""

from __future__ import annotations

from torch import Tensor


def hard_targets(positives: Tensor) -> Tensor:
    """Return rows that share their mass evenly over the positives, `(batch, batch)`; each row sums to 1.

    Equals the identity when no two pairs of the batch are of one clip.

    Args:
        positives: `(batch, batch)` boolean, the diagonal among them.
    """
    return positives.float() / positives.sum(dim=1, keepdim=True)


def soft_targets(positives: Tensor, teacher: Tensor, beta: float, *, normalise: bool = True) -> Tensor:
    """Return soft targets from a teacher's similarities within one modality (arXiv 2305.01864).

    Q = (1 - β) P + β max(Z Zᵀ, 0), P the hard targets, Z the teacher's unit embeddings. The clamp keeps negative
    cosines from turning the divergence into NaN.

    Args:
        positives: `(batch, batch)` boolean.
        teacher: unit embeddings `(batch, dimension)` of the rows' own modality; no gradient reaches them.
        beta: share of the teacher's similarities, in [0, 1]; 0 equals `hard_targets`.
        normalise: rows sum to 1; False gives the raw rows as published, where neighbours add weight to a row.

    Returns:
        `(batch, batch)`, entries ≥ 0.
    """
    teacher = teacher.detach().float()
    targets = (1 - beta) * hard_targets(positives) + beta * (teacher @ teacher.T).clamp(min=0)
    return targets / targets.sum(dim=1, keepdim=True) if normalise else targets
