"""What the two doors share: from a model and its pairs to the outputs of a training stage."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.params.machine import Machine
from clapline.params.training import Training
from stages.train.batches import validate_every
from stages.train.checkpoints import Checkpoint
from stages.train.clips import validation_clips
from stages.train.data import Known, TrainingData
from stages.train.distributed import is_first, rank, world_size
from stages.train.feeder import Feeder
from stages.train.loop import Trainer
from stages.train.outputs import write_outputs
from stages.train.validation import Validation

LIVE = Path("reports/live")


def train_and_write(
    stage: str,
    clap: Clap,
    data: TrainingData,
    val: pd.DataFrame,
    settings: Training,
    machine: Machine,
    seed: int,
    *,
    checkpoint: Checkpoint,
    fill: float,
    words: str,
    began: float,
    known: Known | None = None,
) -> None:
    """Train, then write models/<stage> and reports/<stage> (the first of several processes does).

    Args:
        stage: teacher or student.
        clap: the model as it starts; on its device.
        data: what it draws from.
        val: the clips that choose the kept weights; none: the last step's are kept.
        settings: the stage's section.
        machine: how, never what.
        seed: of the run.
        checkpoint: where a killed run goes on.
        fill: mean of the training features, which masked places are set to.
        words: one paragraph about the pairs, for the report and the model card.
        began: time.perf_counter() at the start of the stage.
        known: what soft targets, relevance, distillation and clusters are made of.
    """
    feeder = Feeder(
        data,
        settings,
        clap.settings,
        clap.text,
        seed=seed,
        stage=stage,
        known=known,
        mask_units=clap.mask_units if settings.objective.masks else 0,
        rank=rank(),
        world=world_size(),
    )
    validation = None
    if not val.empty and is_first():  # which alone validates, and tells the others
        validation = Validation(val, validation_clips(clap, val, machine, stage))
    clips = max(len(source.clips) for source in data.sources if source.weight)
    if is_first() and settings.batch_size > clips:
        print(f"{stage}: batches of {settings.batch_size} from {clips} clips hold clips twice", file=sys.stderr)
    trainer = Trainer(
        clap,
        feeder,
        settings,
        stage=stage,
        seed=seed,
        machine=machine,
        validate_every=validate_every(settings, data.sources),
        validation=validation,
        live=LIVE / stage,
        fill=fill,
    )
    history = trainer.run(checkpoint)
    if is_first():
        write_outputs(stage, clap, history, data, settings, words, began)
        checkpoint.finish()


def refuse_no_validation(stage: str, settings: Training, val: pd.DataFrame) -> None:
    """Raise UserError on `choose: best` without a validation clip, as when all of them leaked into evaluation."""
    if settings.choose == "best" and settings.steps != 0 and val.empty:
        raise UserError(
            f"{stage}.choose = 'best', but no validation clip is left in roles.paired (reports/catalogue: what left "
            "it); give it others with use: val, or say 'last'"
        )


def chosen_datasets(clips: pd.DataFrame, by_dataset: Mapping[str, float] | None) -> pd.DataFrame:
    """Return the clips of the datasets that a run is to learn from; all where none are named."""
    return clips if by_dataset is None else clips[clips.dataset.isin({name for name in by_dataset if by_dataset[name]})]
