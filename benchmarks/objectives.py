"""`python benchmarks/objectives.py`: time and memory of the contrastive losses in blocks, beside the whole matrix.

The losses of clapline/objectives on factors, forward and backward, with gradients of both embeddings, of scale and (in
the sigmoid form) of bias, against the arithmetic of open_clip's ClipLoss and SigLipLoss. Everything in fp32.

    python benchmarks/objectives.py                                  # one CPU thread, 1,024 to 32,768 pairs
    python benchmarks/objectives.py --sizes 2048 --losses softmax    # seconds
    python benchmarks/objectives.py --device cuda

Time: rounds after one that warms up, in one process, in which ours, the whole matrix and the products of matrices alone
(in our tiles: four for softmax, of which the whole matrix has six; three for sigmoid, as the whole matrix has) take
turns, so that other load falls on all; what counts is the ratio within a round. With one CPU thread it is CPU time,
which is the wall time of an idle machine; else wall time. Given are least / median / greatest.

Memory: how far the highest memory of a process of its own rises above what it was with the embeddings and buffers for
their gradients in place; on a GPU what torch allocates. A whole matrix that would not fit into the memory that is free
is left out, and only ours is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# torch is imported where it is used: a process begins with the highest memory of the one that started it.

PRODUCTS = {"softmax": 4, "sigmoid": 3}
LOGITS = {"softmax": (1 / 0.07, 0.0), "sigmoid": (10.0, -10.0)}  # first values of scale and bias, as published
WHOLE_MATRICES = 8  # that the whole matrix's way may hold at once, one to spare


def main() -> None:
    """Print a Markdown table per loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096, 16384, 32768], help="pairs of a batch")
    parser.add_argument("--losses", nargs="+", choices=PRODUCTS, default=list(PRODUCTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what the process of a measurement is given
    arguments = parser.parse_args()
    if arguments.one:
        given = json.loads(arguments.one)
        print(json.dumps(_memory(given) if given["way"] else _times(given)))
        return
    shared = {name: getattr(arguments, name) for name in ("rounds", "threads", "dimension", "device")}
    clock = "CPU time" if _is_cpu_time(shared) else "wall time"
    print(
        f"{arguments.device}, {arguments.threads} threads, dimension {arguments.dimension}, fp32, {arguments.rounds} "
        f"rounds; {clock}; least / median / greatest"
    )
    for loss in arguments.losses:
        _table(loss, arguments.sizes, shared)


def _table(loss: str, sizes: list[int], shared: dict[str, Any]) -> None:
    print(
        f"\n{loss}\n\n| pairs | ours s | whole s | ours / whole | {PRODUCTS[loss]} products alone s | ours MiB "
        "| whole MiB | whole / ours | loss, ours | ours - whole | gradients differ by | load |\n|" + "---|" * 12
    )
    for size in sizes:
        line = {**shared, "loss": loss, "size": size}
        line["whole"] = _room(shared["device"]) > WHOLE_MATRICES * 4 * size**2
        found = _in_a_process({**line, "way": None})
        ours = _in_a_process({**line, "way": "ours"})
        cells = [f"{size:,}", _three(found["ours"]), "does not fit", "", _three(found["products"]), f"{ours:.0f}"]
        cells += ["does not fit", "", f"{found['loss']:.7f}", "", ""]
        if line["whole"]:
            whole = _in_a_process({**line, "way": "whole"})
            cells[2] = _three(found["whole"])
            cells[3] = _three([one / other for one, other in zip(found["ours"], found["whole"], strict=True)])
            cells[6:8] = [f"{whole:.0f}", f"{whole / ours:.1f}"]
            cells[9:11] = [f"{found['loss_differs']:.1e}", f"{found['gradients_differ']:.1e}"]
        print("| " + " | ".join(cells) + f" | {os.getloadavg()[0]:.1f} |", flush=True)


def _room(device: str) -> int:
    """Return the bytes that are free, of this machine or its GPU."""
    if device == "cuda":
        command = "import torch; print(torch.cuda.mem_get_info()[0])"
        return int(subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout)
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def _in_a_process(line: dict[str, Any]) -> Any:
    threads = str(line["threads"])
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}  # read when torch is imported
    command = [sys.executable, __file__, "--one", json.dumps(line)]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def _ways(line: dict[str, Any]) -> tuple[dict[str, Callable[[], Any]], list[Any]]:
    """Return the losses, ours and of the whole matrix, of the same inputs, and these."""
    import torch
    from torch.nn import functional

    from clapline.objectives.contrastive import softmax_contrast
    from clapline.objectives.positives import PositivePairs
    from clapline.objectives.scores import Scores
    from clapline.objectives.sigmoid import sigmoid_contrast
    from clapline.objectives.soft_targets import PairProbabilities
    from clapline.objectives.targets import HardTargets

    torch.set_num_threads(line["threads"])
    torch.manual_seed(0)
    device, size = torch.device(line["device"]), line["size"]
    audio = torch.empty(size, line["dimension"], device=device)
    text = torch.empty_like(audio)
    for start in range(0, size, 256):  # in pieces: the highest memory is not to be that of making them
        clips = torch.randn_like(audio[start : start + 256])
        audio[start : start + 256] = functional.normalize(clips, dim=1)
        text[start : start + 256] = functional.normalize(0.6 * clips + torch.randn_like(clips), dim=1)
    inputs = [audio, text, *(torch.tensor(value, device=device) for value in LOGITS[line["loss"]])]
    for value in inputs:
        value.requires_grad_().grad = torch.zeros_like(value)
        value.grad.fill_(0)  # zeros alone take no memory before they are written to
    scale, bias = inputs[2:]
    positives = PositivePairs.identity(size, device)
    hard, pairs = HardTargets(positives), PairProbabilities(positives)

    def clip_loss() -> torch.Tensor:
        per_image = scale * audio @ text.T
        per_text = scale * text @ audio.T
        labels = torch.arange(size, device=device)
        return (functional.cross_entropy(per_image, labels) + functional.cross_entropy(per_text, labels)) / 2

    def siglip_loss() -> torch.Tensor:
        logits = scale * audio @ text.T
        logits += bias
        labels = 2 * torch.eye(size, device=device) - torch.ones((size, size), device=device)
        return -functional.logsigmoid(labels * logits).sum() / size

    scores = Scores(rows=audio, columns=text)
    if line["loss"] == "softmax":
        return {"ours": lambda: softmax_contrast(scores, scale, hard, hard), "whole": clip_loss}, inputs
    return {"ours": lambda: sigmoid_contrast(scores, scale, bias, pairs), "whole": siglip_loss}, inputs


def _times(line: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds of each round, the loss, and how far the whole matrix's differs."""
    import torch

    losses, inputs = _ways(line)
    ways = {
        name: lambda loss=loss: loss().backward() for name, loss in losses.items() if name == "ours" or line["whole"]
    }
    ways["products"] = _products(line, inputs)
    results = {}
    for name, loss in losses.items():  # the warm-up
        if name in ways:
            for value in inputs:
                value.grad.zero_()
            value = loss()
            value.backward()
            results[name] = value.item(), [given.grad.clone() for given in inputs]
    ways["products"]()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    read = time.process_time if _is_cpu_time(line) else time.perf_counter
    for turn in range(line["rounds"]):
        order = list(ways)[turn % len(ways) :] + list(ways)[: turn % len(ways)]
        for name in order:
            _wait(line)
            start = read()
            ways[name]()
            _wait(line)
            seconds[name].append(read() - start)
    found: dict[str, Any] = {**seconds, "loss": results["ours"][0]}
    if line["whole"]:
        found["loss_differs"] = results["ours"][0] - results["whole"][0]
        pairs = zip(results["ours"][1], results["whole"][1], strict=True)
        found["gradients_differ"] = max(
            ((one - other).abs().max() / other.abs().max()).item() for one, other in pairs if torch.any(other != 0)
        )
    return found


def _products(line: dict[str, Any], inputs: list[Any]) -> Callable[[], None]:
    """Return the products of matrices that ours takes, in its tiles and with nothing between them."""
    import torch

    from clapline.objectives import blocked
    from clapline.objectives.scores import pieces

    audio, text = (value.detach() for value in inputs[:2])
    height, width = blocked.TILE if line["device"] == "cpu" else blocked.TILE_GPU
    height, width = min(height, len(audio)), min(width, len(text))

    def work() -> None:
        for_audio, for_text = torch.zeros_like(audio), torch.zeros_like(text)
        buffer = audio.new_empty(height * width)
        for again in range(PRODUCTS[line["loss"]] - 2):
            for start, stop in pieces(len(audio), height):
                for left, right in pieces(len(text), width):
                    tile = buffer[: (stop - start) * (right - left)].view(stop - start, right - left)
                    torch.mm(audio[start:stop], text[left:right].T, out=tile)
                    if again == PRODUCTS[line["loss"]] - 3:
                        for_audio[start:stop].addmm_(tile, text[left:right])
                        for_text[left:right].addmm_(tile.T, audio[start:stop])

    return work


def _memory(line: dict[str, Any]) -> float:
    """Return by how many MiB one loss and its gradients raise the highest memory."""
    import torch

    losses, _ = _ways(line)
    before = _highest(line)
    for _ in range(2):
        losses[line["way"]]().backward()
    _wait(line)
    if line["device"] == "cuda":
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    return (_highest(line) - before) / 2**20


def _highest(line: dict[str, Any]) -> int:
    import torch

    if line["device"] == "cuda":
        return torch.cuda.memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (2**10 if sys.platform == "linux" else 1)


def _wait(line: dict[str, Any]) -> None:
    if line["device"] == "cuda":
        import torch

        torch.cuda.synchronize()


def _is_cpu_time(line: dict[str, Any]) -> bool:
    return line["device"] == "cpu" and line["threads"] == 1


def _three(values: list[float]) -> str:
    return " / ".join(f"{value:.3g}" for value in (min(values), statistics.median(values), max(values)))


if __name__ == "__main__":
    main()
