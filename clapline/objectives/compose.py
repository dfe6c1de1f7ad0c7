"""The objective of a run: a weighted sum of named parts; the trainer knows no loss by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from clapline.objectives.contrastive import contrastive_of_cosines
from clapline.objectives.paraphrase import paraphrase_views
from clapline.objectives.sigmoid import sigmoid
from clapline.objectives.targets import hard_targets, soft_targets
from clapline.params.objective import Objective


@dataclass(frozen=True)
class EmbeddedBatch:
    """Cosines within a batch of pairs, each `(batch, batch)`, and which pairs are positives of each other.

    Cosines instead of embeddings, because under text-aware pooling a clip has no embedding of its own.
    """

    audio_text: Tensor  # clips in rows, captions in columns
    positives: Tensor  # boolean, symmetric, the diagonal among them
    audio_paraphrases: Sequence[Tensor] = ()  # per level: clips in rows, paraphrases in columns
    text_paraphrases: Sequence[Tensor] = ()  # per level: captions in rows, paraphrases in columns
    teacher_audio: Tensor | None = None  # (batch, dimension)
    teacher_text: Tensor | None = None  # (batch, dimension)
    caption_similarity: Tensor | None = None  # cosines of a frozen text tower


def objective(
    settings: Objective, batch: EmbeddedBatch, scale: Tensor, bias: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum and its parts by name (unweighted). A part of weight 0 is not computed.

    `scale` is 1 / temperature; `bias` that of the logits, which the sigmoid form needs.
    """
    positives = batch.positives
    targets = hard_targets(positives)
    ignored = _ignored(settings.contrastive.ignore_similar_captions_above, positives, batch.caption_similarity)
    clap = _form(settings.contrastive.form, scale, bias, positives, targets, ignored)
    parts: dict[str, Tensor] = {}
    total = batch.audio_text.new_zeros(())
    if settings.contrastive.weight:
        if settings.contrastive.targets == "soft":
            if batch.teacher_audio is None or batch.teacher_text is None:
                raise ValueError("soft targets need the teacher's embeddings of the batch")
            beta, normalise = settings.contrastive.beta, settings.contrastive.normalise
            audio_targets = soft_targets(positives, batch.teacher_audio, beta, normalise=normalise)
            text_targets = soft_targets(positives, batch.teacher_text, beta, normalise=normalise)
            loss = contrastive_of_cosines(batch.audio_text, scale, audio_targets, text_targets, ignored)
        else:
            loss = clap(batch.audio_text)
        parts["contrastive"] = loss
        total = total + settings.contrastive.weight * loss
    if settings.paraphrase.weight and batch.audio_paraphrases:
        parts["paraphrase"] = paraphrase_views(
            batch.audio_paraphrases, batch.text_paraphrases, clap, settings.paraphrase.pairs
        )
        total = total + settings.paraphrase.weight * parts["paraphrase"]
    return total, parts


def _form(
    form: str, scale: Tensor, bias: Tensor | None, positives: Tensor, targets: Tensor, ignored: Tensor | None
) -> Callable[[Tensor], Tensor]:
    """Return the contrastive loss of cosines with hard targets, in the form that the settings name."""
    if form == "sigmoid":
        if bias is None:
            raise ValueError("the sigmoid form needs a bias of the logits: set model.temperature.bias")
        return lambda cosines: sigmoid(cosines, scale, bias, positives, ignored)
    return lambda cosines: contrastive_of_cosines(cosines, scale, targets, ignored=ignored)


def _ignored(threshold: float | None, positives: Tensor, similarity: Tensor | None) -> Tensor | None:
    """Return which pairs are too alike to be negatives, yet are no positives."""
    if threshold is None:
        return None
    if similarity is None:
        raise ValueError("ignoring similar captions needs their similarity")
    return (similarity > threshold) & (~positives)
