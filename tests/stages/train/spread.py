"""One process of two that compare themselves with a single one: `python -m tests.stages.train.spread rank folder`.

Writes, for each configuration, the loss and the gradients of each parameter over the whole batch (as DDP averages
them), beside those of one process that holds it all. No process group is used for the latter.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from clapline.model.batch_norm import gather_statistics
from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs
from clapline.objectives import scores
from clapline.objectives.positives import PositivePairs
from clapline.params.model import Model
from clapline.params.objective import Objective
from clapline.params.training import Training
from stages.train.batch import Batch
from stages.train.cached import cached_backward
from stages.train.masks import MaskDraws
from stages.train.start import fit_objective
from stages.train.task import Task

FEATURES = {"duration_s": 0.6, "segment_s": 0.2, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0}
TEXT = {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 200, "maximum_tokens": 16, "dropout": 0.0}
CAPTIONS = [f"the {word} of a {noun}" for word in ("sound", "noise") for noun in ("dog", "bell", "saw", "horn", "bird")]
PAIRS, FRAMES = 8, 5
GAUSSIAN = {"head": {"distribution": "gaussian", "initial_log_variance": -3.0}}
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
    "prior": ({}, {"contrastive": {"form": "prior", "omega": 3.0}}, 1),
    "triplet_sum": ({}, {"contrastive": {"form": "triplet_sum"}, "paraphrase": {"weight": 0.5}}, 3),
    "triplet_max": ({}, {"contrastive": {"form": "triplet_max"}}, 1),
    "triplet_weighted": ({}, {"contrastive": {"form": "triplet_weighted", "margin": 0.5}}, 1),
    "relevance": ({}, {"contrastive": {"targets": "relevance", "relevance": "rating", "relevance_model": "any"}}, 1),
    "listwise": ({}, {"contrastive": {"targets": "relevance", "relevance": "listwise", "relevance_model": "any"}}, 1),
    "sigmoid, soft": ({}, {"contrastive": {"form": "sigmoid", "targets": "soft", "soft": "raw"}}, 1),
    "distillation": ({}, {"contrastive": {"weight": 0.0}, "distillation": {"weight": 1.0}}, 1),
    "clusters": ({}, {"clusters": {"weight": 0.3, "count": 3}}, 1),
    "probabilistic": (GAUSSIAN, {"contrastive": {"form": "probabilistic"}, "paraphrase": {"weight": 0.5}}, 3),
    "prolap": (
        GAUSSIAN,
        {
            "contrastive": {"form": "probabilistic"},
            "inclusion": {"weight": 0.2, "sharpness": 3.0},
            "hierarchy": {"weight": 0.5, "share": 0.4},
            "repulsion": {"weight": 0.3},
            "bottleneck": {"weight": 0.1},
        },
        1,
    ),
    "masked text alone, repelled from itself": (
        GAUSSIAN,
        {
            "contrastive": {"form": "probabilistic"},
            "hierarchy": {"weight": 0.5, "share": 0.13, "audio_levels": None},
            "repulsion": {"weight": 0.3, "variant": "same_input", "margin": -1.0},
        },
        1,
    ),
}
# The same parts where no matrix of scores is whole: each process works on its own rows, three at a time.
IN_BLOCKS = [
    "vector", "paraphrases", "sigmoid", "soft targets", "prior", "triplet_sum", "triplet_max", "triplet_weighted",
    "relevance", "listwise", "sigmoid, soft", "distillation", "probabilistic",
]  # fmt: skip
# The same parts, encoded three pairs at a time and twice over.
IN_PIECES = ["paraphrases", "several segments", "clusters", "probabilistic", "prolap", "sigmoid", "tags"]


_BUILT: dict[str, Clap] = {}


def built(changes: dict) -> Clap:
    """Return a fresh model of these changes; a copy of the first one made, which takes a second."""
    key = repr(changes)
    if key not in _BUILT:
        _BUILT[key] = newly_built(changes)
    return copy.deepcopy(_BUILT[key])


def newly_built(changes: dict) -> Clap:
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
        # A bias of zero or a norm of one hides mistakes; a wide variance hides the means.
        if parameter.ndim == 1 and not name.startswith("text.") and "variance" not in name:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return clap.train()


def batch_of(clap: Clap, views: int, rank: int, world: int, m: int, objective: Objective) -> Batch:
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
    masked = None
    if clap.settings.masked:
        tokens = clap.settings.text.maximum_tokens
        masked = MaskDraws(objective.hierarchy, clap.mask_units, tokens, PAIRS, rank, world, 0, "spread").of(m)
    return Batch(
        step=m, audio=audio, text=clap.text.prepare(local), views=views, pairs=PAIRS,
        positives=PositivePairs.from_matrix(positives), first=here.start, masked=masked,
        teacher_audio=teacher[0], teacher_text=teacher[1], distilled_audio=teacher[0], distilled_text=teacher[1],
        caption_meanings=teacher[1], clusters=torch.tensor([0, 2, -1, 1, 1, 0, 2, 1]),
    )  # fmt: skip


def computed(
    changes: dict, objective: dict, views: int, rank: int, world: int, batches: int = 1, at_once: int | None = None
) -> dict:
    """Return loss, gradients and buffers after `batches` batches, whose gradients are averaged."""
    settings = Training.model_validate({"steps": 1, "batch_size": PAIRS, "objective": objective})
    clap = fit_objective("spread", built(changes), settings, 0.5, 0).train()
    if world > 1:
        gather_statistics(clap)
    if at_once is not None:  # batch norm of a piece is another than that of the batch
        for module in clap.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
    torch.manual_seed(1)
    task = Task(clap, settings)
    model = task
    if world > 1:  # with the trainer's own options
        unused = clap.settings.head.distribution == "gaussian"
        model = DistributedDataParallel(
            task, broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=unused
        )
    total = 0.0
    for m in range(batches):
        batch = batch_of(clap, views, rank, world, m, settings.objective)
        alone = model.no_sync if world > 1 else contextlib.nullcontext
        travels = m + 1 == batches
        if at_once is not None:
            loss, parts = cached_backward(
                model, batch.audio, batch, at_once, 1 / batches, lambda piece: None, alone, travels
            )
        else:
            with contextlib.nullcontext() if travels else alone():
                loss, parts = model(batch.audio, batch)
                (loss / batches).backward()
        total += float(loss.detach())
    return {
        "loss": total,
        "parts": {name: float(value) for name, value in parts.items()},
        "gradients": {name: parameter.grad for name, parameter in clap.named_parameters() if parameter.requires_grad},
        "buffers": dict(clap.named_buffers()),
    }


def everything(rank: int, world: int, *, spread: bool) -> dict:
    """Return what every configuration gives; only what is `spread` is also in blocks and in pieces."""
    found = {name: computed(*configuration, rank, world) for name, configuration in CONFIGURATIONS.items()}
    found["accumulated"] = computed(*CONFIGURATIONS["paraphrases"], rank, world, batches=3)
    for name in IN_PIECES:
        found[f"{name}, pieces"] = computed(
            *CONFIGURATIONS[name], rank, world, batches=2, at_once=3 if spread else PAIRS
        )
    if spread:
        scores.WHOLE, scores.BLOCK = 0, 3 * PAIRS
    for name in IN_BLOCKS:
        found[f"{name}, blocks"] = computed(*CONFIGURATIONS[name], rank, world) if spread else found[name]
    scores.WHOLE, scores.BLOCK = WHOLE, BLOCK
    return found


WHOLE, BLOCK = scores.WHOLE, scores.BLOCK


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    alone = everything(0, 1, spread=False) if rank == 0 else {}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    together = everything(rank, 2, spread=True)
    torch.save({"alone": alone, "together": together}, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
