"""`python benchmarks/evaluation.py`: evaluation beside pytrec_eval and torchmetrics, with intervals, and at scale.

    python benchmarks/evaluation.py --retrieval --clips 100 --repeats 3       # seconds; whole: 3 to 5 minutes
    python benchmarks/evaluation.py --bootstrap
    python benchmarks/evaluation.py --scale --figure out.svg                  # most of an hour

Unit rows; a caption's cosine with its clip is drawn up to `--signal`. Seconds: medians of `--repeats`, CPU time where
numpy has one thread (OMP_NUM_THREADS=1), else wall time.

--retrieval: ours (all measures), from vectors and from the scores that the others get; all take turns. The others work
out R@1, 5, 10, AP@10 and MRR. pytrec_eval gets dicts of all scores or of the ten best; torchmetrics tensors made before
the clock starts, a metric at a time, as in its documentation. "Off": the greatest difference from ours where
definitions agree, per query of pytrec_eval, of means of torchmetrics. Aims: torchmetrics 100 times, pytrec_eval with
the ten best more than once the time of ours from scores. --bootstrap: below 20 s. --scale: a process for each size and
direction; its highest resident memory before `relevant_ranks` and after.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # little else: a process begins with the highest memory of the one that started it
from threadpoolctl import threadpool_info

NUMBERS: dict[str, float] = {"clips": 1045, "captions-per-clip": 5, "dimension": 512, "signal": 0.2, "repeats": 5}
NUMBERS |= {"seed": 0, "resamples": 10_000, "scale-clips": 50_000, "scale-captions": 250_000}
DIRECTIONS = ("text to audio", "audio to text")
FROM_SCORES, TEN = "ours from scores", "pytrec_eval, ten best"
Parts = dict[str, float]


def main() -> None:
    """Print a Markdown table for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {"scale": scale, "retrieval": retrieval, "bootstrap": bootstrap}  # scale while this process is small
    for part in parts:
        parser.add_argument(f"--{part}", action="store_true")
    for name, default in NUMBERS.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help="default: %(default)s")
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.25, 0.5, 1.0], help="of the size of scale")
    parser.add_argument("--figure", type=Path, help="SVG of memory and time at scale")
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(*options.child)))
        return
    model = Path("/proc/cpuinfo").read_text().partition("model name\t: ")[2].partition("\n")[0]
    print(f"{model}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, {clock().__name__}, ", end="")
    print(
        f"{options.clips:,} clips, {options.captions_per_clip} captions each, dimension {options.dimension}", flush=True
    )
    for part in [part for part in parts if getattr(options, part)] or parts:
        parts[part](options)


def drawn(seed: list[int], clips: int, per_clip: int, dim: int, signal: float) -> tuple[np.ndarray, np.ndarray]:
    """Return clips and captions, in the clips' order, as unit float32 rows."""
    random = np.random.default_rng(seed)
    audio, text = (random.standard_normal((count, dim), dtype=np.float32) for count in (clips, clips * per_clip))
    audio /= np.linalg.norm(audio, axis=1, keepdims=True)
    for start in range(0, clips, 1024):  # copies of all would count as memory
        part = text[start * per_clip : (start + 1024) * per_clip]
        own = np.repeat(audio[start : start + 1024], per_clip, axis=0)
        part -= np.einsum("nd,nd->n", part, own)[:, None] * own
        cosine = random.uniform(0, signal, (len(part), 1)).astype(np.float32)
        part *= np.sqrt(1 - cosine**2) / np.linalg.norm(part, axis=1, keepdims=True)
        part += cosine * own
    return audio, text


def asked(name: str, audio: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return queries, gallery and relevance of a direction."""
    from clapline.metrics.retrieval import Relevance

    pairs = [np.arange(len(text)), np.repeat(np.arange(len(audio)), len(text) // len(audio))]
    step = 1 if name == DIRECTIONS[0] else -1
    queries, gallery = (text, audio)[::step]
    return queries, gallery, Relevance.from_pairs(*pairs[::step], len(queries), len(gallery))


def clock() -> Callable[[], float]:
    """Return CPU time where there is one thread, else wall time."""
    blas = {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
    return time.process_time if blas == {1} else time.perf_counter


class Table:
    """Scores as a gallery; queries are the numbers of its rows, `(n, 1)`."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def __len__(self) -> int:
        return self.scores.shape[1]

    def cosines(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores of neighbouring rows."""
        return self.scores[rows[0, 0] : rows[-1, 0] + 1]


def retrieval(options: argparse.Namespace) -> None:
    """Time both directions beside pytrec_eval and torchmetrics."""
    from clapline.metrics.protocols import MEASURES
    from clapline.metrics.retrieval import best_ranks, relevant_ranks
    from clapline.metrics.similarity import similarities

    shape = options.clips, options.captions_per_clip, options.dimension
    sides, read = drawn([options.seed], *shape, options.signal), clock()
    print("\n| direction | what | seconds | of it | times ours | times ours from scores | off |\n" + "|---" * 7 + "|")
    for name in DIRECTIONS:
        queries, gallery, relevance = asked(name, *sides)
        scores, kept = similarities(queries, gallery)(0, len(queries)), {}

        def ours(queries: Any, gallery: Any, relevance: Any = relevance, kept: dict = kept) -> Parts:
            ranks = relevant_ranks(queries, gallery, relevance)
            kept["ours"] = {name: measure.values(ranks, relevance) for name, measure in MEASURES.items()}
            kept["ours"]["mrr"] = 1.0 / best_ranks(ranks, relevance)
            return {}

        ways = {
            "ours": partial(ours, queries, gallery),
            FROM_SCORES: partial(ours, np.arange(len(queries))[:, None], Table(scores)),
            **pytrec(scores, relevance, kept, read),
            "torchmetrics": torchmetrics(scores, relevance, kept),
        }
        ways["ours"]()  # the warm-up
        laps: dict[str, list[Parts]] = {way: [] for way in ways}
        for turn in range(options.repeats):
            for way in np.roll([*ways], turn):
                start = read()
                of_it = ways[way]()
                laps[way].append({"": read() - start, **of_it})
        median = {way: {part: np.median([lap[part] for lap in of]) for part in of[0]} for way, of in laps.items()}
        for way, parts in median.items():
            seconds, off = parts.pop(""), 0.0
            for measure, value in kept.get(way, {}).items():
                mine = kept["ours"][measure]
                off = max(off, np.abs(value - (mine if np.ndim(value) else mine.mean())).max())
            times = (f"{seconds / np.median([lap[''] for lap in laps[own]]):.3g}" for own in ("ours", FROM_SCORES))
            of_it = ", ".join(f"{part} {value:.3g}" for part, value in parts.items())
            said = f"{off:.1e}{'' if off <= 1e-6 else ' NOT ALIKE'}"
            print("| " + " | ".join((name, way, f"{seconds:.3g}", of_it, *times, said)) + " |", flush=True)


def pytrec(scores: np.ndarray, relevance: Any, kept: dict[str, Any], read: Callable[[], float]) -> dict[str, Callable]:
    """Return what has pytrec_eval work on all scores, and on the ten best of each query."""
    import pytrec_eval

    items, asking = [f"d{item}" for item in range(scores.shape[1])], [f"q{row}" for row in range(len(scores))]
    each = np.split(relevance.items, relevance.starts[1:-1])
    truth = {query: {items[item]: 1 for item in found} for query, found in zip(asking, each, strict=True)}
    measures = {f"recall_{k}": f"r{k}" for k in (1, 5, 10)} | {"map_cut_10": "map10"}
    evaluator = pytrec_eval.RelevanceEvaluator(truth, {*measures, "recip_rank"})

    def do(way: str) -> dict[str, float]:
        times, names, values = [read()], itertools.repeat(items), scores
        if way == TEN:
            place = np.argpartition(scores, -10, axis=1)[:, -10:]
            names, values = ([items[item] for item in row] for row in place), np.take_along_axis(scores, place, axis=1)
        times.append(read())
        run = {
            query: dict(zip(found, row.tolist(), strict=True))
            for query, found, row in zip(asking, names, values, strict=False)
        }
        times.append(read())
        found = evaluator.evaluate(run)
        times.append(read())
        like = measures | {"recip_rank": "mrr10" if way == TEN else "mrr"}
        kept[way] = {name: np.array([found[query][measure] for query in asking]) for measure, name in like.items()}
        return dict(zip(("ten best", "dicts", "evaluation"), np.diff(times), strict=True))

    return {way: partial(do, way) for way in ("pytrec_eval", TEN)}


def torchmetrics(scores: np.ndarray, relevance: Any, kept: dict[str, Any]) -> Callable[[], Parts]:
    """Return what has torchmetrics work on a table of scores."""
    import torch
    from torchmetrics.retrieval import RetrievalMAP, RetrievalMRR, RetrievalRecall

    target, row = np.zeros(scores.shape, dtype=bool), np.arange(len(scores))
    target[np.repeat(row, relevance.counts), relevance.items] = True
    given = [torch.from_numpy(np.broadcast_to(of, scores.shape).copy()) for of in (scores, target, row[:, None])]

    def do() -> Parts:
        metrics = {f"r{k}": RetrievalRecall(top_k=k) for k in (1, 5, 10)}
        metrics |= {"map10": RetrievalMAP(top_k=10), "mrr10": RetrievalMRR(top_k=10)}
        for metric in metrics.values():
            metric.update(*given)
        values = {name: float(metric.compute()) for name, metric in metrics.items()}
        if relevance.counts.max() > 1:
            values.pop("map10")  # it divides by the relevant items found
        kept["torchmetrics"] = values
        return {}

    return do


def bootstrap(options: argparse.Namespace) -> None:
    """Time both directions of a dataset for teacher and student, all measures, with intervals and differences."""
    import pandas as pd

    from clapline.metrics.scores import Side
    from clapline.model.gallery import VectorGallery
    from stages.evaluate.benchmarks import retrieval_benchmarks
    from stages.evaluate.encoded import Encoded
    from stages.evaluate.results import compare
    from stages.evaluate.retrieval import direction_parts

    ids, per_clip = [f"clip {row}" for row in range(options.clips)], options.captions_per_clip
    words = [f"caption {caption} of {clip}" for clip in ids for caption in range(per_clip)]
    captions = np.reshape(words, (-1, per_clip)).tolist()
    clips = pd.DataFrame({"dataset": "toy", "clip_id": ids, "captions": captions})
    (benchmark,) = retrieval_benchmarks(clips, pd.DataFrame(columns=["dataset", "clip_id", "level"]))
    rows = {("toy", clip): row for row, clip in enumerate(ids)}, {text: row for row, text in enumerate(words)}
    models, laps, read = [], [], clock()
    for name, share in (("teacher", 0.9), ("student", 1.0)):
        seed = [options.seed, len(models)]
        audio, text = drawn(seed, options.clips, per_clip, options.dimension, share * options.signal)
        models.append(Encoded(name, Side(VectorGallery(audio)), Side(text), text[0], *rows))
    for _ in range(options.repeats):
        times = [read()]
        measured = [direction_parts(benchmark, model, options.seed) for model in models]
        times.append(read())
        for pair in zip(*measured, strict=True):
            compare(*pair, options.resamples, options.seed)
            times.append(read())
        laps.append([*np.diff(times), times[-1] - times[0]])
    print(f"\n| {options.resamples:,} resamples | seconds |\n|---|---|")
    names = "values of both models", *(f"intervals, {name}" for name in DIRECTIONS), "whole"
    for name, seconds in zip(names, np.median(laps, axis=0), strict=True):
        print(f"| {name} | {seconds:.2f} |")


def scale(options: argparse.Namespace) -> None:
    """Take memory and time of growing sizes."""
    titles = "seconds | embeddings MiB | before MiB | peak MiB | peak / embeddings"
    print(f"\n| direction | clips | captions | {titles} |\n" + "|---" * 8 + "|", flush=True)
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in DIRECTIONS}
    per_clip = options.scale_captions // options.scale_clips
    for clips in [round(fraction * options.scale_clips) for fraction in options.fractions]:
        for name in DIRECTIONS:
            given = name, [options.seed], clips, per_clip, options.dimension, options.signal
            command = [sys.executable, __file__, "--child", json.dumps(given)]
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            seconds, size, before, peak = json.loads(run.stdout.splitlines()[-1])
            memory = f"{size:.0f} | {before:.0f} | {peak:.0f} | {peak / size:.2f}"
            print(f"| {name} | {clips:,} | {clips * per_clip:,} | {seconds:.2f} | {memory} |", flush=True)
            found[name].append((clips**2 * per_clip, seconds, size, peak))
    if options.figure:
        draw(found, options.figure)


def measure(name: str, *drawing: Any) -> list[float]:
    """Return wall seconds of the ranks; MiB of the embeddings, and of the process before and after."""
    from clapline.metrics.retrieval import relevant_ranks

    audio, text = drawn(*drawing)
    given = asked(name, audio, text)
    found = [(audio.nbytes + text.nbytes) / 2**20, highest()]
    start = time.perf_counter()
    relevant_ranks(*given)
    return [time.perf_counter() - start, *found, highest()]


def highest() -> float:
    """Return the highest resident memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw(found: dict[str, list[tuple[float, ...]]], path: Path) -> None:
    """Draw memory and time against queries x gallery."""
    from clapline.figures import new_figure, save_figure

    figure = new_figure(7.2, 3.2)
    memory, time_taken = figure.subplots(1, 2)
    for name, rows in found.items():
        pairs, seconds, size, peak = zip(*rows, strict=True)
        memory.plot(pairs, peak, marker=".", label=name)
        time_taken.plot(pairs, seconds, marker=".", label=name)
    memory.plot(pairs, size, linestyle=":", color="#718096", label="embeddings")
    for panel, title in ((memory, "peak memory, MiB"), (time_taken, "seconds")):
        panel.set(title=title, xscale="log", yscale="log")
        panel.legend(frameon=False, fontsize="small")
    figure.supxlabel("queries x gallery", fontsize="medium")
    save_figure(figure, path)


if __name__ == "__main__":
    main()
