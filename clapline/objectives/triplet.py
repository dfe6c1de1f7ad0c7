"""Triplet losses: the right caption must beat the wrong ones by a margin, and no more is asked.

Formula: with sᵢⱼ the cosine and pᵢ = sᵢᵢ, the cost of a wrong caption is cᵢⱼ = max(0, m + sᵢⱼ - pᵢ), that of a wrong
clip c'ᵢⱼ = max(0, m + sᵢⱼ - pⱼ). `triplet_sum`: L = (1/B) Σ over all negatives of c + c'. `triplet_max`: L = (1/B) Σᵢ
[maxⱼ cᵢⱼ + maxⱼ c'ⱼᵢ]. `triplet_weighted`: in both directions, for rows whose hardest negative h lies within the
margin (h + m > pᵢ): L = (1/B) Σ [max(0, 0.2 p² - 0.7 p + 0.5) + max(0, 0.9 h² - 0.4 h + 0.03)].

In words: wrong pairs that are far enough away cost nothing; `max` looks at the hardest one alone, `weighted` makes
hard pairs cost more and easy ones less.

Use it: to compare with older retrieval work, or with few pairs, where a softmax over the batch overfits.
`triplet_max` and `triplet_weighted` collapse when they start from scratch (on the default data too): start from a
trained model.

Relations: no temperature and no bias take part. `triplet_sum` and `triplet_max` are equal with two pairs in a batch.
The published polynomial of `triplet_weighted` falls below h = 0.095: there a hardest negative within the margin is
drawn nearer, and up to 0.349 it is left alone. A further caption of the same clip is no negative, and is pulled by
the pair that is its own.

Reference: Faghri et al., arXiv 1707.05612 (sum, max); Wei et al., CVPR 2020 (weights), both for audio in Mei et al.,
arXiv 2203.15537, whose code gives the numbers of `weighted`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores

Negatives = Literal["sum", "max", "weighted"]


def triplet(scores: Scores, positives: PositivePairs, margin: float = 0.2, negatives: Negatives = "sum") -> Tensor:
    """Return the triplet loss of cosines, a scalar; in blocks where the scores are factors.

    Other captions of the same clip are no negatives, and are drawn near by their own pairs. A batch without any
    negative costs 0.

    Args:
        scores: cosines of clips (rows) and captions (columns).
        positives: of the batch.
        margin: m ≥ 0.
        negatives: all of them, the hardest alone, or the hardest by weight.
    """
    right = _right(scores)

    def block(similarity: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        wrong = similarity.masked_fill(positives.block(start, stop), -torch.inf)
        if negatives != "sum":
            return wrong.amax(dim=1), wrong.amax(dim=0)
        captions = (margin + wrong - right[start:stop, None]).clamp(min=0)
        clips = (margin + wrong - right).clamp(min=0)
        return (captions.sum() + clips.sum()).unsqueeze(0), similarity.new_zeros(0)

    parts = scores.blocks(block)
    if negatives == "sum":
        return scores.total([cost.squeeze(0) for cost, _ in parts]) / scores.size
    hardest_captions = scores.everywhere(torch.cat([rows for rows, _ in parts]))
    hardest_clips = scores.maximum([columns for _, columns in parts])
    cost = _hinge if negatives == "max" else _weighted
    return (cost(hardest_captions, right, margin) + cost(hardest_clips, right, margin)) / scores.size


def _right(scores: Scores) -> Tensor:
    """Return the similarity of each pair's own clip and caption, `(size,)`."""
    places = torch.arange(*scores.bounds(), device=scores.device)
    return scores.everywhere(scores.at(places, places))


def _hinge(hardest: Tensor, right: Tensor, margin: float) -> Tensor:
    return (margin + hardest - right).clamp(min=0).sum()


def _weighted(hardest: Tensor, right: Tensor, margin: float) -> Tensor:
    counts = hardest + margin > right
    # -inf where a row has no negative: out before the polynomial, where it would be a NaN in the gradient.
    hard = hardest.where(counts, torch.zeros_like(hardest))
    pull = (0.2 * right.square() - 0.7 * right + 0.5).clamp(min=0)
    push = (0.9 * hard.square() - 0.4 * hard + 0.03).clamp(min=0)
    return (pull + push).where(counts, torch.zeros_like(pull)).sum()
