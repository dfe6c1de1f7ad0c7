"""`python benchmarks/search.py`: the search of clapline/search beside FAISS, torch and the machine's own sgemm.

    python benchmarks/search.py                                         # 500k clips, 50k captions, a quarter hour
    python benchmarks/search.py --clips 20000 --captions 10000          # seconds
    python benchmarks/search.py --kinds top_k:auto top_k:faiss_flat     # some of them
    python benchmarks/search.py --line                                  # cost against the number of clips

Unit rows are drawn around cluster centres, themselves in groups, captions and clips with more or less noise; the
threshold is one that about five captions per clip reach. A kind is a search and what does it: `auto` (what a search
without arguments takes), `numpy` and `bfloat16` (that product forced), `faiss_flat` (FAISS itself: search and
range_search), `torch` (mm and topk of a block of clips at a time). `sgemm` is the product of the same matrices alone, a
block of clips at a time, by numpy or torch, whichever is faster; both multiply some 65,536 of the clips, in evenly
spaced blocks, and their seconds are scaled to all.

Each kind runs in a process of its own with the rows memory-mapped from disk. Seconds are wall time, building FAISS's
index included, importing libraries not; CPU seconds are of all threads. The peak is the highest resident memory of the
process; the pages of the mapped files that it read are a part of it, given beside it. At the end the results are
compared: ours among each other bit by bit; with FAISS's up to pairs within 1e-6 of the threshold or of the k-th.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # nothing else: a process begins with the highest memory of the one that started it

OURS = ("auto", "numpy", "bfloat16")
KINDS = [
    "sgemm:numpy", "sgemm:torch", "top_k:auto", "top_k:numpy", "top_k:bfloat16", "top_k:faiss_flat", "top_k:torch",
    "threshold:auto", "threshold:numpy", "threshold:bfloat16", "threshold:faiss_flat",
]  # fmt: skip
BLOCK = 1024
SGEMM_ROWS = 65_536
TARGET = (2_000_000, 400_000)
NEAR = 1e-6


def main() -> None:
    """Print a Markdown table, and what the comparison of the results says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=500_000)
    parser.add_argument("--captions", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--line", action="store_true", help="cost against the number of clips, extrapolated")
    parser.add_argument("--folder", help="where rows and results are kept meanwhile (default: the system's)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child[0]](Path(options.folder), options, options.child[1])))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        options.folder = folder
        threshold = child(options, "rows", "")["threshold"]
        print(f"{options.clips:,} clips x {options.captions:,} captions x {options.dim}, k = {options.k}, ", end="")
        print(f"threshold {threshold:.4f}, {len(os.sched_getaffinity(0))} cores\n", flush=True)
        if options.line:
            line(options)
        else:
            table(options)


def table(options: argparse.Namespace) -> None:
    """Run every kind, print the table and the comparison."""
    runs = {kind: child(options, "run", kind) for kind in options.kinds}
    flops = 2.0 * options.clips * options.captions * options.dim
    sgemm = min((run["seconds"] for kind, run in runs.items() if kind.startswith("sgemm")), default=float("nan"))
    print("| search | by | seconds | CPU s | GFLOP/s | of sgemm's rate | times FAISS | peak MiB | mapped MiB | pairs |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for kind, run in runs.items():
        search, by = kind.split(":")
        faiss = runs.get(f"{search}:faiss_flat", {}).get("seconds", float("nan"))
        print(
            f"| {search} | {by}{'' if run['took'] in (None, by) else ' (' + run['took'] + ')'} | {run['seconds']:.2f} "
            f"| {run['cpu_s']:.2f} | {flops / run['seconds'] / 1e9:.0f} | {sgemm / run['seconds']:.2f} "
            f"| {faiss / run['seconds']:.2f} | {run['peak_mib']:.0f} | {run['mapped_mib']:.0f} | {run['pairs']:,} |"
        )
    for said in child(options, "compare", "")["said"]:
        print(f"\n{said}", end="")
    print()


def line(options: argparse.Namespace) -> None:
    """Time a quarter, a half, three quarters and all of the clips; fit a line and extrapolate."""
    counts = [options.clips * quarter // 4 for quarter in (1, 2, 3, 4)]
    print("| search | " + " | ".join(f"{count:,} clips" for count in counts) + " | line | largest residual |")
    print("|---" * (len(counts) + 3) + "|")
    for search in ("top_k", "threshold"):
        seconds = [child(options, "run", f"{search}:auto", "--clips", str(count))["seconds"] for count in counts]
        slope, start = np.polyfit(counts, seconds, 1)
        off = max(abs(start + slope * count - second) / second for count, second in zip(counts, seconds, strict=True))
        clips, captions = TARGET
        there = start + slope * clips * captions / options.captions
        print(
            f"| {search} | "
            + " | ".join(f"{second:.2f} s" for second in seconds)
            + f" | {start:.2f} s + {1e6 * slope:.1f} µs per clip | {off:.1%} |\n\n"
            f"{search}: {clips:,} x {captions:,}, extrapolated by the number of products: {there / 60:.1f} min\n"
        )


def child(options: argparse.Namespace, task: str, kind: str, *more: str) -> dict:
    """Return what a process of its own prints as JSON."""
    known = [f"--{name}={getattr(options, name)}" for name in ("clips", "captions", "dim", "k", "seed", "folder")]
    command = [sys.executable, __file__, *known, *more, "--child", task, kind]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def rows(folder: Path, options: argparse.Namespace, _: str) -> dict:
    """Write the rows of both sides and the threshold."""
    random = np.random.default_rng(options.seed)
    clusters = max(1, options.captions // 25)
    groups = random.standard_normal((max(1, clusters // 20), options.dim), dtype=np.float32)
    centres = random.standard_normal((clusters, options.dim), dtype=np.float32)
    centres += groups[random.integers(0, len(groups), clusters)]
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    sides = {}
    for side, count in (("clips", options.clips), ("captions", options.captions)):
        written = np.lib.format.open_memmap(folder / f"{side}.npy", "w+", np.float32, (count, options.dim))
        for start in range(0, count, 8192):
            part = written[start : start + 8192]
            noise = random.uniform(0.5, 1.5, (len(part), 1)) / np.sqrt(options.dim)
            part[...] = random.standard_normal(part.shape, dtype=np.float32) * noise.astype(np.float32)
            part += centres[random.integers(0, clusters, len(part))]
            part /= np.linalg.norm(part, axis=1, keepdims=True)
        written.flush()
        sides[side] = written
    some = sides["clips"][:: max(1, options.clips // 512)]
    similarity = np.concatenate([(row @ sides["captions"].T) for row in some])
    place = len(similarity) - min(len(similarity), 5 * len(some))
    threshold = float(np.partition(similarity, place)[place])
    (folder / "threshold.json").write_text(json.dumps(threshold))
    return {"threshold": threshold}


def run(folder: Path, options: argparse.Namespace, kind: str) -> dict:
    """Time one kind, keep its result."""
    search, by = kind.split(":")
    clips, captions = (np.load(folder / f"{side}.npy", mmap_mode="r") for side in ("clips", "captions"))
    clips, threshold = clips[: options.clips], json.loads((folder / "threshold.json").read_text())
    took: list[str] = []
    do, share = search_of(search, by, clips, captions, options.k, threshold, took)
    start, cpu = time.perf_counter(), time.process_time()
    found = do()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if found is not None:
        np.savez(folder / f"{search}-{by}.npz", *found)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak, mapped = (int(status[name].split()[0]) / 1024 for name in ("VmHWM", "RssFile"))
    return {
        "seconds": seconds / share,
        "cpu_s": cpu / share,
        "peak_mib": peak,
        "mapped_mib": mapped,
        "took": took[0] if took else None,
        "pairs": 0 if found is None else found[0].size,
    }


def search_of(
    search: str, by: str, clips: np.ndarray, captions: np.ndarray, k: int, threshold: float, took: list[str]
) -> tuple[Callable[[], tuple | None], float]:
    """Return what one kind does, its libraries imported, and which share of the products it computes."""
    if search != "sgemm" and by in OURS:
        from clapline.search import Engine, exact, threshold_pairs, top_k

        kept = exact.sizes
        exact.sizes = lambda *asked: took.append(asked[3]) or kept(*asked)  # which product it takes
        if by != "numpy":
            import torch
        if search == "top_k":
            return lambda: top_k(clips, captions, k, engine=Engine(product=by)), 1.0
        return lambda: threshold_pairs(clips, captions, threshold, engine=Engine(product=by)), 1.0
    if by == "faiss_flat":
        return faiss_flat(search, clips, captions, k, threshold), 1.0
    if search == "top_k":
        return torch_top_k(clips, captions, k), 1.0
    starts = range(0, len(clips), BLOCK)
    starts = starts[:: max(1, len(clips) // SGEMM_ROWS)]
    share = sum(len(clips[start : start + BLOCK]) for start in starts) / len(clips)
    if by == "numpy":
        out = np.empty((BLOCK, len(captions)), np.float32)

        def multiply() -> None:
            for start in starts:
                block = clips[start : start + BLOCK]
                np.dot(block, captions.T, out=out[: len(block)])
    else:
        import torch

        gallery, out = torch.from_numpy(np.array(captions)), torch.empty(BLOCK, len(captions))

        def multiply() -> None:
            for start in starts:
                block = torch.from_numpy(np.array(clips[start : start + BLOCK]))
                torch.mm(block, gallery.T, out=out[: len(block)])

    return multiply, share


def faiss_flat(search: str, clips: np.ndarray, captions: np.ndarray, k: int, threshold: float) -> Callable[[], tuple]:
    """Return FAISS's own search."""
    import faiss

    def do() -> tuple:
        index = faiss.IndexFlatIP(clips.shape[1])
        index.add(captions)
        if search == "top_k":
            similarity, found = index.search(clips, k)
            return found, similarity
        ends, similarity, column = index.range_search(clips, threshold)
        return np.repeat(np.arange(len(clips)), np.diff(ends.astype(np.int64))), column, similarity

    return do


def torch_top_k(clips: np.ndarray, captions: np.ndarray, k: int) -> Callable[[], tuple]:
    """Return torch's mm and topk, a block of clips at a time."""
    import torch

    def do() -> tuple:
        gallery = torch.from_numpy(np.array(captions))
        parts = [
            torch.topk(torch.from_numpy(np.array(clips[start : start + BLOCK])) @ gallery.T, k)
            for start in range(0, len(clips), BLOCK)
        ]
        return torch.cat([part.indices for part in parts]).numpy(), torch.cat([part.values for part in parts]).numpy()

    return do


def compare(folder: Path, options: argparse.Namespace, _: str) -> dict:
    """Say how the results that are there differ."""
    from clapline.search import similarities

    clips, captions = (np.load(folder / f"{side}.npy", mmap_mode="r") for side in ("clips", "captions"))
    threshold, said = json.loads((folder / "threshold.json").read_text()), []
    for search in ("top_k", "threshold"):
        results = {}
        for by in (*OURS, "faiss_flat", "torch"):
            if (folder / f"{search}-{by}.npz").exists():
                kept = np.load(folder / f"{search}-{by}.npz")
                results[by] = [kept[name] for name in kept.files]
        ours = [by for by in OURS if by in results]
        for by in ours[1:]:
            same = all(map(np.array_equal, results[ours[0]], results[by]))
            said.append(f"{search}: {ours[0]} and {by} are {'equal' if same else 'NOT EQUAL'} bit for bit.")
        for by in set(results) - set(ours) if ours else ():
            mine, other = results[ours[0]], results[by]
            if search == "top_k":
                row = np.repeat(np.arange(len(clips)), options.k)
                mine, other = ([row, result[0].ravel()] for result in (mine, other))
                limit = results[ours[0]][1][:, -1]
            else:
                limit = np.full(len(clips), threshold)
            keys = [result[0] * len(captions) + result[1] for result in (mine, other)]
            apart = np.setxor1d(*keys)
            row, column = apart // len(captions), apart % len(captions)
            near = np.abs(similarities(clips, captions, row, column) - limit[row]) <= NEAR
            said.append(
                f"{search}: {ours[0]} and {by} share {len(np.intersect1d(*keys)):,} pairs; {len(apart)} are in one of "
                f"them alone, {len(apart) - near.sum()} of those farther than {NEAR} from the limit."
            )
    return {"said": said}


CHILDREN: dict[str, Callable[[Path, argparse.Namespace, str], dict]] = {"rows": rows, "run": run, "compare": compare}

if __name__ == "__main__":
    main()
