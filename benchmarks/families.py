"""`python benchmarks/families.py`: every family of objectives trained on the default data, over several seeds.

Run it where the default pipeline has run (its data are read, nothing is written). Families of the first kind train the
default teacher from scratch; those of the second start from the softmax model of the same seed, as a student does. Per
family: the training loss of the first and of the last tenth of the steps, R@10 of text to audio on the test clips
beside chance, and for Gaussians what ProLAP promises: the share of test inputs whose masked version has the
larger total variance, and the correlation of words and total variance over the test captions, beside the control whose
hierarchy has weight 0. Mean and standard deviation over seeds. Not a comparison of families: all have the default's
learning rates, and few steps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
import torch

from clapline.metrics.retrieval import Relevance, recall_at_k, relevant_ranks
from clapline.model.clap import Clap
from clapline.model.encode import clip_features
from clapline.model.extend import add_masks
from clapline.model.inputs import AudioInputs
from clapline.model.masking import nested_masks
from clapline.objectives.gaussian import trace
from clapline.params.base import read_section
from clapline.params.machine import Machine
from clapline.params.student import Student
from clapline.params.teacher import Teacher
from clapline.params.training import Training
from clapline.randomness import derived_seed
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from stages.train.checkpoints import Checkpoint
from stages.train.clip_inputs import CachedFeatures
from stages.train.clips import feature_statistics, may_cut, set_feature_scale
from stages.train.data import TrainingData
from stages.train.feeder import Feeder
from stages.train.known import known_of
from stages.train.loop import History, Trainer
from stages.train.sources import paired_sources, paraphrases_by_caption
from stages.train.start import fit_objective

MINILM = "all-MiniLM-L6-v2"
PROLAP = {
    "contrastive": {"form": "probabilistic", "initial_logits": "batch"},
    "inclusion": {"weight": 5.0e-7},
    "hierarchy": {"weight": 1.0e-2, "share": 0.25},  # twice the paper's weight and share: so few steps need more of it
    "bottleneck": {"weight": 1.0e-5},
}
CONTROL = PROLAP | {"hierarchy": {"weight": 0.0}}
LONGER = {"probabilistic": 2}  # times the steps of the others
SCRATCH: dict[str, dict] = {
    "softmax": {},
    "sigmoid": {"contrastive": {"form": "sigmoid"}},
    "triplet_sum": {"contrastive": {"form": "triplet_sum"}},
    "relevance, logistic": {"contrastive": {"targets": "relevance", "beta": 1.0, "relevance_model": MINILM}},
    "relevance, listwise": {
        "contrastive": {"targets": "relevance", "beta": 0.5, "relevance": "listwise", "relevance_model": MINILM}
    },
    "clusters": {"clusters": {"weight": 0.1}},
    "probabilistic": {"contrastive": {"form": "probabilistic"}},
}
STUDENTS: dict[str, dict] = {
    # Not from scratch. Triplets pull all embeddings together there: the hardest negative of a young model is as near as
    # the rest. The prior turns its gradient round where the cosines of right pairs are negative.
    "prior": {"contrastive": {"form": "prior"}},
    "triplet_max": {"contrastive": {"form": "triplet_max"}},
    "triplet_weighted": {"contrastive": {"form": "triplet_weighted"}},
    "soft, raw": {"contrastive": {"targets": "soft", "soft": "raw"}},
    "soft, normalised": {"contrastive": {"targets": "soft"}},
    "soft, softmax": {"contrastive": {"targets": "soft", "soft": "softmax"}},
    "paraphrase": {"paraphrase": {"weight": 1.0}},
    "distillation": {"contrastive": {"weight": 0.0}, "distillation": {"weight": 1.0}},
    "ProLAP": PROLAP,
    "ProLAP, repulsion R1": PROLAP | {"repulsion": {"weight": 1.0e-2}},
    "ProLAP, hierarchy 0": CONTROL,
}


def main() -> None:
    """Train, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--steps", type=int, default=130, help="from scratch (probabilistic: twice); students: two thirds"
    )
    parser.add_argument("--only", nargs="*", help="families, by name")
    parser.add_argument("--out", type=Path, help="rows as JSON lines, as they come")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["CLAPLINE_HOME"] = home
        world = World()
        for seed in arguments.seeds:
            base = None
            for name, objective in (SCRATCH | STUDENTS).items():
                student = name in STUDENTS
                if arguments.only and name not in (*arguments.only, "softmax"):
                    continue
                steps = arguments.steps * 2 // 3 if student else arguments.steps * LONGER.get(name, 1)
                row, clap = world.trained(name, objective, seed, steps, base if student else None)
                base = clap if name == "softmax" else base
                rows.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
                if arguments.out:
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    print(table(pd.DataFrame(rows)))


class World:
    """The default data, and what is measured on it."""

    def __init__(self) -> None:
        self.teacher, self.student = read_section("teacher", Teacher), read_section("student", Student)
        self.machine = Machine(device="cpu", progress=False)
        paired = CLIPS.read("data/captioned/paired.parquet")
        self.train = paired[paired.split == "train"]
        self.test = CLIPS.read("data/captioned/retrieval.parquet")
        self.paraphrases = PARAPHRASES.read("data/captions/paraphrases_train.parquet")
        front_end = Clap.new(self.teacher.model, ["a"]).front_end
        self.features = clip_features(front_end, self.train, self.machine, "training clips")
        self.heard = clip_features(front_end, self.test, self.machine, "test clips")
        self.mean, self.deviation = feature_statistics(self.features[0])
        self.queries = sorted({caption for captions in self.test.captions for caption in captions})
        places = {caption: place for place, caption in enumerate(self.queries)}
        pairs = [(places[caption], row) for row, captions in enumerate(self.test.captions) for caption in captions]
        self.relevance = Relevance.from_pairs(*np.array(pairs).T, len(self.queries), len(self.test))

    def settings(self, objective: dict, steps: int, student: bool) -> Training:
        """Return the default's section with another objective."""
        section = self.student if student else self.teacher
        gaussian = objective.get("contrastive", {}).get("form") == "probabilistic"
        values = section.model_dump() | {
            "objective": objective,
            "gaussian_heads": gaussian,
            "steps": steps,
            "validate_every_steps": steps,
            "log_every_steps": max(1, steps // 10),
        }
        return type(section).model_validate(values)

    def trained(self, name: str, objective: dict, seed: int, steps: int, base: Clap | None) -> tuple[dict, Clap]:
        """Train one family; return what was measured, and the model."""
        began = time.perf_counter()
        stage = "student" if base is not None else "teacher"
        settings = self.settings(objective, steps, base is not None)
        captions = [caption for captions in self.train.captions for caption in captions]
        torch.manual_seed(derived_seed(seed, stage, "weights"))
        clap = Clap.new(self.teacher.model, captions)
        if base is None:
            set_feature_scale(clap, self.mean, self.deviation)
        else:
            clap.load_state_dict(base.state_dict())
        clap = fit_objective(stage, clap, settings, self.mean, seed)
        keys = list(zip(self.train.dataset, self.train.clip_id, strict=True))
        sources = paired_sources(self.train, {key: row for row, key in enumerate(keys)}, 1.0, SYNTHETIC.frame())
        views = settings.objective.paraphrase
        data = TrainingData(
            CachedFeatures(*self.features, cut=may_cut(clap)),
            sources,
            paraphrases_by_caption(self.paraphrases, list(views.used)) if views.weight else {},
        )
        known, _ = known_of(settings.objective, data, self.train, self.machine, seed, stage, base)
        units = clap.mask_units if settings.objective.masks else 0
        feeder = Feeder(data, settings, clap.settings, clap.text, seed=seed, stage=stage, known=known, mask_units=units)
        trainer = Trainer(
            clap, feeder, settings, stage=stage, seed=seed, machine=self.machine, validate_every=steps, fill=self.mean
        )
        with Checkpoint(stage, name, seed, steps) as checkpoint:
            history = trainer.run(checkpoint)
        row = {"family": name, "seed": seed, "steps": steps, "seconds": round(time.perf_counter() - began, 1)}
        return row | first_and_last(history) | self.measured(clap), clap

    @torch.inference_mode()
    def measured(self, clap: Clap) -> dict[str, float]:
        """Return R@10, and for Gaussians how masks and words go with total variance."""
        audio = AudioInputs(valid=self.heard[1], features=self.heard[0].float())
        vectors = clap.eval().hear(audio).mean.numpy()
        ranks = relevant_ranks(clap.encode_texts(self.queries), vectors, self.relevance)
        found = {"r10": float(recall_at_k(ranks, self.relevance, 10).mean())}
        if clap.settings.head.distribution != "gaussian":
            return found
        texts = clap.text.prepare(self.queries)
        words = np.array([len(caption.split()) for caption in self.queries])
        variance = trace(clap.embed_text(texts).log_variance)
        found["words_and_variance"] = float(np.corrcoef(words, variance.numpy())[0, 1])
        if not clap.settings.masked:
            # The control never learned stand-ins: what is hidden becomes the mean of the features, or a small vector.
            torch.manual_seed(0)
            add_masks(clap, self.mean)
        random = torch.Generator().manual_seed(0)
        seen = clap.valid_units(audio)
        drawn = torch.rand(1, *seen.shape, generator=random)
        masked = clap.embed_masked_audio(audio, nested_masks(seen, drawn, [0.25], 1)[1])
        whole = clap.embed_masked_audio(audio, seen)
        found["wider_audio"] = _wider(masked.log_variance, whole.log_variance)
        plain = texts["attention_mask"].bool() & ~clap.text.special_tokens(texts)
        drawn = torch.rand(1, *plain.shape, generator=random)
        masked = clap.embed_masked_text(texts, nested_masks(plain, drawn, [0.25], 0)[1])
        found["wider_text"] = _wider(masked.log_variance, clap.embed_masked_text(texts, plain).log_variance)
        return found


def first_and_last(history: History) -> dict[str, float]:
    """Return the mean loss of the first and of the last rows of the curve, a tenth of the steps each."""
    losses = [row["loss"] for row in history.curve]
    return {"first": losses[0], "last": losses[-1]}


def _wider(masked: torch.Tensor, whole: torch.Tensor) -> float:
    return float((trace(masked) > trace(whole)).float().mean())


def table(rows: pd.DataFrame) -> str:
    """Return the rows per family as Markdown, mean ± standard deviation over seeds."""
    lines = ["| family | loss, first tenth → last | R@10 | masked audio wider | masked text wider | words, variance |"]
    lines.append("|---|---|---|---|---|---|")
    for name, group in rows.groupby("family", sort=False):
        cells = [_spread(group, column) for column in ("r10", "wider_audio", "wider_text", "words_and_variance")]
        lines.append(f"| {name} | {group['first'].mean():.3f} → {group['last'].mean():.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(group: pd.DataFrame, column: str) -> str:
    values = group[column].dropna().tolist() if column in group else []
    if not values:
        return ""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    main()
