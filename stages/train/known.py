"""What a run knows of its clips and captions beside the pairs: teachers' views, meanings and clusters of captions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.model.encode import encode_clips
from clapline.model.frozen_audio import weights_key
from clapline.model.lookup import find_model
from clapline.objectives.distillation import one_teacher_of
from clapline.params.machine import Machine
from clapline.params.objective import Objective
from clapline.randomness import derived_seed
from clapline.storage import file_sha256
from clapline.text.clustering import cluster_captions
from clapline.text.embedding import TFIDF, SentenceEmbedder
from stages.train.data import Known, TeacherView, TrainingData

TEACHER = "models/teacher"


def known_of(
    objective: Objective,
    data: TrainingData,
    clips: pd.DataFrame,
    machine: Machine,
    seed: int,
    stage: str,
    teacher: Clap | None = None,
) -> tuple[Known, list[str]]:
    """Return what the objective asks to know, and hashes of the models that it is known from.

    Args:
        objective: of the run.
        data: what it draws from.
        clips: rows of the clip table, in the order of the run's clips.
        machine: how, never what.
        seed: of the run, for the clusters.
        stage: that trains.
        teacher: the model in models/teacher, on its device; None: there is none yet.

    Raises:
        UserError: a model that is not to be had, or fewer captions than clusters.
    """
    contrastive, captions, texts = objective.contrastive, data.captions(), data.texts()
    seen = distilled = meanings = clusters = None
    hashes: list[str] = []
    if contrastive.weight and contrastive.targets == "soft":
        seen = _view(teacher, clips, texts, machine, f"{stage}: the teacher's view of clips")
    if objective.distillation.weight:
        views = []
        for name in objective.distillation.teachers:
            model = teacher if name == TEACHER and teacher is not None else _loaded(name, stage)
            hashes.append(weights_key(model))
            if teacher is not None:
                model = model.to(teacher.device)
            known_already = seen if model is teacher else None
            views.append(known_already or _view(model, clips, texts, machine, f"{stage}: the view of {name}"))
        distilled = _side_by_side(views, captions)
    if contrastive.weight and contrastive.targets == "relevance" and contrastive.relevance_model is not None:
        found = torch.from_numpy(_encoder(contrastive.relevance_model, stage).encode(captions))
        meanings = dict(zip(captions, found, strict=True))
        hashes += _weights_of(contrastive.relevance_model)
    if objective.clusters.weight:
        state = derived_seed(seed, stage, "clusters") % 2**32
        try:
            found = cluster_captions(captions, objective.clusters.count, objective.clusters.embedding, state)
        except UserError as error:
            raise UserError(f"{stage}.objective.{error}") from None
        clusters = dict(zip(captions, found.tolist(), strict=True))
        if objective.clusters.embedding != TFIDF:
            hashes += _weights_of(objective.clusters.embedding)
    return Known(seen, distilled, meanings, clusters), hashes


def _loaded(name: str, stage: str) -> Clap:
    try:
        return Clap.from_pretrained(name)
    except UserError as error:
        raise UserError(f"{stage}.objective.distillation.teachers: {error}") from None


def _weights_of(encoder: str) -> list[str]:
    """Return hashes of a sentence encoder's weights."""
    return [file_sha256(path) for path in sorted(find_model(encoder).glob("*.safetensors"))]


def _view(model: Clap, clips: pd.DataFrame, texts: Sequence[str], machine: Machine, what: str) -> TeacherView:
    audio = torch.from_numpy(encode_clips(model, clips, machine, what))
    return TeacherView(audio, dict(zip(texts, torch.from_numpy(model.encode_texts(texts)), strict=True)))


def _side_by_side(views: Sequence[TeacherView], captions: Sequence[str]) -> TeacherView:
    audio = one_teacher_of([view.audio for view in views])
    text = one_teacher_of([_stacked(view, captions) for view in views])
    return TeacherView(audio, dict(zip(captions, text, strict=True)))


def _stacked(view: TeacherView, captions: Sequence[str]) -> Tensor:
    return torch.stack([view.text[caption] for caption in captions])


def _encoder(model: str, stage: str) -> SentenceEmbedder:
    try:
        return SentenceEmbedder(model)
    except UserError as error:
        raise UserError(f"{stage}.objective.contrastive.relevance_model: {error}") from None
