"""`python -m stages.train.student`: train the student on pairs, new texts, mixtures and curated pairs."""

from __future__ import annotations

import time

import pandas as pd
import torch

from clapline.errors import UserError, door
from clapline.loaded_code import code_hashes
from clapline.model.clap import Clap
from clapline.model.device import choose_device
from clapline.model.encode import clip_features, encode_features
from clapline.params.base import read_section, read_seed
from clapline.params.machine import Machine
from clapline.params.student import Student
from clapline.randomness import derived_seed
from clapline.storage import file_sha256
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from clapline.tables.pairs import PAIRS
from stages.train.checkpoints import Checkpoint
from stages.train.data import (
    TrainingData,
    check_mixtures,
    curated_source,
    mixed_source,
    paired_source,
    paraphrases_by_caption,
)
from stages.train.loop import TeacherView, Trainer, feature_statistics
from stages.train.outputs import write_outputs
from stages.train.validation import Validation

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
    paired, pairs = CLIPS.read(INPUTS["paired"]), PAIRS.read(INPUTS["pairs"])
    train, val = paired[paired.split == "train"], paired[paired.split == "val"]
    audio_of_pairs = pd.concat([train, CLIPS.read(INPUTS["unpaired"])])
    curated = audio_of_pairs.merge(pairs[["dataset", "clip_id"]].drop_duplicates())
    weights = settings.sources
    mixed = CLIPS.read(INPUTS["mixed"])
    drawn = [train, *([curated] if weights.curated else []), *([mixed] if weights.mixed else [])]
    clips = pd.concat(drawn).drop_duplicates(["dataset", "clip_id"])
    rows = {key: row for row, key in enumerate(zip(clips.dataset, clips.clip_id, strict=True))}

    device = choose_device(machine.device)
    teacher = Clap.from_pretrained("models/teacher").to(device)
    torch.manual_seed(derived_seed(seed, "student", "weights"))
    if settings.init == "teacher":
        clap = Clap.from_pretrained("models/teacher").to(device)
    else:
        worded = [train, mixed] if weights.mixed else [train]
        captions = [caption for clips_with in worded for captions in clips_with.captions for caption in captions]
        clap = Clap.new(settings.model or teacher.settings, captions).to(device)
    if clap.settings.features != teacher.settings.features:
        raise UserError("student.model.features must equal the teacher's: both hear the same clips")
    if weights.mixed:
        check_mixtures(mixed, clap.settings.features.duration_s)
    features = clip_features(clap.front_end, clips, machine, "student: features of clips")
    if settings.init == "scratch":
        clap.audio.set_scale(*feature_statistics(features))

    sources = [paired_source(train, rows, weights.paired, SYNTHETIC.read(INPUTS["synthetic"]))]
    if weights.curated:
        sources.append(curated_source(pairs, rows, weights.curated))
    if weights.mixed:
        sources.append(mixed_source(mixed, rows, weights.mixed))
    views = settings.objective.paraphrase
    paraphrases = PARAPHRASES.read(INPUTS["paraphrases"])
    data = TrainingData(
        features,
        sources,
        paraphrases_by_caption(paraphrases, views.levels) if views.weight else {},
        settings.synthetic_share,
    )
    seen = None
    if settings.objective.contrastive.targets == "soft":
        texts = data.texts()
        seen = TeacherView(
            torch.from_numpy(encode_features(teacher, features)),
            dict(zip(texts, torch.from_numpy(teacher.encode_texts(texts)), strict=True)),
        )
    validation = None
    if not val.empty:
        validation = Validation(
            val, clip_features(clap.front_end, val, machine, "student: features of validation clips")
        )
    hashes = {name: file_sha256(path) for name, path in INPUTS.items()}
    checkpoint = Checkpoint("student", settings.model_dump(), seed, hashes, code_hashes())
    trainer = Trainer(
        clap, data, settings, stage="student", seed=seed, machine=machine, validation=validation, teacher=seen
    )
    history = trainer.run(checkpoint)
    words = (
        f"The student started from {'the teacher' if settings.init == 'teacher' else 'scratch'} and drew on "
        f"{len(train)} clips with captions (weight {weights.paired:g}), {len(curated)} clips that the teacher paired "
        f"(weight {weights.curated:g}) and {len(mixed)} mixtures of two clips (weight {weights.mixed:g})."
    )
    write_outputs("student", clap, history, data, words, time.perf_counter() - began)
    checkpoint.finish()


if __name__ == "__main__":
    main()
