"""`python benchmarks/topics.py`: seconds and topics on the mirror's own captions, by size of the smallest topic.

    --corpus clotho --embedding all-MiniLM-L6-v2    Clotho's development captions (19,195)
    --corpus all --embedding tfidf                  Clotho, AudioCaps and the part of WavCaps that the mirror holds
    --corpus sources --embedding tfidf              Clotho's development captions beside phi-4's of the same clips

One thread; libraries are imported before the clock starts. The layout is made once and serves every size. The
processor's seconds stand beside those of the clock, as other work may run. `--check` does all of it twice and
compares. Reads `$CLAPLINE_MIRROR`, else `shared/mirror` beside the repository.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from clapline.params.topics import Topics as Settings  # noqa: E402
from clapline.storage import mirror  # noqa: E402
from clapline.text.embedding import TFIDF  # noqa: E402
from clapline.text.topics import OUTLIER  # noqa: E402
from stages.analyse.drift import Drift  # noqa: E402
from stages.analyse.topic_model import Fitted, place_captions, topics_among  # noqa: E402
from stages.analyse.topic_sources import drift_summary, source_drifts  # noqa: E402

SHOWN = 10


def main() -> None:
    """Lay the captions out, cluster them once per size, and print a table and the words of the largest topics."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", choices=["clotho", "all", "sources"], default="clotho")
    parser.add_argument("--embedding", default=TFIDF)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50, 100])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="do it twice; the same must come out")
    arguments = parser.parse_args()
    table = read_captions(arguments.corpus)
    settings = Settings(embedding=arguments.embedding, maximum_captions=None)
    rounds = [measure(list(table["text"]), settings, arguments) for _ in range(1 + arguments.check)]
    for size, fitted in rounds[0].items():
        print(f"largest of at least {size}:")
        for topic, words in enumerate(fitted.topics.words[:SHOWN]):
            print(f"{(fitted.assignments == topic).sum():>8}  {' '.join(words)}")
        if arguments.corpus == "sources":
            print_drift(table, fitted, arguments.seed)
    if arguments.check:
        one, other = rounds
        same = all(
            (one[size].assignments == other[size].assignments).all() and (one[size].places == other[size].places).all()
            for size in one
        )
        print("both runs give the same topics and places" if same else "THE RUNS DIFFER")


def measure(captions: list[str], settings: Settings, arguments: argparse.Namespace) -> dict[int, Fitted]:
    """Return the topics by size of the smallest, and print how long each took."""
    import bertopic  # noqa: F401
    import sentence_transformers  # noqa: F401
    import umap  # noqa: F401

    start = Clock()
    placed = place_captions(captions, settings, arguments.seed)
    layout = start.passed()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(captions)} captions of {arguments.corpus}, {arguments.embedding}: layout {layout[0]:.0f} s "
        f"({layout[1]:.0f} s of the processor), peak {memory:.1f} GiB"
    )
    print(f"{'smallest':>8}{'topics':>8}{'in none':>9}{'seconds in all':>16}{'processor':>11}")
    found = {}
    for size in arguments.sizes:
        start = Clock()
        fitted = topics_among(captions, placed, settings.model_copy(update={"minimum_topic_size": size}))
        seconds = start.passed() + layout
        none = (fitted.assignments == OUTLIER).mean()
        print(f"{size:>8}{len(fitted.topics.words):>8}{none:>9.1%}{seconds[0]:>16.0f}{seconds[1]:>11.0f}", flush=True)
        found[size] = fitted
    return found


def print_drift(table: pd.DataFrame, fitted: Fitted, seed: int) -> None:
    """Print how far the language model's topics lie from the people's, and the topics that differ most."""
    drift = source_drifts(table, fitted, seed)["synthetic"]
    print(f"  synthetic in none: {_shares(drift, -1)}; {drift_summary({'synthetic': drift})['synthetic']}")
    for topic in np.argsort(-np.abs(drift.shares - drift.reference)[:-1])[:SHOWN]:
        words = " ".join(fitted.topics.words[topic][:5])
        print(f"  {_shares(drift, topic)}, p {drift.p_values[topic]:.3f}  {words}")


class Clock:
    """Seconds since it was made: of the clock and of the processor."""

    def __init__(self) -> None:
        self.start = np.array([time.perf_counter(), time.process_time()])

    def passed(self) -> np.ndarray:
        """Return both, `(2,)`."""
        return np.array([time.perf_counter(), time.process_time()]) - self.start


def read_captions(corpus: str) -> pd.DataFrame:
    """Return captions with dataset, clip_id and source; all but phi-4's (synthetic) are called original."""
    folder = mirror() or ROOT.parent / "shared/mirror"
    splits = ("development", "validation", "evaluation") if corpus == "all" else ("development",)
    rows = []
    for split in splits:
        for clip in _rows(folder / f"clotho/clotho_captions_{split}.csv"):
            rows += [("clotho", clip["file_name"], "original", clip[f"caption_{number}"]) for number in range(1, 6)]
    if corpus == "all":
        for split in ("train", "val"):
            rows += [
                ("audiocaps", clip["youtube_id"], "original", clip["caption"])
                for clip in _rows(folder / f"audiocaps/{split}.csv")
            ]
        for path in sorted(folder.glob("wavcaps/json_files/*/*_final.json")):
            clips = json.loads(path.read_text(encoding="utf-8"))["data"]
            rows += [("wavcaps", str(clip["id"]), "original", clip["caption"]) for clip in clips]
    if corpus == "sources":
        for clip in _rows(folder / "clotho/clotho_captions_development_plus_phi_generated.csv"):
            rows += [("clotho", clip["file_name"], "synthetic", clip[f"caption_{number}"]) for number in range(6, 11)]
    return pd.DataFrame(rows, columns=["dataset", "clip_id", "source", "text"])


def _shares(drift: Drift, topic: int) -> str:
    return f"{100 * drift.shares[topic]:.2f} % against {100 * drift.reference[topic]:.2f} %"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
