"""`python -m stages.train.teacher`: train the teacher on the original pairs alone, or take a pretrained one."""

from __future__ import annotations

import time

import torch

from clapline.errors import UserError, door
from clapline.loaded_code import code_hashes
from clapline.model.clap import Clap
from clapline.params.base import read_section, read_seed
from clapline.params.machine import Machine
from clapline.params.teacher import Teacher
from clapline.randomness import derived_seed
from clapline.storage import file_sha256
from clapline.tables.captions import SYNTHETIC
from clapline.tables.clips import CLIPS
from stages.train.checkpoints import Checkpoint
from stages.train.clips import initial_weights, set_feature_scale, training_clips
from stages.train.data import TrainingData
from stages.train.distributed import join, leave
from stages.train.known import known_of
from stages.train.launch import launch_if_needed
from stages.train.run import chosen_datasets, refuse_no_validation, train_and_write
from stages.train.sources import paired_sources
from stages.train.start import fit_objective

PAIRED = "data/captioned/paired.parquet"


@door
def main() -> None:
    """Read params and pairs, train, write models/teacher and reports/teacher."""
    began = time.perf_counter()
    settings, machine, seed = read_section("teacher", Teacher), read_section("machine", Machine), read_seed()
    launch_if_needed("stages.train.teacher", machine)
    device = join(machine)
    paired = chosen_datasets(CLIPS.read(PAIRED), settings.sources.by_dataset)
    train, val = paired[paired.split == "train"], paired[paired.split == "val"]
    if train.empty:
        raise UserError(f"{PAIRED}: no clip with split train; roles.paired needs an entry with use: train")
    refuse_no_validation("teacher", settings, val)
    captions = [caption for captions in train.captions for caption in captions]
    torch.manual_seed(derived_seed(seed, "teacher", "weights"))
    clap = Clap.new(settings.model, captions).to(device)
    clips, mean, deviation = training_clips(clap, train, settings, machine, seed, "teacher")
    if settings.model.start is None:
        set_feature_scale(clap, mean, deviation)
    clap = fit_objective("teacher", clap, settings, mean, seed)
    weights_at_start = initial_weights(clap)
    rows = {key: row for row, key in enumerate(zip(train.dataset, train.clip_id, strict=True))}
    sources = paired_sources(train, rows, 1.0, SYNTHETIC.frame(), settings.sources.by_dataset, "teacher.sources")
    data = TrainingData(clips, sources, tags=list(train.tags))
    known, further = known_of(settings.objective, data, train, machine, seed, "teacher")
    chose = "chose the best step" if settings.choose == "best" else "measured it on the way"
    words = f"The teacher learned from {len(train)} clips with captions; {len(val)} more {chose}."
    if settings.steps == 0:
        words = f"The teacher is {settings.model.start or 'an untrained model'} as it is; it was not trained here."
    # After the model is built: only then every module that decides the outcome is loaded and in the key.
    # Published weights are known by name in the settings: what they hold decides too.
    decides = [settings.model_dump(), seed, file_sha256(PAIRED), code_hashes(), weights_at_start, further]
    with Checkpoint("teacher", *decides) as checkpoint:
        train_and_write(
            "teacher", clap, data, val, settings, machine, seed,
            checkpoint=checkpoint, fill=mean, words=words, began=began, known=known,
        )  # fmt: skip
    leave()


if __name__ == "__main__":
    main()
