"""`python benchmarks/training.py`: how fast models of random weights train, and what the machine's settings change.

The product's own feeder and trainer run some steps on FLAC clips that the benchmark writes into shards: warm-up steps
first, then windows of steps; the device is waited for at the end of a window alone. Printed are clips per second,
the share of time in which the trainer waited for a batch, the highest memory, and which share of the peak of the
device it reached: FLOPs of one step by torch's counter (the encoders' and heads' products and convolutions; not the
front end's transform) over its time, against a large matrix product measured in the same process: in bf16 on a GPU, in
fp32 on a CPU. Every line is a process of its own, so that memory and compiled code are its own.

    python benchmarks/training.py                                     # a few steps of small batches on a CPU
    python benchmarks/training.py --text roberta --batch-sizes 16 64 256 --steps 10   # a GPU: pip install -e .
    python benchmarks/training.py --frozen                            # an epoch over cached states of both encoders

Beside torch, torchaudio and transformers it needs soundfile, soxr, pydantic, rich, tenacity, accelerate, pandas,
pyarrow, tokenizers, safetensors and filelock: what the package depends on. It asks no hub for anything.

Models: `small`, the default of params.yaml; `htsat`, the sizes of laion/clap-htsat-unfused; `ast`, those of
MIT/ast-finetuned-audioset-10-10-0.4593. Text: `small`, or `roberta`, the sizes of RoBERTa-base with a small vocabulary.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Processes that read ahead import this script, too: what it needs is imported where it is used.

MODELS: dict[str, dict[str, Any]] = {
    "small": {},
    "htsat": {"features": {"kind": "clap"}, "audio": {"kind": "htsat"}, "head": {"kind": "mlp", "dimension": 512}},
    "ast": {"features": {"kind": "ast"}, "audio": {"kind": "ast"}, "head": {"kind": "linear", "dimension": 512}},
}
TEXTS: dict[str, dict[str, Any]] = {"small": {}, "roberta": {"kind": "architecture", "architecture": "roberta"}}
# Each adds to the one before; `True` is the number of processes that --loaders says.
TUNINGS: dict[str, dict[str, Any]] = {
    "plain": {"precision": "fp32", "loaders": 0, "compile": False},
    "loaders": {"precision": "fp32", "loaders": True, "compile": False},
    "bf16": {"precision": "bf16", "loaders": True, "compile": False},
    "compile": {"precision": "bf16", "loaders": True, "compile": True},
}
CLIP_S = 12.0  # longer than any of the models hears, so that crops are drawn
STATES = (32, 768)  # positions and width of a frozen encoder


def main() -> None:
    """Measure what is asked for and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--text", choices=TEXTS, default="small")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[2, 4, 8], help="pairs, 2 or more")
    parser.add_argument("--tunings", nargs="+", choices=TUNINGS, default=list(TUNINGS))
    parser.add_argument("--inputs", choices=("streamed", "cached"), default="streamed")
    parser.add_argument("--loaders", type=int, default=min(12, os.cpu_count() or 1), help="processes that read ahead")
    parser.add_argument("--clips", type=int, default=None, help="FLAC clips; default: twice the largest batch")
    parser.add_argument("--warm", type=int, default=4, help="steps before the clock runs")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1, help="steps in a window")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    parser.add_argument("--frozen", action="store_true", help="seconds per epoch over cached states, instead")
    parser.add_argument("--frozen-clips", type=int, default=2000)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # one line's settings: what the process of a line is given
    arguments = parser.parse_args()
    if arguments.one:
        given = json.loads(arguments.one)
        print(json.dumps(_frozen(given) if "pooling" in given else _trained(given)))
    elif arguments.frozen:
        _frozen_table(arguments)
    else:
        _training_table(arguments)


def _training_table(arguments: argparse.Namespace) -> None:
    shared = {name: getattr(arguments, name) for name in ("text", "inputs", "warm", "windows", "steps", "device")}
    print(
        f"{arguments.inputs} clips, text encoder {arguments.text}, {arguments.warm} steps to warm up, then "
        f"{arguments.windows} windows of {arguments.steps}; clips/s: min / median / max\n\n"
        "| audio | batch | tuning | clips/s | waits for data | memory GiB | TFLOP/s | share of peak | load |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    machine = ""
    for model in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            rate = _model_settings(model, arguments.text).features.sample_rate_hz
            write_clips(Path(folder), arguments.clips or 2 * max(arguments.batch_sizes), rate)
            flops: dict[int, float] = {}
            for batch, tuning in itertools.product(arguments.batch_sizes, arguments.tunings):
                line = {**shared, **TUNINGS[tuning], "model": model, "batch": batch, "folder": folder}
                line["loaders"] = arguments.loaders if line["loaders"] else 0
                found = _in_a_process(line, folder)
                if "error" in found:
                    print(f"| {model} | {batch} | {tuning} | {found['error']} | | | | | |", flush=True)
                    continue
                machine = found["machine"]
                flops[batch] = found["flops"] or flops.get(batch, 0.0)  # compiled code is not counted
                speed = flops[batch] * statistics.median(found["rates"]) / batch
                print(
                    f"| {model} | {batch} | {tuning} | {_three(found['rates'])} | {found['waited']:.1%} | "
                    f"{found['memory'] / 2**30:.2f} | {speed / 1e12:.3g} | {speed / found['peak']:.0%} | "
                    f"{os.getloadavg()[0]:.1f} |",
                    flush=True,
                )
    print(f"\n{machine}")


def _frozen_table(arguments: argparse.Namespace) -> None:
    print(
        f"An epoch over {arguments.frozen_clips} clips of {STATES[0]} cached states of width {STATES[1]}, both "
        f"encoders frozen; {arguments.windows} epochs after the first; min / median / max\n\n"
        "| pooling | batch | loaders | s per epoch | clips/s | waits for data | first epoch s | load |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for pooling, loaders in itertools.product(("mean_max", "tap"), (0, arguments.loaders)):
        with tempfile.TemporaryDirectory() as folder:
            line = {"pooling": pooling, "loaders": loaders, "clips": arguments.frozen_clips, "batch": 64}
            line |= {"epochs": arguments.windows, "device": arguments.device, "folder": folder}
            found = _in_a_process(line, folder)
            if "error" in found:
                print(f"| {pooling} | 64 | {loaders} | {found['error']} | | | | |", flush=True)
                continue
            rates = [arguments.frozen_clips / seconds for seconds in found["seconds"]]
            print(
                f"| {pooling} | 64 | {loaders} | {_three(found['seconds'])} | {statistics.median(rates):.0f} | "
                f"{found['waited']:.1%} | {found['first']:.2f} | {os.getloadavg()[0]:.1f} |",
                flush=True,
            )


def _in_a_process(line: dict[str, Any], home: str) -> dict[str, Any]:
    """Return what a process of its own measured, or `error`: the last line that it wrote."""
    environment = {**os.environ, "CLAPLINE_HOME": home, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, "--one", json.dumps(line)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        return {"error": (run.stderr.strip().splitlines() or [f"ended with {run.returncode}"])[-1][:120]}
    return json.loads(run.stdout.splitlines()[-1])


def _model_settings(model: str, text: str) -> Any:
    from clapline.params.model import Model

    return Model.model_validate({**MODELS[model], "text": TEXTS[text]})


def write_clips(folder: Path, count: int, rate_hz: int) -> None:
    """Write `count` FLAC clips of tones and noise into shards of 256, and their table clips.pkl."""
    import numpy as np
    import pandas as pd

    from clapline.audio.decode import flac_bytes
    from clapline.audio.shards import ShardWriter

    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("aeioklmnrst"), 2 + number % 7)) for number in range(400)]
    seconds = np.arange(round(CLIP_S * rate_hz)) / rate_hz
    rows = []
    for shard, numbers in itertools.groupby(range(count), lambda number: number // 256):
        path = folder / f"{shard:04d}.tar"
        with ShardWriter(path) as writer:
            for number in numbers:
                tones = sum(np.sin(2 * np.pi * hz * seconds) for hz in random.uniform(50, rate_hz / 3, 3))
                samples = 0.1 * tones + 0.01 * random.standard_normal(len(seconds))
                place = writer.add(f"clip{number}", flac_bytes(samples.astype(np.float32), rate_hz))
                captions = [" ".join(random.choice(words, random.integers(6, 20))) for _ in range(5)]
                rows.append((f"clip{number}", str(path), place.offset, place.nbytes, place.sha256, captions))
    frame = pd.DataFrame(rows, columns=["clip_id", "shard", "offset", "nbytes", "sha256", "captions"])
    frame = frame.assign(dataset="benchmark", split="train", sample_rate_hz=rate_hz, duration_s=CLIP_S)
    frame.assign(tags=[[] for _ in rows]).to_pickle(folder / "clips.pkl")


def _trained(line: dict[str, Any]) -> dict[str, Any]:
    """Return what some steps of one model under one tuning take."""
    import pandas as pd
    import torch

    from clapline.model.clap import Clap
    from clapline.model.device import choose_device
    from clapline.params.training import Training
    from stages.train.clips import training_clips
    from stages.train.data import TrainingData

    machine = _machine(line)
    device = choose_device(machine.device)
    clips = pd.read_pickle(Path(line["folder"]) / "clips.pkl")
    settings = Training(
        inputs=line["inputs"],
        steps=line["warm"] + line["windows"] * line["steps"],
        batch_size=line["batch"],
        precision=line["precision"],
        learning_rates={"audio": 1e-5},
    )
    torch.manual_seed(0)
    captions = [caption for several in clips.captions for caption in several]
    clap = Clap.new(_model_settings(line["model"], line["text"]), captions).to(device)
    inputs, _, _ = training_clips(clap, clips, settings, machine, 0, "benchmark")
    data = TrainingData(inputs, [_source(clips)], tags=list(clips.tags))
    ends = [line["warm"] + window * line["steps"] for window in range(line["windows"] + 1)]
    trainer = _run(clap, data, settings, machine, ends, count=not machine.compile)
    marks = trainer.marks
    spent = [after[0] - before[0] for before, after in itertools.pairwise(marks)]
    if device.type == "cuda":
        memory, name = torch.cuda.max_memory_allocated(), torch.cuda.get_device_name()
    else:
        kilobytes = 2**10 if sys.platform == "linux" else 1
        memory, name = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes, "CPU"
    peak = peak_flops(device)
    return {
        "rates": [line["batch"] * line["steps"] / seconds for seconds in spent],
        "waited": (marks[-1][1] - marks[0][1]) / sum(spent),
        "memory": memory,
        "flops": trainer.flops,
        "peak": peak,
        "machine": f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{os.cpu_count()} cores; a large product reaches {peak / 1e12:.3g} TFLOP/s",
    }


def _frozen(line: dict[str, Any]) -> dict[str, Any]:
    """Return what epochs take when both encoders are frozen and all their states are cached."""
    import numpy as np
    import pandas as pd
    import torch
    from safetensors.numpy import save_file

    from clapline.model.clap import Clap
    from clapline.model.device import choose_device
    from clapline.model.frozen_audio import FrozenStates
    from clapline.params.training import Training
    from stages.train.clip_inputs import CachedStates
    from stages.train.data import TrainingData

    machine = _machine(line)
    count, random = line["clips"], np.random.default_rng(0)
    captions = [[f"sound {number} told in way {way}" for way in range(5)] for number in range(count)]
    clips = pd.DataFrame({"dataset": "benchmark", "clip_id": [str(n) for n in range(count)], "captions": captions})
    path = Path(line["folder"]) / "states.safetensors"
    save_file({"states": random.standard_normal((count, *STATES), dtype=np.float32).astype(np.float16)}, path)
    places = np.stack([np.zeros(count, np.int64), np.arange(count)], axis=1)
    states = FrozenStates([path], places, torch.ones(count))
    clap = Clap(*_frozen_towers(line, [caption for several in captions for caption in several]))
    clap.to(choose_device(machine.device))
    steps = -(-count // line["batch"])
    settings = Training(steps=steps * (1 + line["epochs"]), batch_size=line["batch"])
    data = TrainingData(CachedStates(states), [_source(clips)])
    ends = [epoch * steps for epoch in range(2 + line["epochs"])]
    marks = _run(clap, data, settings, machine, ends, count=False).marks
    seconds = [after[0] - before[0] for before, after in itertools.pairwise(marks)]
    waited = (marks[-1][1] - marks[1][1]) / sum(seconds[1:])
    return {"first": seconds[0], "seconds": seconds[1:], "waited": waited}


def _frozen_towers(line: dict[str, Any], captions: list[str]) -> tuple[Any, Any, Any]:
    """Return settings, an audio encoder that is never asked, and a frozen text encoder whose cache has the captions."""
    import hashlib

    import numpy as np
    from safetensors.numpy import save_file
    from torch import nn

    from clapline.model.text.encoder import FOLDER
    from clapline.model.text.frozen import FrozenText, cache_name
    from clapline.params.model import Model
    from clapline.storage import store, write_json

    settings = Model.model_validate(
        {
            "features": {"kind": "ast"},
            "audio": {"kind": "ast", "weights": "cached", "frozen": True, "pooling": line["pooling"]},
            "text": {"kind": "pretrained", "model": "cached", "frozen": True},
        }
    )
    folder, width = Path(line["folder"]), STATES[1]
    (folder / FOLDER).mkdir()
    write_json(folder / FOLDER / "config.json", {"model": "cached", "weights": "0" * 64, "width": width})
    names = [bytes.fromhex(hashlib.sha256(caption.encode()).hexdigest()[:32]) for caption in captions]
    states = np.random.default_rng(1).standard_normal((len(captions), width), dtype=np.float32)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    cache = store("text_states", cache_name("0" * 64, settings.text))
    keys = np.stack([np.frombuffer(name, np.uint8) for name in names])
    save_file({"names": keys, "states": states}, cache / "part.safetensors")
    audio = nn.Identity()
    audio.width, audio.positions = width, STATES[0]
    return settings, audio, FrozenText(settings.text, folder)


def _run(clap: Any, data: Any, settings: Any, machine: Any, ends: list[int], *, count: bool) -> Any:
    """Return the trainer after its run: `marks` (moment, seconds waited so far) after `ends` steps; `flops` of one."""
    import torch

    from clapline.flops import flop_counter
    from stages.train.feeder import Feeder
    from stages.train.loop import Trainer

    class Timed(Trainer):
        flops, done = 0.0, 0

        def _step(self, *given: Any) -> None:
            if not self.done:
                self.marks = [(time.perf_counter(), 0.0)] if ends[0] == 0 else []
            counter = flop_counter() if count and not self.done else None
            with counter or contextlib.nullcontext():
                super()._step(*given)
            self.flops = counter.get_total_flops() if counter else self.flops
            self.done += 1
            if self.done in ends:
                if self.clap.device.type == "cuda":
                    torch.cuda.synchronize()
                self.marks.append((time.perf_counter(), self._clock.waited_s))

    class Nowhere:
        """A checkpoint that keeps nothing: what is measured ends with the process."""

        def load(self) -> None: ...

        def save(self, state: dict) -> None: ...

        def keep(self, step: int, weights: dict) -> None: ...

        def kept(self, step: int) -> dict:
            return clap.state_dict()

    feeder = Feeder(data, settings, clap.settings, clap.text, seed=0, stage="benchmark")
    trainer = Timed(
        clap, feeder, settings, stage="benchmark", seed=0, machine=machine, validate_every=settings.steps
    )  # fmt: skip
    trainer.run(Nowhere())
    return trainer


def _machine(line: dict[str, Any]) -> Any:
    from clapline.params.machine import Machine

    chosen = {name: line[name] for name in ("device", "loaders", "compile") if name in line}
    return Machine(**chosen, progress=False, save_every_s=1e9)


def _source(clips: Any) -> Any:
    from clapline.tables.captions import SYNTHETIC
    from stages.train.sources import paired_source

    rows = {key: row for row, key in enumerate(zip(clips.dataset, clips.clip_id, strict=True))}
    return paired_source(clips, rows, 1.0, SYNTHETIC.frame())


def peak_flops(device: Any) -> float:
    """Return the FLOP/s of a large matrix product, the best of ten: bf16 on a GPU, fp32 on a CPU."""
    import torch

    gpu = device.type == "cuda"
    size = 8192 if gpu else 1024
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16 if gpu else torch.float32)
    best = float("inf")
    for _ in range(13):  # three to warm up, which are never the best
        start = time.perf_counter()
        for _ in range(8):
            one @ one
        if gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 8 * 2 * size**3 / best


def _three(values: list[float]) -> str:
    return " / ".join(f"{value:.3g}" for value in (min(values), statistics.median(values), max(values)))


if __name__ == "__main__":
    main()
