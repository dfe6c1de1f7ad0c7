"""What a model costs: parameters, arithmetic, latency, memory; measured, so it is no output of the stage."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from clapline.audio.shards import ShardReader
from clapline.flops import flop_counter
from clapline.model.clap import Clap
from clapline.model.encode import audio_inputs
from clapline.model.inputs import AudioInputs, Inputs, States
from clapline.storage import read_json

_REPEATS = 10


def cost_of(clap: Clap, clip: Any, caption: str) -> dict[str, Any]:
    """Return what one clip and one caption cost a model, measured on them, as plain values.

    The model is not to be used afterwards: its batch norms have seen a step of training.

    Floating-point operations are those that torch's counter knows (products, convolutions, attention), forward, and
    forward and backward as in training without a loss. Latency is of one at a time, reading the clip included, the
    median and the extremes of 10. Peak memory is the process's so far, and the device's where it is a GPU.
    """
    reader = ShardReader()
    heard = audio_inputs(clap, [clip], reader).to(clap.device)
    read = {name: tensor.to(clap.device) for name, tensor in clap.text.prepare([caption]).items()}
    return {
        "parameters": {
            "audio": _parameters(clap.audio),
            "text": _parameters(clap.text),
            "all": _parameters(clap),
            "trained": sum(weight.numel() for weight in clap.parameters() if weight.requires_grad),
        },
        "device": str(clap.device),
        "threads": torch.get_num_threads(),
        "operations": {
            "clip": _operations(lambda: clap.hear(heard), clap, backward=False),
            "caption": _operations(lambda: clap.embed_text(read), clap, backward=False),
            "pair_in_training": _training_operations(clap, heard, read),
        },
        "latency_ms": {
            "clip": _latency(lambda: clap.hear(audio_inputs(clap, [clip], reader).to(clap.device)), clap),
            "query": _latency(lambda: clap.encode_texts([caption]), clap),
        },
        "peak_memory_mib": _peak_memory(clap),
    }


def _parameters(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _operations(work: Callable[[], Any], clap: Clap, *, backward: bool) -> int:
    clap.train(backward)
    with flop_counter() as counter, torch.set_grad_enabled(backward):
        result = work()
        if backward:
            result.backward()
    clap.eval()
    clap.zero_grad(set_to_none=True)
    return counter.get_total_flops()


def _training_operations(clap: Clap, heard: AudioInputs, read: Inputs) -> int:
    # Twice the same: batch norms in training need more than one clip.
    two = heard.rows(torch.zeros(2, dtype=torch.int64, device=clap.device))

    def work() -> torch.Tensor:
        audio, text = clap.hear(two), clap.embed_text(read)
        sound = audio.states if isinstance(audio, States) else audio.mean
        return sound.sum() / 2 + text.mean.sum()

    def clips_alone() -> torch.Tensor:
        audio = clap.hear(two)
        return (audio.states if isinstance(audio, States) else audio.mean).sum()

    return _operations(work, clap, backward=True) - _operations(clips_alone, clap, backward=True) // 2


def _latency(work: Callable[[], Any], clap: Clap) -> dict[str, float]:
    clap.eval()
    seconds = []
    with torch.inference_mode():
        work()
        for _ in range(_REPEATS):
            began = time.perf_counter()
            work()
            if clap.device.type == "cuda":
                torch.cuda.synchronize(clap.device)
            seconds.append(time.perf_counter() - began)
    return {
        "median": round(1000 * statistics.median(seconds), 3),
        "least": round(1000 * min(seconds), 3),
        "most": round(1000 * max(seconds), 3),
    }


def _peak_memory(clap: Clap) -> dict[str, float]:
    # Kilobytes on Linux, bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = {"process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)}
    if clap.device.type == "cuda":
        peak["device"] = round(torch.cuda.max_memory_allocated(clap.device) / 2**20, 1)
    return peak


def with_training(costs: dict[str, dict[str, Any]], folder: Path = Path("reports/cost")) -> dict[str, dict[str, Any]]:
    """Return the costs of models with what their training wrote down, where it did: seconds, steps, pairs, arithmetic.

    `pairs_seen` times the operations of a pair; what the objective itself adds is not in it.
    """
    found = {}
    for name, cost in costs.items():
        path = folder / f"{name}.json"
        training = read_json(path) if path.is_file() else {}
        if training.get("pairs_seen") is not None:
            training["operations"] = training["pairs_seen"] * cost["operations"]["pair_in_training"]
        found[name] = {**cost, "training": training} if training else cost
    if {"teacher", "student"} <= set(found):
        found["student_over_teacher"] = {
            name: round(_at(found["student"], path) / _at(found["teacher"], path), 4)
            for name, path in (
                ("parameters", ("parameters", "all")),
                ("operations_per_clip", ("operations", "clip")),
                ("latency_per_clip", ("latency_ms", "clip", "median")),
                ("latency_per_query", ("latency_ms", "query", "median")),
                ("training_seconds", ("training", "seconds")),
                ("training_operations", ("training", "operations")),
            )
            if _at(found["teacher"], path) and _at(found["student"], path) is not None
        }
    return found


def _at(cost: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = cost
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
