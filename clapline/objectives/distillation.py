"""Distillation: the student learns which clips and captions a teacher, or several, would match.

Formula: L = ½ [CE(S, softmax_row(C)) + CE(Sᵀ, softmax_row(Cᵀ))], S = s · A Tᵀ the student's logits, Cᵢⱼ = (1/M) Σ_m
⟨aᵢ⁽ᵐ⁾, tⱼ⁽ᵐ⁾⟩ / τ the teachers' mean cosine over a temperature.

In words: how well every other caption of the batch fits a clip is taken from the teachers, not set to nothing.

Use it: as a second stage: train, then train again from that model (`init: teacher`) with this loss at weight 1 and
the contrast at 0; one teacher of the same kind is self-distillation, several an ensemble in one model. The published
runs have τ = 0.05 for both sides: set `teacher.model.temperature: {initial: 0.05, learned: false}`, which a student
that starts from the teacher takes over. Teachers other than `models/teacher` are known to DVC by name alone: where
one was trained again, say `dvc repro -f student`.

Relations: the softmax contrast with these targets. M copies of a teacher are one. Where the student's logits are the
teachers' the loss is the mean entropy of their rows and its gradient 0. τ → 0 is the softmax contrast, if every
teacher ranks each pair first. Soft targets take a teacher's similarity within a modality, this one across.

Reference: Primus et al., arXiv 2408.11641, and their code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clapline.objectives.contrastive import softmax_contrast
from clapline.objectives.scores import Scores
from clapline.objectives.targets import SoftmaxTargets


def one_teacher_of(embeddings: Sequence[Tensor]) -> Tensor:
    """Return the teachers' unit embeddings side by side, each over √M, `(size, sum of dimensions)`.

    The product of two such rows is the mean of the teachers' cosines.
    """
    return torch.cat([rows.float() for rows in embeddings], dim=1) / len(embeddings) ** 0.5


def distillation(
    scores: Scores, scale: Tensor | float, teacher_audio: Tensor, teacher_text: Tensor, temperature: float = 0.05
) -> Tensor:
    """Return the distillation loss, a scalar; in blocks where the scores are factors.

    Args:
        scores: the student's, of clips (rows) and captions (columns).
        scale: the student's 1 / temperature.
        teacher_audio: of `one_teacher_of`, `(size, width)`; no gradient reaches it.
        teacher_text: the same of the captions.
        temperature: τ > 0 of the teachers' cosines.
    """
    captions = SoftmaxTargets(teacher_audio, teacher_text, temperature)
    clips = SoftmaxTargets(teacher_text, teacher_audio, temperature)
    return softmax_contrast(scores, scale, captions, clips)
