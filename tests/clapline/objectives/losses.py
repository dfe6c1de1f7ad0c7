"""Every loss as one function of named tensors, so that what holds for all of them is tested on all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from clapline.model.inputs import Embeddings
from clapline.objectives.bottleneck import bottleneck
from clapline.objectives.clusters import cluster_classification
from clapline.objectives.contrastive import softmax_contrast
from clapline.objectives.distillation import distillation
from clapline.objectives.gaussian import column_factor, row_factor
from clapline.objectives.hierarchy import hierarchy_loss
from clapline.objectives.ignored import Ignored
from clapline.objectives.inclusion import inclusion, inclusion_loss
from clapline.objectives.paraphrase import paraphrase_views
from clapline.objectives.positives import PositivePairs
from clapline.objectives.prior import prior_contrast
from clapline.objectives.repulsion import repulsion
from clapline.objectives.scores import Scores, scores_of
from clapline.objectives.sigmoid import sigmoid_contrast
from clapline.objectives.soft_targets import (
    PairProbabilities,
    meaning_probabilities,
    meaning_targets,
    teacher_targets,
)
from clapline.objectives.targets import HardTargets
from clapline.objectives.triplet import triplet

Values = dict[str, Tensor]
WIDTH, LEVELS, CLUSTERS = 3, 3, 2
SHARED = ("scale", "bias", "weight", "offset")  # all else has the pairs of the batch first


@dataclass(frozen=True)
class Loss:
    """A loss of values and positives, and into which of the values its gradient goes.

    `symmetric` in clips and captions: always, with one positive per row, or never; None: it knows no such sides. A
    scored loss also comes of factors, whose product is never whole.
    """

    compute: Callable[..., Tensor]
    learned: tuple[str, ...]
    symmetric: Literal["always", "single", "never"] | None = None
    scored: bool = False


def unit(rows: int, width: int = WIDTH, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(rows, width, generator=generator, dtype=torch.float64), dim=-1).to(dtype)


def values_of(size: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Values:
    """Return what any loss may ask for."""
    random = torch.Generator().manual_seed(seed + 1000)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    values = {
        "audio": unit(size, seed=seed),
        "text": unit(size, seed=seed + 1),
        "paraphrase": unit(size, seed=seed + 2),
        "audio_log_variance": normal(size, WIDTH) - 1,
        "text_log_variance": normal(size, WIDTH) - 1,
        "teacher_audio": unit(size, 4, seed + 3),
        "teacher_text": unit(size, 4, seed + 4),
        "meanings": unit(size, 4, seed + 5),
        "levels": functional.normalize(normal(size, LEVELS, WIDTH), dim=-1),
        "levels_log_variance": normal(size, LEVELS, WIDTH) - 1,
        "scale": torch.tensor(3.0),
        "bias": torch.tensor(-1.5),
        "weight": normal(CLUSTERS, WIDTH),
        "offset": normal(CLUSTERS),
    }
    found = {name: value.to(dtype) for name, value in values.items()}
    return found | {"clusters": torch.arange(size) % CLUSTERS}


def positives_of(size: int) -> PositivePairs:
    """Return pairs of which the first two are of one clip, where there are two."""
    clips = torch.arange(size)
    clips[:2] = 0
    return PositivePairs.from_matrix(clips[:, None] == clips)


def both_ways(values: Values) -> Values:
    """Return the same with clips and captions in each other's places."""

    def other(name: str) -> str:
        return name.replace("audio", "?").replace("text", "audio").replace("?", "text")

    return {name: values[other(name)] for name in values}


def levels_of(values: Values) -> list[Embeddings]:
    pairs = zip(values["levels"].unbind(1), values["levels_log_variance"].unbind(1), strict=True)
    return [Embeddings(mean, log_variance) for mean, log_variance in pairs]


def scores(first: Tensor, second: Tensor, factors: bool) -> Scores:
    return Scores(rows=first, columns=second) if factors else scores_of(first, [second])[0]


def softmax(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
    compared = scores(values["audio"], values["text"], factors)
    return softmax_contrast(compared, values["scale"], HardTargets(positives))


def softmax_ignoring(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
    compared = scores(values["audio"], values["text"], factors)
    ignored = Ignored(positives, values["meanings"], 0.3)
    return softmax_contrast(compared, values["scale"], HardTargets(positives), ignored=ignored)


def softmax_soft(rows: str) -> Callable[..., Tensor]:
    def compute(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
        targets = (teacher_targets(positives, values[f"teacher_{side}"], 0.4, rows, 0.5) for side in ("audio", "text"))
        return softmax_contrast(scores(values["audio"], values["text"], factors), values["scale"], *targets)

    return compute


def softmax_relevance(form: str) -> Callable[..., Tensor]:
    def compute(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
        targets = meaning_targets(positives, values["meanings"], 0.6, form, 0.3)
        return softmax_contrast(scores(values["audio"], values["text"], factors), values["scale"], targets, targets)

    return compute


def sigmoid(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
    compared = scores(values["audio"], values["text"], factors)
    return sigmoid_contrast(compared, values["scale"], values["bias"], PairProbabilities(positives))


def sigmoid_soft(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
    compared = scores(values["audio"], values["text"], factors)
    targets = PairProbabilities(positives, 0.4, (values["teacher_audio"], values["teacher_text"]))
    return sigmoid_contrast(compared, values["scale"], values["bias"], targets)


def sigmoid_relevance(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
    compared = scores(values["audio"], values["text"], factors)
    targets = meaning_probabilities(positives, values["meanings"], 0.4, "rating")
    return sigmoid_contrast(compared, values["scale"], values["bias"], targets)


def probabilistic(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
    rows = row_factor(values["audio"], values["audio_log_variance"])
    columns = column_factor(values["text"], values["text_log_variance"])
    compared = scores(rows, columns, factors)
    return sigmoid_contrast(compared, values["scale"], values["bias"], PairProbabilities(positives))


def prior(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
    return prior_contrast(scores(values["audio"], values["text"], factors), values["scale"], positives, 2.0)


def triplets(negatives: str) -> Callable[..., Tensor]:
    def compute(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
        return triplet(scores(values["audio"], values["text"], factors), positives, 0.3, negatives)

    return compute


def paraphrases(pairs: str) -> Callable[..., Tensor]:
    def compute(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
        targets = HardTargets(positives)
        views = [[scores(values[side], values["paraphrase"], factors)] for side in ("audio", "text")]
        return paraphrase_views(*views, lambda found: softmax_contrast(found, values["scale"], targets), pairs, [0.7])

    return compute


def distilled(values: Values, positives: PositivePairs, factors: bool = False) -> Tensor:
    compared = scores(values["audio"], values["text"], factors)
    return distillation(compared, values["scale"], values["teacher_audio"], values["teacher_text"], 0.5)


def classified(values: Values, positives: PositivePairs) -> Tensor:
    return cluster_classification(*(values[name] for name in ("audio", "text", "clusters", "weight", "offset")))


def included(form: str) -> Callable[..., Tensor]:
    def compute(values: Values, positives: PositivePairs) -> Tensor:
        h = inclusion(
            values["audio"], values["audio_log_variance"], values["text"], values["text_log_variance"], form, -1.0
        )
        return inclusion_loss(h, 3.0).mean()

    return compute


def hierarchy(pairs: str) -> Callable[..., Tensor]:
    def compute(values: Values, positives: PositivePairs) -> Tensor:
        return hierarchy_loss(levels_of(values), form="exact", sharpness=3.0, pairs=pairs)

    return compute


def repelled(variant: str) -> Callable[..., Tensor]:
    def compute(values: Values, positives: PositivePairs) -> Tensor:
        return repulsion(levels_of(values), values["scale"], values["bias"], variant, -0.9)

    return compute


def narrowed(form: str) -> Callable[..., Tensor]:
    def compute(values: Values, positives: PositivePairs) -> Tensor:
        return bottleneck(values["audio"], values["audio_log_variance"], form)

    return compute


_PAIRS, _SCALED = ("audio", "text"), ("audio", "text", "scale")
_BIASED = (*_SCALED, "bias")
_SPREAD = ("audio_log_variance", "text_log_variance")
LOSSES = {
    "softmax": Loss(softmax, _SCALED, symmetric="always", scored=True),
    "softmax, similar captions ignored": Loss(softmax_ignoring, _SCALED, symmetric="always", scored=True),
    **{
        f"softmax, soft {rows}": Loss(softmax_soft(rows), _SCALED, symmetric="always", scored=True)
        for rows in ("raw", "normalised", "softmax")
    },
    **{
        f"softmax, relevance {form}": Loss(softmax_relevance(form), _SCALED, symmetric="always", scored=True)
        for form in ("logistic", "threshold", "rating", "listwise")
    },
    "sigmoid": Loss(sigmoid, _BIASED, symmetric="always", scored=True),
    "sigmoid, soft": Loss(sigmoid_soft, _BIASED, symmetric="always", scored=True),
    "sigmoid, relevance": Loss(sigmoid_relevance, _BIASED, symmetric="always", scored=True),
    "probabilistic": Loss(probabilistic, (*_BIASED, *_SPREAD), symmetric="always", scored=True),
    "prior": Loss(prior, _SCALED, symmetric="always", scored=True),
    "triplet_sum": Loss(triplets("sum"), _PAIRS, symmetric="single", scored=True),
    "triplet_max": Loss(triplets("max"), _PAIRS, symmetric="single", scored=True),
    "triplet_weighted": Loss(triplets("weighted"), _PAIRS, symmetric="single", scored=True),
    **{
        f"paraphrases, {pairs}": Loss(paraphrases(pairs), (*views, "paraphrase", "scale"), scored=True)
        for pairs, views in {"audio": ("audio",), "text": ("text",), "both": _PAIRS}.items()
    },
    "distillation": Loss(distilled, _SCALED, symmetric="always", scored=True),
    "clusters": Loss(classified, (*_PAIRS, "weight", "offset"), symmetric="always"),
    "inclusion, exact": Loss(included("exact"), (*_PAIRS, *_SPREAD), symmetric="never"),
    "inclusion, release": Loss(included("release"), (*_PAIRS, *_SPREAD), symmetric="never"),
    "hierarchy, consecutive": Loss(hierarchy("consecutive"), ("levels", "levels_log_variance")),
    "hierarchy, all": Loss(hierarchy("all"), ("levels", "levels_log_variance")),
    "repulsion, other_inputs": Loss(repelled("other_inputs"), ("levels",)),
    "repulsion, same_input": Loss(repelled("same_input"), ("levels",)),
    "bottleneck, exact": Loss(narrowed("exact"), ("audio", "audio_log_variance")),
    "bottleneck, release": Loss(narrowed("release"), ("audio", "audio_log_variance")),
}
SCORED = {name: loss for name, loss in LOSSES.items() if loss.scored}


def gradients_of(loss: Loss, values: Values, positives: PositivePairs, **ways: bool) -> tuple[Tensor, Values]:
    """Return the loss and its gradient by name."""
    leaves = {name: values[name].detach().clone().requires_grad_() for name in loss.learned}
    found = loss.compute(values | leaves, positives, **ways)
    # A loss of nothing hangs on nothing: its gradient is 0.
    found_gradients = (
        torch.autograd.grad(found, list(leaves.values()), allow_unused=True)
        if found.requires_grad
        else [None] * len(leaves)
    )
    return found.detach(), {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), found_gradients, strict=True)
    }
