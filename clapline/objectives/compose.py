"""The objective of a run: a weighted sum of named parts; the trainer knows no loss by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clapline.objectives.contrastive import contrastive
from clapline.objectives.paraphrase import paraphrase_views
from clapline.objectives.targets import hard_targets, soft_targets
from clapline.params.objective import Objective


@dataclass(frozen=True)
class EmbeddedBatch:
    """Embeddings of a batch of pairs, each `(batch, dimension)`, and which pairs are positives of each other."""

    audio: Tensor
    text: Tensor
    positives: Tensor  # (batch, batch) boolean, symmetric, the diagonal among them
    paraphrases: Sequence[Tensor] = ()  # one per level
    teacher_audio: Tensor | None = None
    teacher_text: Tensor | None = None
    caption_similarity: Tensor | None = None  # (batch, batch) cosines of a frozen text tower


def objective(settings: Objective, batch: EmbeddedBatch, scale: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum and its parts by name (unweighted). A part of weight 0 is not computed."""
    positives = batch.positives
    targets = hard_targets(positives)
    ignored = _ignored(settings.contrastive.ignore_similar_captions_above, positives, batch.caption_similarity)
    parts: dict[str, Tensor] = {}
    total = batch.audio.new_zeros(())
    if settings.contrastive.weight:
        audio_targets, text_targets = targets, targets
        if settings.contrastive.targets == "soft":
            if batch.teacher_audio is None or batch.teacher_text is None:
                raise ValueError("soft targets need the teacher's embeddings of the batch")
            beta, normalise = settings.contrastive.beta, settings.contrastive.normalise
            audio_targets = soft_targets(positives, batch.teacher_audio, beta, normalise=normalise)
            text_targets = soft_targets(positives, batch.teacher_text, beta, normalise=normalise)
        parts["contrastive"] = contrastive(batch.audio, batch.text, scale, audio_targets, text_targets, ignored)
        total = total + settings.contrastive.weight * parts["contrastive"]
    if settings.paraphrase.weight and batch.paraphrases:
        parts["paraphrase"] = paraphrase_views(
            batch.audio, batch.text, batch.paraphrases, scale, targets, settings.paraphrase.pairs, ignored
        )
        total = total + settings.paraphrase.weight * parts["paraphrase"]
    return total, parts


def _ignored(threshold: float | None, positives: Tensor, similarity: Tensor | None) -> Tensor | None:
    """Return which pairs are too alike to be negatives, yet are no positives."""
    if threshold is None:
        return None
    if similarity is None:
        raise ValueError("ignoring similar captions needs their similarity")
    return (similarity > threshold) & torch.logical_not(positives)
