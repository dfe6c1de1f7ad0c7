"""One process of two that compare themselves with a single one: `python -m tests.stages.train.spread rank folder`.

Writes, for each configuration, the loss and the gradients of each parameter over the whole batch (as DDP averages
them), beside those of one process that holds it all. No process group is used for the latter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from clapline.model.batch_norm import gather_statistics
from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs
from clapline.params.model import Model
from clapline.params.training import Training
from stages.train.batch import Batch
from stages.train.task import Task

FEATURES = {"duration_s": 0.6, "segment_s": 0.2, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0}
TEXT = {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 200, "maximum_tokens": 16, "dropout": 0.0}
CAPTIONS = [f"the {word} of a {noun}" for word in ("sound", "noise") for noun in ("dog", "bell", "saw", "horn", "bird")]
PAIRS, FRAMES = 8, 5
CONFIGURATIONS = {
    "vector": ({}, {}, 1),
    "several segments": ({"features": FEATURES}, {}, 1),
    "mean and maximum, linear heads": ({"audio": {"pooling": "mean_max"}, "head": {"kind": "linear"}}, {}, 1),
    "text-aware": ({"audio": {"pooling": "tap", "tap": {"dimension": 8, "dropout": 0.0}}}, {}, 1),
    "text-aware, paraphrases": (
        {"audio": {"pooling": "tap", "tap": {"dimension": 8, "dropout": 0.0}}},
        {"paraphrase": {"weight": 0.7}},
        3,
    ),
    "paraphrases": ({}, {"paraphrase": {"weight": 0.7, "pairs": "both"}}, 3),
    "paraphrases of texts": ({}, {"paraphrase": {"weight": 0.7, "pairs": "text"}}, 3),
    "paraphrases of audio": ({}, {"paraphrase": {"weight": 0.7, "pairs": "audio"}}, 2),
    "sigmoid": ({"temperature": {"bias": -2.0}}, {"contrastive": {"form": "sigmoid"}}, 1),
    "a bias that softmax knows nothing of": ({"temperature": {"bias": -2.0}}, {}, 1),
    "soft targets": ({}, {"contrastive": {"targets": "soft"}}, 1),
    "tags": ({"metadata": {"use": "tags"}}, {}, 1),
}


def built(changes: dict) -> Clap:
    sections = {
        "features": {name: value for name, value in FEATURES.items() if name != "segment_s"},
        "audio": {},
        "text": TEXT,
        "head": {},
    } | changes
    sections["audio"] = {"channels": [4, 8]} | sections["audio"]
    sections["head"] = {"dimension": 12, "dropout": 0.0} | sections["head"]
    torch.manual_seed(0)
    clap = Clap.new(Model.model_validate(sections), CAPTIONS)
    for name, parameter in clap.named_parameters():
        if parameter.ndim == 1 and not name.startswith("text."):  # a bias of zero or a norm of one hides mistakes
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return clap.train()


def batch_of(clap: Clap, views: int, rank: int, world: int, m: int = 0) -> Batch:
    """Return the share of a batch that one of `world` processes holds."""
    random = torch.Generator().manual_seed(m)
    settings = clap.settings.features
    features = torch.randn(PAIRS, settings.segments, settings.mel_bands, clap.front_end.frames, generator=random)
    valid = torch.tensor([1.0, 0.3, 0.6, 1.0, 0.2, 0.9, 1.0, 0.4])
    texts = [CAPTIONS[int(place)] for place in torch.randint(len(CAPTIONS), (PAIRS * views,), generator=random)]
    positives = torch.eye(PAIRS, dtype=torch.bool)
    positives[1, 6] = positives[6, 1] = True
    teacher = torch.nn.functional.normalize(torch.randn(2, PAIRS, 5, generator=random), dim=-1)
    share = PAIRS // world
    here = slice(rank * share, (rank + 1) * share)
    local = [text for view in range(views) for text in texts[view * PAIRS : (view + 1) * PAIRS][here]]
    audio = AudioInputs(valid=valid[here], features=features[here])
    if clap.metadata is not None:
        tags = clap.text.prepare([CAPTIONS[place] for place in range(PAIRS)][here])
        # One process has no clip with tags at all: its fusion must take part in the backward pass all the same.
        audio = dataclasses.replace(
            audio, tags=tags, has_tags=torch.tensor([True, False, True, True] + [False] * 4)[here]
        )
    return Batch(
        step=m, audio=audio, text=clap.text.prepare(local), views=views, pairs=PAIRS, positives=positives,
        first=here.start, teacher_audio=teacher[0], teacher_text=teacher[1],
    )  # fmt: skip


def computed(changes: dict, objective: dict, views: int, rank: int, world: int, batches: int = 1) -> dict:
    """Return loss, gradients and buffers after `batches` batches, whose gradients are averaged."""
    clap = built(changes)
    settings = Training.model_validate({"steps": 1, "objective": objective})
    if world > 1:
        gather_statistics(clap)
    task = Task(clap, settings)
    model = DistributedDataParallel(task, broadcast_buffers=False, gradient_as_bucket_view=True) if world > 1 else task
    total = 0.0
    for m in range(batches):
        batch = batch_of(clap, views, rank, world, m)
        with model.no_sync() if world > 1 and m + 1 < batches else contextlib.nullcontext():
            loss, parts = model(batch.audio, batch)
            (loss / batches).backward()
        total += float(loss.detach())
    return {
        "loss": total,
        "parts": {name: float(value) for name, value in parts.items()},
        "gradients": {name: parameter.grad for name, parameter in clap.named_parameters() if parameter.requires_grad},
        "buffers": dict(clap.named_buffers()),
    }


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    alone = {}
    if rank == 0:
        alone = {name: computed(*configuration, 0, 1) for name, configuration in CONFIGURATIONS.items()}
        alone["accumulated"] = computed(*CONFIGURATIONS["paraphrases"], 0, 1, batches=3)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    together = {name: computed(*configuration, rank, 2) for name, configuration in CONFIGURATIONS.items()}
    together["accumulated"] = computed(*CONFIGURATIONS["paraphrases"], rank, 2, batches=3)
    torch.save({"alone": alone, "together": together}, folder / f"{rank}.pt")
    dist.barrier()


if __name__ == "__main__":
    main()
