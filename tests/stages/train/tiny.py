"""A tiny run in the toy world, for tests in this process and in others."""

from __future__ import annotations

import torch

from clapline.model.clap import Clap
from clapline.params.machine import Machine
from clapline.params.training import Training
from stages.train.data import Known, TrainingData
from stages.train.distributed import rank, world_size
from stages.train.feeder import Feeder
from stages.train.loop import Trainer
from stages.train.validation import Validation

SETTINGS = {
    "steps": 40,
    "validate_every_steps": 10,
    "batch_size": 16,
    "learning_rates": {"audio": 3.0e-3, "text": 1.0e-3, "logits": 1.0e-2},
    "augmentation": {"gain": 0.3},
}


def tiny_trainer(
    clap: Clap, data: TrainingData, validation: Validation | None, changes: dict | None = None, *,
    seed: int = 0, known: Known | None = None, machine: dict | None = None, **more,
) -> Trainer:  # fmt: skip
    settings = Training.model_validate(SETTINGS | (changes or {}))
    feeder = Feeder(
        data, settings, clap.settings, clap.text,
        seed=seed, stage="student", known=known, rank=rank(), world=world_size(),
        mask_units=clap.mask_units if settings.objective.masks else 0,
    )  # fmt: skip
    return Trainer(
        clap,
        feeder,
        settings,
        stage="student",
        seed=seed,
        machine=Machine(**({"device": "cpu", "progress": False} | (machine or {}))),
        validation=validation,
        validate_every=settings.validate_every_steps,
        **more,
    )


def weights_of(clap: Clap) -> torch.Tensor:
    return torch.cat([tensor.double().flatten() for tensor in clap.state_dict().values()])
