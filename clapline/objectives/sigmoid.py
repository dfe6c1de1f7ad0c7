"""Sigmoid contrast (SigLIP): every pair of a batch is judged by itself, as belonging together or not.

Formula: L = (1/B) Σᵢⱼ [softplus(lᵢⱼ) - qᵢⱼ lᵢⱼ], lᵢⱼ = s · cosᵢⱼ + b, with qᵢⱼ = 1 for every caption of the same
clip, else 0. That is -(1/B) Σᵢⱼ log σ(zᵢⱼ lᵢⱼ) with z = 2q - 1. Scale s and bias b are learned.

In words: for each clip and each caption it is asked whether they belong together; no other pair has a say in it.

Use it: with small batches, and where several captions fit a clip: nothing competes for a row's mass. The bias must
start low enough for the many negatives: `initial_logits: batch` takes -log(B - 1), at which both kinds weigh the
same; `siglip` takes s = 10, b = -10, made for batches of about 22,000 pairs; `thesis` s = e / 0.05, b = -10. Above
2,048 pairs it works in blocks, so that memory grows with the batch and not with its square.

Relations: with soft targets q is a probability between 0 and 1. On Gaussian embeddings the same loss of their
distance is the probabilistic form, and with variances that vanish the probabilistic form is this one.

Reference: Zhai et al., arXiv 2303.15343; the thesis, equation 3.3, in its code's form (the bias added).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.blocked import Pairs, softplus_sum
from clapline.objectives.ignored import Ignored
from clapline.objectives.precision import wide
from clapline.objectives.scores import Scores
from clapline.objectives.soft_targets import PairProbabilities


def sigmoid(
    cosines: Tensor, scale: Tensor | float, bias: Tensor | float, positives: Tensor, ignored: Tensor | None = None
) -> Tensor:
    """Return -(1/B) Σᵢⱼ log σ(zᵢⱼ (scale · cosᵢⱼ + bias)), a scalar in fp32 at least; z is +1 for positives, else -1.

    The code's form of the thesis, with the bias added: -10 makes the many negatives cheap at the start. Symmetric in
    its two sides. With the identity as positives this is SigLIP's loss.

    Args:
        cosines: `(batch, batch)` of clips and captions.
        scale: 1 / temperature.
        bias: of the logits, about -log(batch - 1) for an even start.
        positives: `(batch, batch)` boolean, the diagonal among them.
        ignored: `(batch, batch)` boolean; these pairs are left out.
    """
    logits = scale * wide(cosines) + bias
    losses = functional.softplus(logits.where(~positives, -logits))
    if ignored is not None:
        losses = losses.masked_fill(ignored, 0.0)
    return losses.sum() / len(cosines)


def sigmoid_contrast(
    scores: Scores,
    scale: Tensor | float,
    bias: Tensor | float,
    targets: PairProbabilities,
    ignored: Ignored | None = None,
) -> Tensor:
    """Return the sigmoid loss of scores: of a whole matrix, or of factors block by block, each process its own rows.

    Args:
        scores: of rows (clips) and columns (captions).
        scale: 1 / temperature.
        bias: of the logits.
        targets: the probability that two belong together.
        ignored: pairs that are left out.
    """
    if scores.matrix is not None and targets.hard:
        left_out = None if ignored is None else ignored.rows(0, scores.size)
        return sigmoid(scores.matrix, scale, bias, targets.positives.matrix(), left_out)

    if scores.matrix is not None:
        logits = scale * wide(scores.matrix) + bias
        losses = functional.softplus(logits) - targets.rows(0, scores.size) * logits
        if ignored is not None:
            losses = losses.masked_fill(ignored.rows(0, scores.size), 0.0)
        return losses.sum() / scores.size

    rows, columns = wide(scores.rows), wide(scores.columns)
    pairs = Pairs(
        places=_positives(targets) if targets.hard else None,
        weights=None if targets.hard else targets.rows,
        ignored=None if ignored is None else ignored.rows,
    )
    lost = softplus_sum(rows, columns, scale, bias, pairs, scores.first)
    return (scores.total([lost]) / scores.size).to(rows.dtype)


def _positives(targets: PairProbabilities) -> Callable[[int, int], tuple[Tensor, Tensor, Tensor]]:
    def places(start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        rows, columns = targets.positives.within(start, stop)
        return rows, columns, torch.ones_like(rows)

    return places


# Named first values of scale and bias: where the scale is None it stays as the model has it.
INITIAL_LOGITS: dict[str, tuple[float | None, float]] = {
    "siglip": (10.0, -10.0),
    "thesis": (math.e / 0.05, -10.0),
}


def initial_logits(name: str, batch_size: int) -> tuple[float | None, float]:
    """Return first values of scale (None: the model's own) and bias: `batch`, `siglip` or `thesis`.

    `batch`: a bias of -log(B - 1), so that the one positive and the B - 1 negatives of a row pull alike at cosine 0.
    """
    if name == "batch":
        return None, -math.log(max(batch_size - 1, 1))
    return INITIAL_LOGITS[name]
