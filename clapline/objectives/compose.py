"""The objective of a run: a weighted sum of named parts; the trainer knows no loss by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clapline.model.inputs import Embeddings
from clapline.objectives.bottleneck import bottleneck
from clapline.objectives.clusters import cluster_classification
from clapline.objectives.contrastive import softmax_contrast
from clapline.objectives.distillation import distillation
from clapline.objectives.health import health
from clapline.objectives.hierarchy import hierarchy_loss
from clapline.objectives.ignored import Ignored
from clapline.objectives.inclusion import inclusion, inclusion_loss
from clapline.objectives.paraphrase import paraphrase_views
from clapline.objectives.positives import PositivePairs
from clapline.objectives.prior import prior_contrast
from clapline.objectives.repulsion import repulsion
from clapline.objectives.scores import Scores
from clapline.objectives.sigmoid import sigmoid_contrast
from clapline.objectives.soft_targets import (
    PairProbabilities,
    meaning_probabilities,
    meaning_targets,
    teacher_targets,
)
from clapline.objectives.targets import HardTargets, Targets
from clapline.objectives.triplet import triplet
from clapline.params.objective import TRIPLETS, Contrastive, Objective


@dataclass(frozen=True)
class EmbeddedBatch:
    """All of a batch of pairs, of every process, that some part of an objective may ask for.

    Scores stand beside embeddings, because under text-aware pooling a clip has no embedding of its own. Where the form
    is probabilistic the scores are of Gaussians.
    """

    audio_text: Scores  # clips in rows, captions in columns
    positives: PositivePairs
    audio_paraphrases: Sequence[Scores] = ()  # per level: clips in rows, paraphrases in columns
    text_paraphrases: Sequence[Scores] = ()  # per level: captions in rows, paraphrases in columns
    audio_text_means: Scores | None = None  # cosines of the means; None: audio_text is that
    audio: Embeddings | None = None  # (batch, dimension)
    text: Embeddings | None = None  # of the captions, (batch, dimension)
    masked_audio: Sequence[Embeddings] = ()  # under M₀, M₁, …, of the clips that are masked
    masked_text: Sequence[Embeddings] = ()
    masked_places: Tensor | None = None  # where in the batch those stand; None: all
    teacher_audio: Tensor | None = None  # (batch, dimension)
    teacher_text: Tensor | None = None  # (batch, dimension)
    distilled_audio: Tensor | None = None  # of `one_teacher_of`, (batch, sum of the teachers' dimensions)
    distilled_text: Tensor | None = None
    caption_states: Tensor | None = None  # of a frozen text tower, unit rows (batch, width)
    caption_meanings: Tensor | None = None  # of a sentence encoder, unit rows (batch, width)
    clusters: Tensor | None = None  # (batch,) int64, -1: none


@dataclass(frozen=True)
class Learned:
    """What the losses learn themselves."""

    scale: Tensor  # 1 / temperature
    bias: Tensor | None = None  # of the logits, in the pairwise forms
    classifier: tuple[Tensor, Tensor] | None = None  # weight (clusters, dimension) and bias (clusters,)


@dataclass(frozen=True)
class Outcome:
    """A loss, its unweighted parts, and figures that are no part of it."""

    total: Tensor
    parts: dict[str, Tensor]
    health: dict[str, Tensor]


def objective(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Outcome:
    """Return the weighted sum of the parts whose weight is above 0; no other is computed.

    Raises ValueError where a part lacks what it needs: settings and batch do not belong together.
    """
    parts = {name: part(settings, batch, learned) for name, part in _PARTS.items() if getattr(settings, name).weight}
    total = batch.positives.rows.new_zeros((), dtype=torch.float32)
    for name, loss in parts.items():
        total = total + getattr(settings, name).weight * loss
    figures: dict[str, Tensor] = {}
    if settings.of_gaussians and batch.audio is not None and batch.text is not None:
        form, epsilon = settings.inclusion.form, settings.inclusion.epsilon
        figures = health(batch.audio, batch.text, batch.masked_audio, batch.masked_text, form, epsilon)
    return Outcome(total, parts, figures)


def contrast(
    settings: Contrastive,
    scores: Scores,
    positives: PositivePairs,
    learned: Learned,
    targets: tuple[Targets, Targets] | PairProbabilities | None = None,
    ignored: Ignored | None = None,
) -> Tensor:
    """Return the contrastive loss of scores in the form that the settings name; without targets they are hard."""
    if settings.form in TRIPLETS:
        return triplet(scores, positives, settings.margin, settings.form.removeprefix("triplet_"))
    if settings.form == "prior":
        return prior_contrast(scores, learned.scale, positives, settings.omega)
    if settings.form == "softmax":
        if targets is None:
            hard = HardTargets(positives)
            targets = (hard, hard)
        return softmax_contrast(scores, learned.scale, *targets, ignored=ignored)
    bias = _given(learned.bias, f"the {settings.form} form", "a bias of the logits")
    return sigmoid_contrast(scores, learned.scale, bias, targets or PairProbabilities(positives), ignored)


def _contrastive(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Tensor:
    chosen = settings.contrastive
    ignored = None
    if chosen.ignore_similar_captions_above is not None:
        states = _given(batch.caption_states, "ignoring similar captions", "their states")
        ignored = Ignored(batch.positives, states, chosen.ignore_similar_captions_above)
    return contrast(chosen, batch.audio_text, batch.positives, learned, _targets(chosen, batch), ignored)


def _targets(settings: Contrastive, batch: EmbeddedBatch) -> tuple[Targets, Targets] | PairProbabilities | None:
    """Return the targets of both directions, of pairs under the forms that judge them one by one; None: hard."""
    positives, beta = batch.positives, settings.beta
    if settings.targets == "hard":
        return None
    if settings.targets == "soft":
        views = (
            _given(batch.teacher_audio, "soft targets", "the teacher's embeddings of the batch"),
            _given(batch.teacher_text, "soft targets", "the teacher's embeddings of the batch"),
        )
        if settings.form != "softmax":
            return PairProbabilities(positives, beta, views)
        audio, text = (
            teacher_targets(positives, view, beta, settings.soft, settings.soft_temperature) for view in views
        )
        return audio, text
    meanings = _given(batch.caption_meanings, "relevance targets", "embeddings of the captions by a sentence encoder")
    if settings.form != "softmax":
        return meaning_probabilities(positives, meanings, beta, settings.relevance)
    both = meaning_targets(positives, meanings, beta, settings.relevance, settings.relevance_temperature)
    return both, both


def _paraphrase(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Tensor:
    if not batch.audio_paraphrases:
        raise ValueError("paraphrase views need the paraphrases of the batch")
    chosen = settings.paraphrase
    ignored = None
    if settings.contrastive.ignore_similar_captions_above is not None:
        states = _given(batch.caption_states, "ignoring similar captions", "their states")
        ignored = Ignored(batch.positives, states, settings.contrastive.ignore_similar_captions_above)
    return paraphrase_views(
        batch.audio_paraphrases,
        batch.text_paraphrases,
        lambda scores: contrast(settings.contrastive, scores, batch.positives, learned, ignored=ignored),
        chosen.pairs,
        list(chosen.used.values()),
    )


def _distillation(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Tensor:
    audio = _given(batch.distilled_audio, "distillation", "the teachers' embeddings of the batch")
    text = _given(batch.distilled_text, "distillation", "the teachers' embeddings of the batch")
    scores = batch.audio_text if batch.audio_text_means is None else batch.audio_text_means
    return distillation(scores, learned.scale, audio, text, settings.distillation.temperature)


def _clusters(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Tensor:
    audio, text = _both(batch, "cluster classification")
    clusters = _given(batch.clusters, "cluster classification", "the clusters of the captions")
    classifier = _given(learned.classifier, "cluster classification", "a classifier")
    return cluster_classification(
        _given(audio.projected, "cluster classification", "embeddings before their length is set to 1"),
        _given(text.projected, "cluster classification", "embeddings before their length is set to 1"),
        clusters,
        *classifier,
    )


def _inclusion(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Tensor:
    chosen = settings.inclusion
    audio, text = _gaussians(batch, "inclusion")
    h = inclusion(audio.mean, audio.log_variance, text.mean, text.log_variance, chosen.form, chosen.epsilon)
    return inclusion_loss(h, chosen.sharpness).mean()


def _hierarchy(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Tensor:
    chosen, form = settings.hierarchy, settings.inclusion
    return _of_masked(
        batch,
        lambda levels: hierarchy_loss(
            levels,
            form=form.form,
            epsilon=form.epsilon,
            sharpness=form.sharpness,
            pairs=chosen.pairs,
            reduce=chosen.reduce,
        ),
    )


def _repulsion(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Tensor:
    chosen = settings.repulsion
    bias = _given(learned.bias, "repulsion", "a bias of the logits")
    places = batch.masked_places
    positives = batch.positives.matrix() if places is None else batch.positives.among(places)
    return _of_masked(
        batch, lambda levels: repulsion(levels, learned.scale, bias, chosen.variant, chosen.margin, positives)
    )


def _bottleneck(settings: Objective, batch: EmbeddedBatch, learned: Learned) -> Tensor:
    audio, text = _gaussians(batch, "the bottleneck")
    form = settings.bottleneck.form
    return bottleneck(audio.mean, audio.log_variance, form) + bottleneck(text.mean, text.log_variance, form)


_PARTS: dict[str, Callable[[Objective, EmbeddedBatch, Learned], Tensor]] = {
    "contrastive": _contrastive,
    "paraphrase": _paraphrase,
    "distillation": _distillation,
    "clusters": _clusters,
    "inclusion": _inclusion,
    "hierarchy": _hierarchy,
    "repulsion": _repulsion,
    "bottleneck": _bottleneck,
}


def _of_masked(batch: EmbeddedBatch, loss: Callable[[Sequence[Embeddings]], Tensor]) -> Tensor:
    masked = [levels for levels in (batch.masked_audio, batch.masked_text) if levels]
    if not masked:
        raise ValueError("masked inputs are needed, and the batch holds none")
    terms = [loss(levels) for levels in masked]
    return sum(terms[1:], start=terms[0])


def _both(batch: EmbeddedBatch, what: str) -> tuple[Embeddings, Embeddings]:
    return _given(batch.audio, what, "embeddings of clips"), _given(batch.text, what, "embeddings of captions")


def _gaussians(batch: EmbeddedBatch, what: str) -> tuple[Embeddings, Embeddings]:
    audio, text = _both(batch, what)
    for side in (audio, text):
        _given(side.log_variance, what, "Gaussian embeddings")
    return audio, text


def _given(value, what: str, needed: str):  # noqa: ANN001, ANN202 - whatever it is, and not None
    if value is None:
        raise ValueError(f"{what} needs {needed}")
    return value
