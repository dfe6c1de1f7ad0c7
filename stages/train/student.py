"""`python -m stages.train.student`: train the student on pairs, new texts, mixtures and curated pairs."""

from __future__ import annotations

import time

import pandas as pd
import torch

from clapline.errors import door
from clapline.loaded_code import code_hashes
from clapline.model.clap import Clap
from clapline.params.base import read_section, read_seed
from clapline.params.machine import Machine
from clapline.params.student import Student
from clapline.randomness import derived_seed
from clapline.storage import file_sha256
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from clapline.tables.pairs import PAIRS
from stages.train.checkpoints import Checkpoint
from stages.train.clips import initial_weights, set_feature_scale, training_clips
from stages.train.data import TrainingData
from stages.train.distributed import join, leave
from stages.train.known import known_of
from stages.train.launch import launch_if_needed
from stages.train.run import chosen_datasets, refuse_no_validation, train_and_write
from stages.train.sources import (
    check_mixtures,
    drawn_pairs,
    mixed_source,
    paired_sources,
    paraphrases_by_caption,
    source_of_pairs,
)
from stages.train.start import fit_objective

INPUTS = {
    "paired": "data/captioned/paired.parquet",
    "unpaired": "data/roles/unpaired.parquet",
    "pairs": "data/curated/pairs.parquet",
    "paraphrases": "data/captions/paraphrases_train.parquet",
    "synthetic": "data/captions/synthetic.parquet",
    "mixed": "data/mixed/clips.parquet",
    "teacher": "models/teacher/model.safetensors",
    "teacher_config": "models/teacher/config.json",
}


@door
def main() -> None:
    """Read params, tables and teacher, train, write models/student and reports/student."""
    began = time.perf_counter()
    settings, machine, seed = read_section("student", Student), read_section("machine", Machine), read_seed()
    launch_if_needed("stages.train.student", machine)
    device = join(machine)
    weights = settings.sources
    paired = CLIPS.read(INPUTS["paired"])
    drawn = chosen_datasets(paired, weights.by_dataset)
    train, val = drawn[drawn.split == "train"], drawn[drawn.split == "val"]
    refuse_no_validation("student", settings, val)
    pairs = drawn_pairs(PAIRS.read(INPUTS["pairs"]), weights.curated, weights.domain)
    mixed = CLIPS.read(INPUTS["mixed"])
    curated = {name: _clips_of(paired, of) for name, of in pairs.items()}
    heard = [train, *curated.values(), *([mixed] if weights.mixed else [])]
    clips = pd.concat(heard).drop_duplicates(["dataset", "clip_id"])
    rows = {key: row for row, key in enumerate(zip(clips.dataset, clips.clip_id, strict=True))}

    teacher = Clap.from_pretrained("models/teacher").to(device)
    worded = [train, mixed] if weights.mixed else [train]
    clap = _student(settings, teacher, worded, seed).to(device)
    if weights.mixed:
        check_mixtures(mixed, clap.settings.features.duration_s)
    inputs, mean, deviation = training_clips(clap, clips, settings, machine, seed, "student")
    if settings.init == "scratch" and clap.settings.start is None:
        set_feature_scale(clap, mean, deviation)
    clap = fit_objective("student", clap, settings, mean, seed)
    weights_at_start = initial_weights(clap)
    synthetic = SYNTHETIC.read(INPUTS["synthetic"])
    sources = paired_sources(train, rows, weights.paired, synthetic, weights.by_dataset)
    sources += [source_of_pairs(name, of, rows, getattr(weights, name)) for name, of in pairs.items()]
    if weights.mixed:
        sources.append(mixed_source(mixed, rows, weights.mixed))
    views = settings.objective.paraphrase
    paraphrases = PARAPHRASES.read(INPUTS["paraphrases"])
    data = TrainingData(
        inputs,
        sources,
        paraphrases_by_caption(paraphrases, list(views.used), views.share, seed) if views.weight else {},
        settings.synthetic_share,
        list(clips.tags),
    )
    known, further = known_of(settings.objective, data, clips, machine, seed, "student", teacher)
    del teacher
    counts = {"paired": len(train), "mixed": len(mixed)} | {name: len(of) for name, of in curated.items()}
    words = _words(settings, counts)
    hashes = {name: file_sha256(path) for name, path in INPUTS.items()}
    # After the model is built: only then every module that decides the outcome is loaded and in the key.
    # Published weights are known by name in the settings: what they hold decides too.
    decides = [settings.model_dump(), seed, hashes, code_hashes(), weights_at_start, further]
    with Checkpoint("student", *decides) as checkpoint:
        train_and_write(
            "student", clap, data, val, settings, machine, seed,
            checkpoint=checkpoint, fill=mean, words=words, began=began, known=known,
        )  # fmt: skip
    leave()


def _clips_of(paired: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the clips of some pairs: unpaired ones, or paired ones under DS."""
    every = pd.concat([paired[paired.split == "train"], CLIPS.read(INPUTS["unpaired"])])
    return every.merge(pairs[["dataset", "clip_id"]].drop_duplicates())


def _student(settings: Student, teacher: Clap, worded: list[pd.DataFrame], seed: int) -> Clap:
    torch.manual_seed(derived_seed(seed, "student", "weights"))
    if settings.init == "teacher":
        return Clap.from_pretrained("models/teacher")
    captions = [caption for clips_with in worded for captions in clips_with.captions for caption in captions]
    return Clap.new(settings.model or teacher.settings, captions)


def _words(settings: Student, counts: dict[str, int]) -> str:
    if settings.steps == 0:
        return f"The student is {_origin(settings)} as it is; it was not trained here."
    weights = settings.sources
    drawn = [
        f"{counts[name]} {what} (weight {weight:g})"
        for name, what in (
            ("paired", "clips with captions"),
            ("curated", "clips that the teacher paired"),
            ("domain", "clips with captions near a label"),
            ("mixed", "mixtures of two clips"),
        )
        if (weight := getattr(weights, name))
    ]
    return f"The student started from {_origin(settings)} and drew on {' and '.join(drawn)}."


def _origin(settings: Student) -> str:
    if settings.init == "teacher":
        return "the teacher"
    return (settings.model and settings.model.start) or "scratch"


if __name__ == "__main__":
    main()
