"""`python benchmarks/evaluation.py`: the measures of evaluation beside pytrec_eval and torchmetrics, and at scale.

    python benchmarks/evaluation.py                                     # all three parts; whole scale: most of an hour
    python benchmarks/evaluation.py --retrieval --clips 100 --repeats 3                       # seconds
    python benchmarks/evaluation.py --scale --scale-clips 2000 --scale-captions 10000 --figure out.svg

Unit rows are drawn; a caption's cosine with its own clip is drawn evenly from 0 to `--signal`, so that ranks spread.

retrieval: ranks and all measures in both directions, from the vectors and from a given table of scores, which is what
the others are handed. These work out R@1, 5, 10, AP@10 and MRR alone (ours: ten measures). pytrec_eval is given the
table as dicts, or the ten best of each query; finding those and making dicts is told apart. torchmetrics is given
tensors made before the clock starts, one metric after the other as in its documentation; it counts relevant items whose
score is not above 0 as irrelevant in AP, which among the ten best does not occur here. All take turns, `--repeats`
times; given are medians. Seconds are CPU time where numpy and torch have one thread (OMP_NUM_THREADS=1), else wall
time. Differences: of pytrec_eval per query, of torchmetrics in the means, where the definitions are the same.

bootstrap: both directions of a dataset for teacher and student with all measures, then intervals and differences.

scale: `relevant_ranks` of rows mapped from disk, a process for each size and direction. The peak is the highest
resident memory of that process, what is mapped included; "before" is what it was when `relevant_ranks` began.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # nothing else: a process begins with the highest memory of the one that started it

KS = (1, 5, 10)
ALIKE = 1e-6
AIM_TORCH, AIM_BOOTSTRAP_S = 100, 20
Laps = dict[str, float]


def main() -> None:
    """Print a Markdown table for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retrieval", action="store_true", help="beside pytrec_eval and torchmetrics")
    parser.add_argument("--bootstrap", action="store_true", help="teacher and student with intervals")
    parser.add_argument("--scale", action="store_true", help="memory and time of growing sizes")
    parser.add_argument("--clips", type=int, default=1045)
    parser.add_argument("--captions-per-clip", type=int, default=5)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--signal", type=float, default=0.2, help="greatest cosine of a caption with its clip")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--torch-queries", type=int, help="give torchmetrics so many, scaled up (default: all)")
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--scale-clips", type=int, default=50_000)
    parser.add_argument("--scale-captions", type=int, default=250_000)
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.25, 0.5, 1.0])
    parser.add_argument("--folder", help="where the rows of scale are kept meanwhile (default: the system's)")
    parser.add_argument("--figure", type=Path, help="SVG of memory and time at scale")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scale_captions % options.scale_clips:
        parser.error("--scale-captions must be a multiple of --scale-clips")
    if options.child:
        given = json.loads(options.child)
        print(json.dumps(write_rows(**given) if "seed" in given else measure(**given)))
        return
    every = not (options.retrieval or options.bootstrap or options.scale)
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    print(f"{model.split(':')[-1].strip()}, {len(os.sched_getaffinity(0))} cores, ", end="")
    print(f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '')}, load {os.getloadavg()[0]:.1f}", flush=True)
    if every or options.scale:  # first, while this process is small
        scale(options)
    if every or options.retrieval:
        retrieval(options)
    if every or options.bootstrap:
        bootstrap(options)


def drawn(random: np.random.Generator, clips: int, per_clip: int, dim: int, signal: float) -> list[np.ndarray]:
    """Return clips and captions, `per_clip` of them after each other for each clip, as unit float32 rows."""
    audio, text = (random.standard_normal((count, dim), dtype=np.float32) for count in (clips, clips * per_clip))
    audio /= np.linalg.norm(audio, axis=1, keepdims=True)
    own = np.repeat(audio, per_clip, axis=0)
    text -= np.einsum("nd,nd->n", text, own)[:, None] * own
    cosine = random.uniform(0, signal, (len(text), 1)).astype(np.float32)
    text *= np.sqrt(1 - cosine**2) / np.linalg.norm(text, axis=1, keepdims=True)
    return [audio, text + cosine * own]


def clock() -> Callable[[], float]:
    """Return CPU time where there is one thread, else wall time."""
    from clapline.search.products import threads

    return time.process_time if threads() == 1 else time.perf_counter


class Table:
    """A given table of scores as a gallery; its queries are the numbers of its rows, `(n, 1)`."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def __len__(self) -> int:
        return self.scores.shape[1]

    def cosines(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores of neighbouring rows."""
        return self.scores[rows[0, 0] : rows[-1, 0] + 1]


def retrieval(options: argparse.Namespace) -> None:
    """Time both directions and compare the values."""
    from clapline.metrics.retrieval import Relevance
    from clapline.search.products import threads

    random = np.random.default_rng(options.seed)
    audio, text = drawn(random, options.clips, options.captions_per_clip, options.dimension, options.signal)
    owner, caption = np.repeat(np.arange(len(audio)), options.captions_per_clip), np.arange(len(text))
    print(f"\nretrieval: {len(audio):,} clips x {len(text):,} captions x {options.dimension}, {threads()} threads, ")
    print(f"{'CPU' if threads() == 1 else 'wall'} time, medians of {options.repeats}")
    print("\n| direction | what | of it | seconds | times ours | times ours from scores |\n" + "|---" * 6 + "|")
    of_texts = Relevance.from_pairs(caption, owner, len(text), len(audio))
    of_clips = Relevance.from_pairs(owner, caption, len(audio), len(text))
    said = _direction("text to audio", text, audio, of_texts, options)
    said += _direction("audio to text", audio, text, of_clips, options)
    print("\n" + "\n".join(said))


def _direction(name: str, queries: np.ndarray, gallery: np.ndarray, relevance: Any, options: Any) -> list[str]:
    from clapline.metrics.protocols import MEASURES
    from clapline.metrics.retrieval import best_ranks, relevant_ranks
    from clapline.metrics.similarity import similarities

    scores, read = similarities(queries, gallery)(0, len(queries)), clock()
    some = min(options.torch_queries or len(queries), len(queries))
    rows, kept = np.arange(len(queries))[:, None], {}

    def product() -> Laps:
        np.matmul(queries, gallery.T)
        return {}

    def ours(asking: np.ndarray, asked: Any) -> Laps:
        ranks = relevant_ranks(asking, asked, relevance)
        kept["ours"] = {name: measure.values(ranks, relevance) for name, measure in MEASURES.items()}
        kept["reciprocal"] = 1.0 / best_ranks(ranks, relevance)
        return {}

    trec, torchmetrics = _pytrec(scores, relevance, kept, read), _torchmetrics(scores[:some], relevance, kept, read)
    ways: dict[str, Callable[[], Laps]] = {
        "ours": lambda: ours(queries, gallery),
        "ours from scores": lambda: ours(rows, Table(scores)),
        "the scores alone (float32 product)": product,
        "pytrec_eval, ten best": lambda: trec(True),
        "pytrec_eval, all": lambda: trec(False),
        "torchmetrics" + (f", {some:,} queries, scaled" if some < len(queries) else ""): torchmetrics,
    }
    ways["ours"]()  # the warm-up
    laps: dict[str, list[Laps]] = {way: [] for way in ways}
    for turn in range(options.repeats):
        for way in [*ways][turn % len(ways) :] + [*ways][: turn % len(ways)]:
            start = read()
            parts = ways[way]()
            stretch = len(queries) / some if way.startswith("torchmetrics") else 1.0
            laps[way].append({part: stretch * value for part, value in {**parts, "": read() - start}.items()})
    seconds = {way: statistics.median(lap[""] for lap in of) for way, of in laps.items()}
    for way, of in laps.items():
        parts = {part: statistics.median(lap[part] for lap in of) for part in of[0] if part}
        cells = [name, way, ", ".join(f"{part} {value:.3g}" for part, value in parts.items()), f"{seconds[way]:.3g}"]
        cells += [f"{seconds[way] / seconds[mine]:.3g}" for mine in ("ours", "ours from scores")]
        print("| " + " | ".join(cells) + " |", flush=True)
    mine = kept["ours"]
    off = {"pytrec_eval, all": 0.0, "pytrec_eval, ten best": 0.0, "torchmetrics": 0.0}
    for cut, by in ((False, "pytrec_eval, all"), (True, "pytrec_eval, ten best")):
        pairs = {**{f"recall_{k}": mine[f"r{k}"] for k in KS}, "map_cut_10": mine["map10"]}
        pairs["recip_rank"] = mine["mrr10"] if cut else kept["reciprocal"]
        off[by] = max(float(np.abs(kept[cut][measure] - value).max()) for measure, value in pairs.items())
    for measure, value in kept["torchmetrics"].items():
        if measure != "map10" or relevance.counts.max() == 1:  # its AP divides by the relevant items found
            off["torchmetrics"] = max(off["torchmetrics"], abs(float(mine[measure][:some].mean()) - value))
    asked = {way: value / seconds["ours from scores"] for way, value in seconds.items()}
    return [
        f"{name}: R@1 {mine['r1'].mean():.3f}, R@10 {mine['r10'].mean():.3f}, mAP@10 {mine['map10'].mean():.3f}.",
        *(f"{name}: {by} differs by {most:.1e}{'' if most <= ALIKE else ': NOT ALIKE'}." for by, most in off.items()),
        f"{name}, from scores: torchmetrics takes {asked[[*ways][-1]]:.0f} times ours (aim: {AIM_TORCH}), pytrec_eval "
        f"on the ten best {asked['pytrec_eval, ten best']:.1f} times (aim: more than 1).",
    ]


def _pytrec(scores: np.ndarray, relevance: Any, kept: dict, read: Callable[[], float]) -> Callable[[bool], Laps]:
    """Return what has pytrec_eval work on the ten best of each query, or on all."""
    import pytrec_eval

    items, asking = [f"d{item}" for item in range(scores.shape[1])], [f"q{row}" for row in range(len(scores))]
    each = np.split(relevance.items, relevance.starts[1:-1])
    truth = {query: {items[item]: 1 for item in found} for query, found in zip(asking, each, strict=True)}
    evaluator = pytrec_eval.RelevanceEvaluator(truth, {"recall_1,5,10", "map_cut_10", "recip_rank"})

    def do(cut: bool) -> Laps:
        times = [read()]
        if cut:
            place = np.argpartition(scores, -10, axis=1)[:, -10:]
            value = np.take_along_axis(scores, place, axis=1)
            times.append(read())
            best = zip(asking, place.tolist(), value.tolist(), strict=True)
            run = {query: {items[item]: score for item, score in zip(*of, strict=True)} for query, *of in best}
        else:
            run = {
                query: dict(zip(items, row.tolist(), strict=True)) for query, row in zip(asking, scores, strict=True)
            }
        times.append(read())
        found = evaluator.evaluate(run)
        times.append(read())
        kept[cut] = {measure: np.array([found[query][measure] for query in asking]) for measure in found[asking[0]]}
        names = (["ten best"] if cut else []) + ["dicts", "evaluation"]
        return dict(zip(names, np.diff(times).tolist(), strict=True))

    return do


def _torchmetrics(scores: np.ndarray, relevance: Any, kept: dict, read: Callable[[], float]) -> Callable[[], Laps]:
    """Return what has torchmetrics work on a table of scores."""
    import torch
    from torchmetrics.retrieval import RetrievalMAP, RetrievalMRR, RetrievalRecall

    target = np.zeros(scores.shape, dtype=bool)
    pairs = relevance.starts[len(scores)]
    target[np.repeat(np.arange(len(scores)), relevance.counts[: len(scores)]), relevance.items[:pairs]] = True
    given = torch.from_numpy(scores.copy()), torch.from_numpy(target)
    indexes = torch.arange(len(scores)).repeat_interleave(scores.shape[1]).reshape(scores.shape)

    def do() -> Laps:
        metrics = {f"r{k}": RetrievalRecall(top_k=k) for k in KS}
        metrics |= {"map10": RetrievalMAP(top_k=10), "mrr10": RetrievalMRR(top_k=10)}
        kept["torchmetrics"], laps = {}, {}
        for name, metric in metrics.items():
            start = read()
            metric.update(*given, indexes=indexes)
            kept["torchmetrics"][name] = float(metric.compute())
            laps[name] = read() - start
        return laps

    return do


def bootstrap(options: argparse.Namespace) -> None:
    """Time what evaluation does for a dataset."""
    import pandas as pd

    from clapline.metrics.scores import Side
    from clapline.model.gallery import VectorGallery
    from stages.evaluate.benchmarks import retrieval_benchmarks
    from stages.evaluate.encoded import Encoded
    from stages.evaluate.results import compare
    from stages.evaluate.retrieval import direction_parts

    ids, each = [f"clip {row}" for row in range(options.clips)], range(options.captions_per_clip)
    captions = [[f"caption {caption} of {clip}" for caption in each] for clip in ids]
    clips = pd.DataFrame({"dataset": "toy", "clip_id": ids, "captions": captions})
    (benchmark,) = retrieval_benchmarks(clips, pd.DataFrame(columns=["dataset", "clip_id", "level"]))
    rows = {("toy", clip): row for row, clip in enumerate(ids)}
    words = {text: row for row, text in enumerate(text for texts in captions for text in texts)}
    models, read, laps = [], clock(), []
    for name, signal in (("teacher", 0.9 * options.signal), ("student", options.signal)):
        random = np.random.default_rng([options.seed, len(models)])
        audio, text = drawn(random, options.clips, options.captions_per_clip, options.dimension, signal)
        models.append(Encoded(name, Side(VectorGallery(audio)), Side(text), text[0], rows, words))
    for _ in range(options.repeats):
        times = [read()]
        measured = [direction_parts(benchmark, model, options.seed) for model in models]
        times.append(read())
        results = []
        for first, second in zip(*measured, strict=True):
            results.append(compare(first, second, options.resamples, options.seed))
            times.append(read())
        laps.append([*np.diff(times), times[-1] - times[0]])
    values = [statistics.median(column) for column in zip(*laps, strict=True)]
    counted = " and ".join(str(len(of)) for of in results)
    print(f"\nbootstrap: {options.clips:,} clips, {len(words):,} captions, {options.resamples:,} resamples, ")
    print(f"{counted} measures, medians of {options.repeats}\n\n| what | seconds |\n|---|---|")
    names = ("values per query", "resamples, text to audio", "resamples, audio to text", "whole")
    for name, value in zip(names, values, strict=True):
        print(f"| {name} | {value:.2f}{f' (aim: {AIM_BOOTSTRAP_S})' if name == 'whole' else ''} |")


def scale(options: argparse.Namespace) -> None:
    """Time `relevant_ranks` and take its memory, for growing sizes."""
    clips, per_clip = options.scale_clips, options.scale_captions // options.scale_clips
    print(f"\nscale: up to {clips:,} clips x {options.scale_captions:,} captions x {options.dimension}\n")
    titles = (
        "queries | gallery | seconds | CPU s | GFLOP/s | embeddings MiB | before MiB | peak MiB | peak / embeddings"
    )
    print(f"| direction | {titles} | R@10 |\n" + "|---" * 11 + "|", flush=True)
    found: dict[str, list[tuple[float, ...]]] = {"text to audio": [], "audio to text": []}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        shape = {"clips": clips, "per_clip": per_clip, "dim": options.dimension}
        child({"folder": folder, "seed": options.seed, "signal": options.signal, **shape})
        for fraction in options.fractions:
            count = max(2, round(fraction * clips))
            for name in found:
                got = child({"folder": folder, "count": count, "per_clip": per_clip, "back": name == "audio to text"})
                queries, gallery, both = got["queries"], got["gallery"], got["embeddings"]
                rate = 2e-9 * queries * gallery * options.dimension / got["seconds"]
                sizes = f"{both:.0f} | {got['before']:.0f} | {got['peak']:.0f} | {got['peak'] / both:.2f}"
                print(f"| {name} | {queries:,} | {gallery:,} | {got['seconds']:.2f} | {got['cpu']:.2f} ", end="")
                print(f"| {rate:.1f} | {sizes} | {got['r10']:.3f} |", flush=True)
                found[name].append((queries * gallery, got["peak"], both, got["seconds"]))
    if options.figure:
        draw(found, options.figure)


def child(given: dict[str, Any]) -> dict[str, Any]:
    """Return what a process of its own finds."""
    command = [sys.executable, __file__, "--child", json.dumps(given)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def write_rows(folder: str, seed: int, signal: float, clips: int, per_clip: int, dim: int) -> dict[str, Any]:
    """Write the rows of both sides, some clips at a time."""
    random, places = np.random.default_rng(seed), Path(folder)
    sides = [
        np.lib.format.open_memmap(places / f"{name}.npy", "w+", np.float32, (count, dim))
        for name, count in (("audio", clips), ("text", clips * per_clip))
    ]
    for start in range(0, clips, 2048):
        stop = min(start + 2048, clips)
        sides[0][start:stop], sides[1][start * per_clip : stop * per_clip] = drawn(
            random, stop - start, per_clip, dim, signal
        )
    return {}


def measure(folder: str, count: int, per_clip: int, back: bool) -> dict[str, Any]:
    """Rank the first clips and their captions."""
    from clapline.metrics.retrieval import Relevance, recall_at_k, relevant_ranks

    audio, text = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in ("audio", "text"))
    audio, text = audio[:count], text[: count * per_clip]
    owner, caption = np.repeat(np.arange(count), per_clip), np.arange(len(text))
    queries, gallery, pairs = (audio, text, (owner, caption)) if back else (text, audio, (caption, owner))
    relevance = Relevance.from_pairs(*pairs, len(queries), len(gallery))
    before, start, cpu = _highest(), time.perf_counter(), time.process_time()
    ranks = relevant_ranks(queries, gallery, relevance)
    return {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "before": before,
        "peak": _highest(),
        "embeddings": (audio.nbytes + text.nbytes) / 2**20,
        "queries": len(queries),
        "gallery": len(gallery),
        "r10": float(recall_at_k(ranks, relevance, 10).mean()),
    }


def _highest() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**10 if sys.platform == "linux" else 2**20)


def draw(found: dict[str, list[tuple[float, ...]]], path: Path) -> None:
    """Draw memory and time against queries x gallery."""
    from clapline.figures import new_figure, save_figure

    figure = new_figure(7.2, 3.2)
    memory, seconds = figure.subplots(1, 2)
    for name, rows in found.items():
        pairs, peak, embeddings, taken = zip(*rows, strict=True)
        memory.plot(pairs, peak, marker=".", label=name)
        seconds.plot(pairs, taken, marker=".", label=name)
    memory.plot(pairs, embeddings, marker=".", linestyle=":", color="#718096", label="the embeddings")
    for panel, title in ((memory, "peak memory, MiB"), (seconds, "seconds")):
        panel.set_title(title, fontsize="medium")
        panel.set_xscale("log")
        panel.set_yscale("log")
    memory.legend(frameon=False, fontsize="small")
    figure.supxlabel("queries x gallery", fontsize="medium")
    save_figure(figure, path)


if __name__ == "__main__":
    main()
