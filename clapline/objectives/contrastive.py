"""Softmax contrast (InfoNCE, NT-Xent): each clip picks its caption out of the batch, each caption its clip.

Formula: L = ½ [CE(S, Q) + CE(Sᵀ, Q')], CE(S, Q) = -(1/B) Σᵢⱼ Qᵢⱼ log softmax_row(S)ᵢⱼ, S = s · A Tᵀ with unit
embeddings A, T and s = 1 / temperature. Hard targets Q share a row's mass evenly over all captions of its clip.

In words: the right caption must score above all others of the batch, and the right clip above all other clips.

Use it: the default. It wants large batches, since the other pairs of the batch are all it learns to tell apart; above
2,048 pairs it works in blocks, so that memory grows with the batch and not with its square.

Relations: CLIP's loss when no clip comes twice in a batch; NT-Xent of the thesis in its mean over pairs of positives
then; ln B when all embeddings are equal. `ignore_similar_captions_above` takes near-equal captions out of the
denominator. With soft or relevance targets only Q changes; distillation is this loss with a teacher's Q.

Reference: van den Oord et al., arXiv 1807.03748; Radford et al., arXiv 2103.00020; the thesis, equation 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clapline.objectives.blocked import Pairs, log_sums
from clapline.objectives.ignored import Ignored
from clapline.objectives.precision import wide
from clapline.objectives.scores import BLOCK, Scores, pieces
from clapline.objectives.targets import HardTargets, Targets


def softmax_cross_entropy(logits: Tensor, targets: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return -(1/B) Σᵢⱼ Qᵢⱼ log softmax_row(S)ᵢⱼ, a scalar, in fp32 at least.

    Args:
        logits: S, `(batch, batch)`.
        targets: Q, `(batch, batch)`, entries ≥ 0. With the identity this is InfoNCE in one direction.
        ignored: `(batch, batch)` boolean; these entries leave the denominator (never a positive: that is checked
            by the caller's construction, a target of mass > 0 must not be ignored).
    """
    logits = wide(logits)
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
    """Return the symmetric softmax loss ½ [CE(S, Q₁) + CE(Sᵀ, Q₂)], S = scale · first secondᵀ, of whole matrices.

    Equals CLIP's InfoNCE when the targets are the identity. Symmetric in its two sides when the targets are equal.

    Args:
        first: unit embeddings `(batch, dimension)`.
        second: unit embeddings `(batch, dimension)`, row i the partner of `first`'s row i.
        scale: 1 / temperature.
        first_targets: rows of `first` over columns of `second`, `(batch, batch)`.
        second_targets: rows of `second` over columns of `first`; None: the same as `first_targets`.
        ignored: `(batch, batch)` symmetric boolean, pairs that are neither positive nor negative.
    """
    return contrastive_of_cosines(wide(first) @ wide(second).T, scale, first_targets, second_targets, ignored)


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
    logits = scale * wide(cosines)
    column_targets = row_targets if column_targets is None else column_targets
    return 0.5 * (
        softmax_cross_entropy(logits, row_targets, ignored) + softmax_cross_entropy(logits.T, column_targets, ignored)
    )


def softmax_contrast(
    scores: Scores,
    scale: Tensor | float,
    row_targets: Targets,
    column_targets: Targets | None = None,
    ignored: Ignored | None = None,
) -> Tensor:
    """Return the symmetric softmax loss of scores: of a whole matrix, or of factors block by block.

    In blocks memory grows with the batch and not with its square; value and gradient are those of the whole matrix.
    Over several processes each works on its own rows, and what they tell each other are sums per row and column.

    Args:
        scores: of rows (clips) and columns (captions).
        scale: 1 / temperature.
        row_targets: of the rows over the columns.
        column_targets: of the columns over the rows; None: the same object, of symmetric kinds.
        ignored: pairs that are neither positive nor negative.
    """
    column_targets = row_targets if column_targets is None else column_targets
    if scores.matrix is not None:
        size = scores.size
        columns = None if column_targets is row_targets else column_targets.rows(0, size)
        left_out = None if ignored is None else ignored.rows(0, size)
        return contrastive_of_cosines(scores.matrix, scale, row_targets.rows(0, size), columns, left_out)

    pairs = _pairs(row_targets, column_targets, ignored)
    row_mass, column_mass = _masses(scores, row_targets, column_targets, ignored)
    rows, columns = wide(scores.rows), wide(scores.columns)
    row_logs, column_logs, pulled = log_sums(rows, columns, scale, pairs, scores.first)
    lost = scores.total([(row_mass * row_logs).sum() - pulled])
    lost = lost + (column_mass * scores.logsumexp([column_logs])).sum()
    return (lost / (2 * scores.size)).to(rows.dtype)


def _pairs(row_targets: Targets, column_targets: Targets, ignored: Ignored | None) -> Pairs:
    """Return what both directions pull together, Qᵢⱼ + Q'ⱼᵢ, and which pairs count for neither."""
    left_out = None if ignored is None else ignored.rows
    if isinstance(row_targets, HardTargets) and isinstance(column_targets, HardTargets):

        def places(start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
            # A handful of places per row: no matrix of zeros is made for them.
            rows, columns = row_targets.positives.within(start, stop)
            return rows, columns, 1 / row_targets.counts[rows] + 1 / column_targets.counts[columns]

        return Pairs(places=places, ignored=left_out)
    return Pairs(
        weights=lambda start, stop: row_targets.rows(start, stop) + column_targets.columns(start, stop),
        ignored=left_out,
    )


def _masses(
    scores: Scores, row_targets: Targets, column_targets: Targets, ignored: Ignored | None
) -> tuple[Tensor, Tensor]:
    """Return the mass of each row that is here and of each column of the batch: that of ignored pairs is lost."""
    first, last = scores.bounds()
    if ignored is None or (isinstance(row_targets, HardTargets) and isinstance(column_targets, HardTargets)):
        return row_targets.mass[first:last], column_targets.mass  # no positive is ignored
    rows, columns = [], torch.zeros_like(column_targets.mass)
    for start, stop in pieces(last - first, max(1, BLOCK // scores.size)):
        place, left_out = (first + start, first + stop), ignored.rows(first + start, first + stop)
        rows.append(row_targets.rows(*place).masked_fill(left_out, 0).sum(dim=1))
        columns += column_targets.columns(*place).masked_fill(left_out, 0).sum(dim=0)
    return torch.cat(rows), scores.everywhere(columns.unsqueeze(0)).sum(dim=0)
