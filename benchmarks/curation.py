"""`python benchmarks/curation.py`: does curated audio help on real recordings? Teacher, control, strategies, losses.

Run it where `recipes/urban.yaml` has run as far as the stage paraphrase (`dvc repro paraphrase`, with UrbanSound8K fold
2 among `roles.retrieval` too); its tables and clips are read, and everything else is done here in one process: features
once, then for each setting and seed a teacher, and for each arm curation and a student that starts from that teacher.
The control draws for as many steps on the original pairs alone. A run that was finished is not repeated: each leaves a
file in `--out` with its figures per clip, which `benchmarks/curation_table.py` makes tables of. With `--guards` no
student is trained: it prints how right the pairs of DU are under each guard, means over the seeds.

Settings: `full` (92 % of ESC-50 folds 1 to 3 teach, UrbanSound8K is unpaired: another domain), `low` (14 % teach, the
other clips of those folds are unpaired: the same domain), `low_urban` (14 % teach, UrbanSound8K is unpaired).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
import torch

from benchmarks.curation_arms import (
    CURATED,
    GUARDS,
    LEARNING_RATE,
    LOSSES,
    OTHERS,
    QUANTILES,
    ROUNDS,
    SAME,
    SETTINGS,
    SIGMA_AUDIO_TEXT,
    SOURCES,
    STEPS,
)
from benchmarks.curation_pools import audiocaps_captions, named_captions
from benchmarks.curation_units import joined, per_clip
from clapline.model.clap import Clap
from clapline.model.encode import clip_features
from clapline.model.gallery import VectorGallery
from clapline.model.inputs import AudioInputs
from clapline.params.base import read_section
from clapline.params.curate import Curate
from clapline.params.machine import Machine
from clapline.params.student import Student
from clapline.params.teacher import Teacher
from clapline.params.training import Training
from clapline.randomness import derived_seed
from clapline.storage import atomic_folder, atomic_path
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from clapline.tables.truth import TRUTH
from clapline.text.prompts import clean_label, prompted_labels
from stages.curate.choose import choose, pair_table
from stages.curate.pool import Pool
from stages.curate.precision import Truth, precision
from stages.evaluate.benchmarks import retrieval_benchmarks, zero_shot_benchmarks
from stages.evaluate.encoded import Suites, encode
from stages.evaluate.retrieval import retrieval_parts
from stages.evaluate.zero_shot import zero_shot_part
from stages.prepare.roles import in_share, recordings
from stages.train.checkpoints import Checkpoint
from stages.train.clip_inputs import CachedFeatures
from stages.train.clips import feature_statistics, may_cut, set_feature_scale
from stages.train.data import Known, Source, TeacherView, TrainingData
from stages.train.feeder import Feeder
from stages.train.loop import Trainer
from stages.train.sources import drawn_pairs, paired_sources, source_of_pairs
from stages.train.start import fit_objective

_CLIPS_AT_ONCE = 128


class World:
    """The recipe's data: tables, features of every clip, and what is measured."""

    def __init__(self) -> None:
        self.teacher, self.student = read_section("teacher", Teacher), read_section("student", Student)
        self.machine = Machine(device="cpu", progress=sys.stderr.isatty())
        self.captioned = CLIPS.read("data/captioned/paired.parquet")
        self.unpaired = CLIPS.read("data/roles/unpaired.parquet")
        heard = CLIPS.read("data/captioned/retrieval.parquet")
        truth = TRUTH.read("data/roles/truth.parquet")
        self.tags = dict(zip(zip(truth.dataset, truth.clip_id, strict=True), truth.tags, strict=True))
        for row in self.captioned.itertuples():
            self.tags[row.dataset, row.clip_id] = list(row.tags)
        paraphrases = PARAPHRASES.read("data/captions/paraphrases_test.parquet")
        labelled = CLIPS.read("data/roles/zero_shot.parquet")
        prompts = ["this is a sound of {label}"]
        self.suites = Suites(
            retrieval_benchmarks(heard, paraphrases[paraphrases.purpose == "test"]),
            zero_shot_benchmarks(labelled, prompts),
            [],
        )
        self.labels = {name: sorted(group.label.unique()) for name, group in labelled.groupby("dataset")}
        clips = pd.concat([self.captioned, self.unpaired, self.suites.clips()])
        self.clips = clips.drop_duplicates(["dataset", "clip_id"], ignore_index=True)
        keys = zip(self.clips.dataset, self.clips.clip_id, strict=True)
        self.rows = {key: row for row, key in enumerate(keys)}
        front_end = Clap.new(self.teacher.model, ["a"]).front_end
        self.features, self.valid = clip_features(front_end, self.clips, self.machine, "features")

    def rows_of(self, clips: pd.DataFrame) -> list[int]:
        """Return where each clip of a data frame is among all."""
        return [self.rows[key] for key in zip(clips.dataset, clips.clip_id, strict=True)]

    @torch.inference_mode()
    def encode_clips(self, clap: Clap, clips: pd.DataFrame) -> np.ndarray:
        """Return unit embeddings `(clips, dim)`."""
        clap.eval()
        rows = self.rows_of(clips)
        parts = [np.zeros((0, clap.dimension), np.float32)]
        for start in range(0, len(rows), _CLIPS_AT_ONCE):
            chosen = rows[start : start + _CLIPS_AT_ONCE]
            inputs = AudioInputs(valid=self.valid[chosen], features=self.features[chosen].float())
            parts.append(clap.hear(inputs).mean.numpy())
        return np.concatenate(parts)


class Teaching:
    """One setting and seed: who is paired and who is not, and the teacher's weights."""

    def __init__(self, world: World, setting: str, seed: int) -> None:
        self.world, self.setting, self.seed, self.name = world, SETTINGS[setting], seed, f"{setting}-{seed}"
        every = world.captioned.assign(split="train")
        self.paired = in_share(every, [0.0, self.setting.share], seed).reset_index(drop=True)
        rest = in_share(every, [self.setting.share, 0.92], seed) if self.setting.share < 0.92 else every.iloc[:0]
        pools = {"esc50": rest, "urbansound8k": world.unpaired}
        self.unpaired = pd.concat([pools[name] for name in self.setting.unpaired]).reset_index(drop=True)

    def pool(self, clap: Clap, captions: pd.DataFrame | None = None) -> Pool:
        """Return what curation chooses from: unpaired clips, and the training captions or other ones."""
        if captions is None:
            captions = pd.DataFrame(
                [
                    {"dataset": row.dataset, "clip_id": row.clip_id, "caption_index": index, "text": text}
                    for row in self.paired.itertuples()
                    for index, text in enumerate(row.captions)
                ]
            )
        texts, place = np.unique(captions.text.to_numpy(dtype=object), return_inverse=True)
        text = clap.encode_texts(list(texts))[place]
        audio = self.world.encode_clips(clap, self.unpaired)
        return Pool(audio, text, self.unpaired[["dataset", "clip_id"]], captions)

    def captions(self, pool: str | None) -> pd.DataFrame | None:
        """Return the captions of a pool by name; None for the teacher's own."""
        if pool == "audiocaps":
            return audiocaps_captions()
        if pool is None:
            return None
        rows = named_captions(self.world.labels[self.setting.labels])
        self.world.tags |= {("named", label): [label] for label in rows["clip_id"]}
        return rows

    def labels(self, clap: Clap, prompt: str = "this is a sound of {label}") -> np.ndarray:
        """Return the embedded prompts of the target's labels."""
        return clap.encode_texts(sorted(prompted_labels([prompt], self.world.labels[self.setting.labels])[0]))

    def trained(self, stage: str, settings: Training, pairs: pd.DataFrame | None, base: Clap | None) -> Clap:
        """Train a teacher from scratch, or a student from `base` on the original pairs and on `pairs`."""
        world = self.world
        torch.manual_seed(derived_seed(self.seed, stage, "weights"))
        clap = Clap.new(world.teacher.model, [text for texts in self.paired.captions for text in texts])
        clips = self.paired
        if pairs is not None:
            met = pairs[["dataset", "clip_id"]].drop_duplicates()
            clips = pd.concat([self.paired, world.clips.merge(met)]).drop_duplicates(["dataset", "clip_id"])
        rows = world.rows_of(clips)
        features, valid = world.features[rows], world.valid[rows]
        mean, deviation = feature_statistics(features)
        if base is None:
            set_feature_scale(clap, mean, deviation)
        else:
            clap.load_state_dict(base.state_dict())
        clap = fit_objective(stage, clap, settings, mean, self.seed)
        places = {key: row for row, key in enumerate(zip(clips.dataset, clips.clip_id, strict=True))}
        weights = settings.sources if isinstance(settings, Student) else None
        original = 1.0 if weights is None else weights.paired
        sources: list[Source] = paired_sources(self.paired, places, original, SYNTHETIC.frame())
        if pairs is not None and weights is not None:
            parts = drawn_pairs(pairs, weights.curated, weights.domain)
            sources += [source_of_pairs(name, part, places, getattr(weights, name)) for name, part in parts.items()]
        data = TrainingData(CachedFeatures(features, valid, cut=may_cut(clap)), sources)
        known = None
        if base is not None and settings.objective.contrastive.targets == "soft":
            texts = data.texts()
            seen = dict(zip(texts, torch.from_numpy(base.encode_texts(texts)), strict=True))
            known = Known(TeacherView(torch.from_numpy(world.encode_clips(base, clips)), seen))
        feeder = Feeder(data, settings, clap.settings, clap.text, seed=self.seed, stage=stage, known=known)
        trainer = Trainer(
            clap, feeder, settings, stage=stage, seed=self.seed, machine=world.machine,
            validate_every=settings.steps, fill=mean,
        )  # fmt: skip
        with (
            tempfile.TemporaryDirectory() as home,
            mock.patch.dict(os.environ, CLAPLINE_HOME=home),
            Checkpoint(stage, "study") as checkpoint,
        ):
            trainer.run(checkpoint)
        return clap

    def teacher(self, folder: Path) -> Clap:
        """Return the teacher, trained once and kept in the folder."""
        kept = folder / f"{self.name}-teacher"
        if not kept.exists():
            values = self.world.teacher.model_dump() | {
                "steps": self.setting.teacher_steps,
                "validate_every_steps": self.setting.teacher_steps,
            }
            clap = self.trained("teacher", Teacher.model_validate(values), None, None)
            with atomic_folder(kept) as temporary:
                clap.save(temporary, "")
        return Clap.from_pretrained(kept)

    def student(self, strategy: str, loss: str, pairs: pd.DataFrame | None, base: Clap) -> Clap:
        """Return a student of `base`."""
        values = self.world.student.model_dump() | {
            "objective": LOSSES[loss],
            "sources": SOURCES.get(strategy.split("_")[0], OTHERS),
            "steps": STEPS,
            "validate_every_steps": STEPS,
            "learning_rates": {"audio": LEARNING_RATE},
        }
        return self.trained("student", Student.model_validate(values), pairs, base)

    def rounds(self, strategy: str, loss: str, pairs: pd.DataFrame | None, base: Clap) -> Clap:
        """Return the last of a strategy's students; each later one learns from what the one before it chose."""
        student = self.student(strategy, loss, pairs, base)
        for _ in range(ROUNDS.get(strategy, 1) - 1):
            pairs = None if pairs is None else self.curated(student, CURATED[strategy] or {})[0]
            student = self.student(strategy, loss, pairs, student)
        return student

    def curated(self, clap: Clap, changes: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the curated pairs, and what they are worth: their number, clips, precision."""
        changes = dict(changes)
        captions = self.captions(changes.pop("captions", None))
        settings = Curate.model_validate(
            {"sigma_audio_text": SIGMA_AUDIO_TEXT, "sigma_text_text": self.setting.sigma_text_text} | changes
        )
        pool = self.pool(clap, captions)
        labels = self.labels(clap) if settings.strategy in ("ds", "ads") else None
        chosen = choose(pool, settings, labels, set(zip(self.paired.dataset, self.paired.clip_id, strict=True)))
        clip_tags, caption_tags = self._tags(pool.audio_rows), self._tags(pool.text_rows)
        new = chosen.new.found
        right = precision(clip_tags, caption_tags, new.clip, new.caption, chosen.candidates)
        pairs = pair_table(pool, chosen, settings.strategy)
        figures = {"pairs": len(new), "clips": len(np.unique(new.clip)), "original": len(chosen.original)}
        return pairs, figures | {"precision": right.any, "chance": right.chance_any, "judged": right.judged}

    def _tags(self, rows: pd.DataFrame) -> list[list[str]]:
        """Return what is heard in each row's clip, in UrbanSound8K's words where it has them."""
        known = (self.world.tags.get(key, []) for key in zip(rows.dataset, rows.clip_id, strict=True))
        return [[SAME.get(clean_label(tag), clean_label(tag)) for tag in tags] for tags in known]

    def guarded(self, clap: Clap) -> list[dict[str, Any]]:
        """Return how right the pairs of DU are under each guard, by pair and by clip, at several quantiles."""
        pool = self.pool(clap)
        truth = Truth(self._tags(pool.audio_rows), self._tags(pool.text_rows))
        there = np.flatnonzero(truth.clips.sum(axis=0))  # sounds that some clip has
        sounding = np.asarray(truth.captions[:, there].sum(axis=1)) > 0
        rows = []
        for quantile in QUANTILES:
            for guard, changes in GUARDS.items():
                settings = Curate.model_validate({"quantile_audio_text": quantile} | changes)
                found = choose(pool, settings, None, set()).new.found
                right = truth.judge(found.clip, found.caption)[:, 2]
                pairs = np.bincount(found.clip, minlength=len(pool.audio))
                by_clip = np.bincount(found.clip, weights=right, minlength=len(pairs))[pairs > 0] / pairs[pairs > 0]
                rows.append(
                    {
                        "setting": self.name.split("-")[0], "quantile": quantile, "guard": guard, "pairs": len(found),
                        "clips": len(by_clip), "right": right.mean(), "by clip": by_clip.mean(),
                        "captions of the pool's sounds": right[sounding[found.caption]].mean(),
                    }
                )  # fmt: skip
        return rows

    def measured(self, clap: Clap) -> dict[str, np.ndarray]:
        """Return each measure of each benchmark as sums and numbers of queries per clip, `(clips, 2)`."""
        found = {}

        def clips(frame: pd.DataFrame) -> VectorGallery:
            return VectorGallery(self.world.encode_clips(clap, frame))

        encoded = encode("study", self.world.suites, clips, clap.encode_text_gaussians)
        parts = [
            part for benchmark in self.world.suites.retrieval for part in retrieval_parts(benchmark, encoded, self.seed)
        ]
        parts += [zero_shot_part(benchmark, encoded, self.seed) for benchmark in self.world.suites.zero_shot]
        for part in parts:
            measures = {"zero_shot": ("accuracy",), "t2a": ("r10", "map10"), "t2a_level2": ("r10",)}.get(part.name, ())
            for measure in measures:
                found[f"{part.dataset}.{part.name}.{measure}"] = per_clip(part.units, part.values[measure])
        for benchmark in self.world.suites.retrieval:
            found[f"{benchmark.dataset}.recordings"] = recordings(benchmark.clips).to_numpy(dtype=str)
            found[f"{benchmark.dataset}.groups"] = joined(benchmark.text_to_audio)
        return found


def main() -> None:
    """Run what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", nargs="+", default=["low", "full"], choices=list(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--strategies", nargs="+", default=["control", "du", "ds", "ads"], choices=list(CURATED))
    parser.add_argument("--losses", nargs="*", default=list(LOSSES), choices=list(LOSSES), help="none: teachers alone")
    parser.add_argument("--guards", action="store_true", help="no students: how right pairs are under each guard")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished runs")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    world = World()
    if arguments.guards:
        teachings = [Teaching(world, setting, seed) for setting in arguments.settings for seed in arguments.seeds]
        rows = pd.DataFrame([row for one in teachings for row in one.guarded(one.teacher(arguments.out))])
        print(rows.groupby(["setting", "quantile", "guard"], sort=False).mean().round(3).to_markdown())
        return
    for seed in arguments.seeds:
        for setting in arguments.settings:
            teaching = Teaching(world, setting, seed)
            run(teaching, arguments.strategies, arguments.losses, arguments.out)


def run(teaching: Teaching, strategies: Sequence[str], losses: Sequence[str], out: Path) -> None:
    """Run the arms of one setting and seed that have not been run."""
    teacher = teaching.teacher(out)
    finish(teaching, "teacher", out, lambda: teacher, {})
    for strategy in strategies:
        changes = CURATED[strategy]
        pairs, figures = (None, {}) if changes is None else teaching.curated(teacher, changes)
        for loss in losses:
            make = partial(teaching.rounds, strategy, loss, pairs, teacher)
            finish(teaching, f"{strategy}-{loss}", out, make, figures)


def finish(teaching: Teaching, arm: str, out: Path, make: Callable[[], Clap], figures: dict[str, Any]) -> None:
    """Make, measure and keep one arm, unless its file is there."""
    kept = out / f"{teaching.name}-{arm}.npz"
    if kept.exists():
        return
    began = time.perf_counter()
    measured = teaching.measured(make())
    with atomic_path(kept) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **measured, figures=np.array(json.dumps(figures)))
    means = {
        name: round(float(values[:, 0].sum() / values[:, 1].sum()), 4)
        for name, values in measured.items()
        if not name.endswith(".recordings")
    }
    row = {"setting": teaching.name, "arm": arm, **figures, **means, "seconds": round(time.perf_counter() - began, 1)}
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
