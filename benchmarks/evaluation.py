"""`python benchmarks/evaluation.py`: evaluation beside pytrec_eval and torchmetrics, with intervals, and at scale.

    python benchmarks/evaluation.py --retrieval --clips 100 --repeats 3       # seconds; whole: 3 to 5 minutes
    python benchmarks/evaluation.py --bootstrap
    python benchmarks/evaluation.py --scale --figure out.svg                  # about half an hour of one thread

Unit rows; a caption's cosine with its clip is up to about `--signal`. Seconds: medians of `--repeats`, CPU time where
numpy has one thread (OMP_NUM_THREADS=1), else wall time; at scale one run, wall time.

--retrieval: ours (all measures) from vectors, and from the scores that the others get; all take turns. Those work out
R@1, 5, 10, AP@10 and MRR: pytrec_eval of dicts of all scores or of the ten best, torchmetrics of tensors made before
the clock starts. "Off": greatest difference from ours where definitions agree, of means for torchmetrics, else per
query. Aims: 100 times ours from scores for torchmetrics, above 1 for the ten best; --bootstrap: below 20 s. --scale: a
process for each size and direction, its highest resident memory before `relevant_ranks` and after.
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
OURS, GIVEN, TEN = "ours", "ours from scores", "pytrec_eval, ten best"
Kept = dict[str, Any]


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
    print(f"{model}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, {clock().__name__}", end="")
    for part in [part for part in parts if getattr(options, part)] or parts:
        print(f"\n\n{part}, dimension {options.dimension}\n", flush=True)
        parts[part](options)


def drawn(seed: list[int], clips: int, per_clip: int, dim: int, signal: float) -> tuple[np.ndarray, np.ndarray]:
    """Return clips and captions, in the clips' order, as unit float32 rows."""
    random = np.random.default_rng(seed)
    audio, text = (random.standard_normal((count, dim), dtype=np.float32) for count in (clips, clips * per_clip))
    for rows in itertools.chain(audio, text):  # one by one: copies of all would count as memory
        rows /= np.linalg.norm(rows)
    for place, row in enumerate(text):
        cosine = random.uniform(0, signal)
        row *= np.sqrt(1 - cosine**2)
        row += cosine * audio[place // per_clip]
        row /= np.linalg.norm(row)
    return audio, text


def asked(name: str, audio: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return queries, gallery and relevance of a direction."""
    from clapline.metrics.retrieval import Relevance

    step = 1 if name == DIRECTIONS[0] else -1
    queries, gallery = (text, audio)[::step]
    pairs = (np.arange(len(text)), np.arange(len(text)) // (len(text) // len(audio)))[::step]
    return queries, gallery, Relevance.from_pairs(*pairs, len(queries), len(gallery))


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
    from clapline.metrics.similarity import similarities

    shape = options.clips, options.captions_per_clip, options.dimension
    sides, read = drawn([options.seed], *shape, options.signal), clock()
    print("| direction | what | seconds | of it | times ours | times ours from scores | off |\n" + "|---" * 7 + "|")
    for name in DIRECTIONS:
        queries, gallery, relevance = asked(name, *sides)
        scores, kept = similarities(queries, gallery)(0, len(queries)), {}
        ways = {
            OURS: partial(ours, queries, gallery, relevance, kept, OURS),
            GIVEN: partial(ours, np.arange(len(queries))[:, None], Table(scores), relevance, kept, GIVEN),
            **pytrec(scores, relevance, kept),
            "torchmetrics": torchmetrics(scores, relevance, kept),
        }
        ways[OURS]()  # the warm-up
        laps: dict[str, list[list[float]]] = {way: [] for way in ways}
        for turn in range(options.repeats):
            for way in np.roll([*ways], turn):
                start = read()
                of_it = ways[way]()
                laps[way].append([read() - start, *(of_it or [])])
        median = {way: np.median(of, axis=0) for way, of in laps.items()}
        for way, (seconds, *of_it) in median.items():
            off = 0.0
            for measure, value in kept[way].items():
                mine = kept[OURS][measure]
                off = max(off, np.abs(value - (mine if np.ndim(value) else mine.mean())).max())
            told = zip(("ten best", "dicts", "evaluation"), of_it, strict=False)
            cells = [name, way, f"{seconds:.3g}", ", ".join(f"{part} {value:.3g}" for part, value in told)]
            cells += [f"{seconds / median[mine][0]:.3g}" for mine in (OURS, GIVEN)]
            print("| " + " | ".join(cells) + f" | {off:.1e}{'' if off <= 1e-6 else ' NOT ALIKE'} |", flush=True)


def ours(queries: np.ndarray, gallery: Any, relevance: Any, kept: Kept, way: str) -> None:
    """Rank and measure."""
    from clapline.metrics.protocols import MEASURES
    from clapline.metrics.retrieval import best_ranks, relevant_ranks

    ranks = relevant_ranks(queries, gallery, relevance)
    kept[way] = {name: measure.values(ranks, relevance) for name, measure in MEASURES.items()}
    kept[way]["mrr"] = 1.0 / best_ranks(ranks, relevance)


def pytrec(scores: np.ndarray, relevance: Any, kept: Kept) -> dict[str, Callable]:
    """Return what has pytrec_eval work on all scores, and on the ten best of each query."""
    import pytrec_eval

    items, asking = [f"d{item}" for item in range(scores.shape[1])], [f"q{row}" for row in range(len(scores))]
    each = np.split(relevance.items, relevance.starts[1:-1])
    truth = {query: {items[item]: 1 for item in found} for query, found in zip(asking, each, strict=True)}
    measures = {"recall_1": "r1", "recall_5": "r5", "recall_10": "r10", "map_cut_10": "map10", "recip_rank": "mrr"}
    evaluator, read = pytrec_eval.RelevanceEvaluator(truth, measures), clock()

    def do(way: str) -> list[float]:
        times, names, values = [read()], itertools.repeat(items), scores
        if way == TEN:
            place = np.argpartition(scores, -10, axis=1)[:, -10:]
            names, values = ([items[item] for item in row] for row in place), np.take_along_axis(scores, place, axis=1)
        times.append(read())
        run = {query: dict(zip(*row, strict=True)) for query, *row in zip(asking, names, values.tolist(), strict=False)}
        times.append(read())
        found = evaluator.evaluate(run)
        times.append(read())
        like = measures | ({"recip_rank": "mrr10"} if way == TEN else {})
        kept[way] = {name: np.array([found[query][measure] for query in asking]) for measure, name in like.items()}
        return np.diff(times).tolist()

    return {way: partial(do, way) for way in ("pytrec_eval", TEN)}


def torchmetrics(scores: np.ndarray, relevance: Any, kept: Kept) -> Callable[[], None]:
    """Return what has torchmetrics work on a table of scores, a metric at a time, as in its documentation."""
    import torch
    from torchmetrics.retrieval import RetrievalMAP, RetrievalMRR, RetrievalRecall

    target, row = np.zeros(scores.shape, dtype=bool), np.arange(len(scores))
    target[np.repeat(row, relevance.counts), relevance.items] = True
    given = [torch.from_numpy(np.broadcast_to(of, scores.shape).copy()) for of in (scores, target, row[:, None])]

    def do() -> None:
        metrics = {f"r{k}": RetrievalRecall(top_k=k) for k in (1, 5, 10)} | {"mrr10": RetrievalMRR(top_k=10)}
        metrics["map10"] = RetrievalMAP(top_k=10)
        for metric in metrics.values():
            metric.update(*given)
        kept["torchmetrics"] = {name: float(metric.compute()) for name, metric in metrics.items()}
        if relevance.counts.max() > 1:
            del kept["torchmetrics"]["map10"]  # it divides by the relevant items found

    return do


def bootstrap(options: argparse.Namespace) -> None:
    """Time both directions of a dataset for teacher and student, all measures, with intervals and differences."""
    import pandas as pd

    from clapline.metrics.scores import Side
    from clapline.model.gallery import VectorGallery
    from stages.evaluate import benchmarks, encoded, results
    from stages.evaluate.retrieval import direction_parts

    ids, per_clip = [f"clip {row}" for row in range(options.clips)], options.captions_per_clip
    words = [f"caption {caption} of {clip}" for clip in ids for caption in range(per_clip)]
    captions = np.reshape(words, (-1, per_clip)).tolist()
    clips = pd.DataFrame({"dataset": "toy", "clip_id": ids, "captions": captions})
    (benchmark,) = benchmarks.retrieval_benchmarks(clips, pd.DataFrame(columns=["dataset", "clip_id", "level"]))
    rows = {("toy", clip): row for row, clip in enumerate(ids)}, {text: row for row, text in enumerate(words)}
    models, laps, read = [], [], clock()
    for place, (name, share) in enumerate({"teacher": 0.9, "student": 1.0}.items()):
        audio, text = drawn([options.seed, place], len(ids), per_clip, options.dimension, share * options.signal)
        models.append(encoded.Encoded(name, Side(VectorGallery(audio)), Side(text), text[0], *rows))
    for _ in range(options.repeats):
        times = [read()]
        measured = [direction_parts(benchmark, model, options.seed) for model in models]
        times.append(read())
        for pair in zip(*measured, strict=True):
            results.compare(*pair, options.resamples, options.seed)
            times.append(read())
        laps.append([*np.diff(times), times[-1] - times[0]])
    print(f"| {len(words):,} captions, {options.resamples:,} resamples | seconds |\n|---|---|")
    names = "values of both models", *(f"intervals, {name}" for name in DIRECTIONS), "whole"
    for name, seconds in zip(names, np.median(laps, axis=0), strict=True):
        print(f"| {name} | {seconds:.2f} |")


def scale(options: argparse.Namespace) -> None:
    """Take memory and time of growing sizes."""
    print("| direction | clips | captions | seconds | embeddings MiB | before MiB | peak MiB |\n" + "|---" * 7 + "|")
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in DIRECTIONS}
    per_clip = options.scale_captions // options.scale_clips
    for clips in [round(fraction * options.scale_clips) for fraction in options.fractions]:
        for name in DIRECTIONS:
            given = name, [options.seed], clips, per_clip, options.dimension, options.signal
            command = [sys.executable, __file__, "--child", json.dumps(given)]
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            seconds, *sizes = json.loads(run.stdout.splitlines()[-1])
            memory = " | ".join(f"{size:.0f}" for size in sizes)
            print(f"| {name} | {clips:,} | {clips * per_clip:,} | {seconds:.2f} | {memory} |", flush=True)
            found[name].append((clips**2 * per_clip, seconds, *sizes))
    if options.figure:
        draw(found, options.figure)


def measure(name: str, *drawing: Any) -> list[float]:
    """Return seconds of the ranks; MiB of the embeddings, and of the process before and after."""
    from clapline.metrics.retrieval import relevant_ranks

    sides = drawn(*drawing)
    given = asked(name, *sides)
    before, start = highest(), time.perf_counter()
    relevant_ranks(*given)
    return [time.perf_counter() - start, sum(side.nbytes for side in sides) / 2**20, before, highest()]


def highest() -> float:
    """Return the highest resident memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw(found: dict[str, list[tuple[float, ...]]], path: Path) -> None:
    """Draw memory and time against queries x gallery."""
    from clapline.figures import new_figure, save_figure

    figure = new_figure(7.2, 3.2)
    panels = figure.subplots(1, 2)
    for name, rows in found.items():
        pairs, seconds, size, _, peak = zip(*rows, strict=True)
        for panel, values in zip(panels, (peak, seconds), strict=True):
            panel.plot(pairs, values, marker=".", label=name)
    panels[0].plot(pairs, size, linestyle=":", color="#718096", label="embeddings")
    for panel, title in zip(panels, ("peak memory, MiB", "seconds"), strict=True):
        panel.set(title=title, xscale="log", yscale="log", xlabel="queries x gallery")
        panel.legend(frameon=False, fontsize="small")
    save_figure(figure, path)


if __name__ == "__main__":
    main()
