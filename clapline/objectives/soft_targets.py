"""Soft targets: neighbours that a teacher hears, or captions that say much the same, share a row's mass.

Formula: Q = (1 - β) P + β G, P the hard targets (mass shared evenly by the captions of one clip). From a teacher with
unit embeddings Z of the rows' own modality: `raw` G = max(Z Zᵀ, 0), rows not normalised, as published; `normalised`
the same Q with rows divided by their sums; `softmax` G = softmax_row(Z Zᵀ / τ). From the meaning of the captions,
with R their cosines under a sentence encoder: `logistic` W = σ(25 R - 20); `threshold` W = R where R > 0.7, else 0;
`rating` W = σ(1.85 - 4.58 (1 - R)), each G = W / rowsum(W); `listwise` G = softmax_row(σ(1.85 - 4.58 (1 - R)) / τ).
Under the sigmoid form a pair's target is a probability, (1 - β) P + β W with W not normalised: of a teacher the mean
of max(cosine, 0) of the two clips and of the two captions.

In words: a pair that the teacher, or a reader of the captions, would call nearly right is not punished as wrong.

Use it: where similar clips meet in a batch: curated or synthetic captions, large batches, few sound classes.
`normalised` is the default; `raw` is the published loss, but rows with many neighbours weigh more and its loss is no
comparison between values of β.

Relations: β = 0 is the hard loss, whatever the teacher says. `raw` with orthogonal Z is the hard loss for every β.
`softmax` with τ → 0 and distinct rows is the hard loss. `rating` and `listwise` rest on one scale of human ratings.

Reference: Wang et al., arXiv 2305.01864 (teacher; the clamp at 0 is ours: a negative target is NaN under the
published KL divergence); Xie et al., arXiv 2412.01356 (meaning of captions).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from clapline.objectives.positives import PositivePairs
from clapline.objectives.precision import wide
from clapline.objectives.targets import HardTargets, MixedTargets, SoftmaxTargets, Targets, WeightTargets

FromTeacher = Literal["raw", "normalised", "softmax"]
FromMeaning = Literal["logistic", "threshold", "rating", "listwise"]


def positive_part(similarity: Tensor) -> Tensor:
    """Return max(similarity, 0): what of a teacher's cosine is mass."""
    return similarity.clamp(min=0)


def logistic(similarity: Tensor, slope: float = 25.0, offset: float = 20.0) -> Tensor:
    """Return σ(slope · similarity - offset), in (0, 1): 0.5 at 0.8, 0.92 at 0.9 (arXiv 2412.01356)."""
    return torch.sigmoid(slope * similarity - offset)


def threshold(similarity: Tensor, least: float = 0.7) -> Tensor:
    """Return the similarity where it lies above `least`, else 0 (arXiv 2412.01356)."""
    return similarity.where(similarity > least, torch.zeros_like(similarity))


def rating(similarity: Tensor) -> Tensor:
    """Return σ(1.85 - 4.58 (1 - similarity)), what human raters gave (arXiv 2412.01356)."""
    return torch.sigmoid(1.85 - 4.58 * (1 - similarity))


_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {"logistic": logistic, "threshold": threshold, "rating": rating}


def teacher_targets(
    positives: PositivePairs, teacher: Tensor, beta: float, rows: FromTeacher = "normalised", temperature: float = 0.1
) -> Targets:
    """Return the targets of one direction from the teacher's view of that direction's own modality.

    Args:
        positives: of the batch.
        teacher: unit embeddings `(size, dimension)`; no gradient reaches them.
        beta: share of the teacher's similarities, in [0, 1].
        rows: `raw`, `normalised` or `softmax`, as above.
        temperature: τ of `softmax`, > 0.
    """
    hard = HardTargets(positives)
    if rows == "softmax":
        return MixedTargets(hard, SoftmaxTargets(teacher, teacher, temperature), beta)
    soft = WeightTargets(teacher, teacher, positive_part, normalise=False)
    return MixedTargets(hard, soft, beta, normalise=rows == "normalised")


def meaning_targets(
    positives: PositivePairs, meanings: Tensor, beta: float, form: FromMeaning = "logistic", temperature: float = 0.05
) -> Targets:
    """Return the targets of both directions from how alike the captions of two pairs are.

    Args:
        positives: of the batch.
        meanings: unit embeddings of the captions by a sentence encoder `(size, width)`; a row of zeros (nothing is
            known of the caption) is like itself alone.
        beta: share of the similarities, in [0, 1]; 1 are Xie's soft targets.
        form: `logistic`, `threshold`, `rating` or `listwise`, as above.
        temperature: τ of `listwise`, > 0.
    """
    known = _with_unknown_apart(meanings)
    if form == "listwise":
        soft: Targets = SoftmaxTargets(known, known, temperature, rating)
    else:
        soft = WeightTargets(known, known, _WEIGHTS[form])
    return MixedTargets(HardTargets(positives), soft, beta)


def _with_unknown_apart(meanings: Tensor) -> Tensor:
    """Return the embeddings with a further channel in which rows of zeros are 1: a row's cosine to itself is 1."""
    unknown = (meanings.abs().sum(dim=1, keepdim=True) == 0).to(meanings.dtype)
    # Rows without meaning would be alike in that channel; no batch of real captions has two.
    return torch.cat([meanings, unknown], dim=1)


class PairProbabilities:
    """What the sigmoid form takes for targets: the probability that a pair belongs together, `(rows, size)` in [0, 1].

    Args:
        positives: of the batch.
        beta: share of the similarities, in [0, 1]; 0 are the positives.
        views: embeddings `(size, width)` whose similarities are averaged: the teacher's of clips and of captions, or
            the meanings of captions.
        weigh: similarity → probability.
    """

    def __init__(
        self,
        positives: PositivePairs,
        beta: float = 0.0,
        views: tuple[Tensor, ...] = (),
        weigh: Callable[[Tensor], Tensor] = positive_part,
    ) -> None:
        self.positives, self.beta, self.weigh = positives, beta, weigh
        self.views = [wide(view.detach()) for view in views]

    @property
    def hard(self) -> bool:
        """Whether every probability is 0 or 1."""
        return self.beta == 0 or not self.views

    def rows(self, start: int, stop: int) -> Tensor:
        """Return the probabilities of rows `start` to before `stop`."""
        positive = self.positives.block(start, stop)
        if self.hard:
            return positive.float()
        weights = [self.weigh(view[start:stop] @ view.T) for view in self.views]
        mean = (sum(weights[1:], start=weights[0]) / len(weights)).clamp(max=1)
        return (1 - self.beta) * positive + self.beta * mean


def meaning_probabilities(
    positives: PositivePairs, meanings: Tensor, beta: float, form: FromMeaning = "logistic"
) -> PairProbabilities:
    """Return the probabilities of pairs from how alike their captions are.

    Raises ValueError for `listwise`, whose rows are distributions over a list and no probabilities of pairs.
    """
    if form not in _WEIGHTS:
        raise ValueError(f"relevance {form} is a distribution over a list; for pairs one by one: {', '.join(_WEIGHTS)}")
    return PairProbabilities(positives, beta, (_with_unknown_apart(meanings),), partial(_WEIGHTS[form]))
