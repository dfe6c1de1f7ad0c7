"""`python benchmarks/richness.py`: seconds that the stage's measures and pictures take on all real captions at hand.

Captions: Clotho's (its three splits, and phi-4's for the development clips), AudioCaps' and WavCaps' (SoundBible) out
of `CLAPLINE_MIRROR`, each dataset for itself and all together, as `python -m stages.analyse.richness` does it, in one
process.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas as pd

from clapline.params.richness import Richness
from clapline.storage import mirror, read_json
from stages.analyse.lexical import ALL_DATASETS, measure_sources
from stages.analyse.lexical_chapter import write_richness_chapter
from stages.analyse.lexical_comparison import compare_sources
from stages.analyse.lexical_files import read_captions
from stages.analyse.sources import ORIGINAL, SYNTHETIC

CLOTHO = "clotho/clotho_captions_{}.csv"


def main() -> None:
    """Print how long each part takes, and what was measured per dataset and source."""
    root = mirror()
    if root is None:
        raise SystemExit("set CLAPLINE_MIRROR to a folder with clotho/, audiocaps/ and wavcaps/")
    threshold = Richness().mtld_threshold
    start = time.perf_counter()
    captions = _captions(root)
    read = time.perf_counter()
    measures = measure_sources(captions, threshold)
    measured = time.perf_counter()
    comparisons = compare_sources(measures, ORIGINAL, threshold)
    compared = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_richness_chapter(Path(folder), measures, comparisons, threshold)
    drawn = time.perf_counter()
    words = sum(item.numbers["words"] for item in measures if item.dataset == ALL_DATASETS)
    print(f"{len(captions)} captions, {words} words, one process, {os.cpu_count()} cores\n")
    print("| reading | measures | comparisons | pictures and chapter | together |")
    print("|---|---|---|---|---|")
    parts = (read - start, measured - read, compared - measured, drawn - compared, drawn - start)
    print(f"| {' | '.join(f'{seconds:.1f} s' for seconds in parts)} |\n")
    print("| dataset | source | captions | MTLD per caption | MTLD per clip | MTLD of the corpus |")
    print("|---|---|---|---|---|---|")
    for item in measures:
        values = (item.numbers[f"mtld_{name}"] for name in ("caption_mean", "clip_mean", "corpus"))
        cells = [item.dataset, item.source, str(item.numbers["captions"]), *(f"{value:.2f}" for value in values)]
        print(f"| {' | '.join(cells)} |")


def _captions(root: Path) -> pd.DataFrame:
    human = [
        ("clotho", f"{split}/{clip}", ORIGINAL, text)
        for split in ("development", "validation", "evaluation")
        for clip, text in read_captions(root / CLOTHO.format(split))
    ]
    human += [
        ("audiocaps", clip, ORIGINAL, text)
        for split in ("train", "val")
        for clip, text in read_captions(root / f"audiocaps/{split}.csv")
    ]
    soundbible = read_json(root / "wavcaps/json_files/SoundBible/sb_final.json")["data"]
    human += [("wavcaps", clip["id"], ORIGINAL, clip["caption"]) for clip in soundbible]
    generated = [
        ("clotho", f"development/{clip}", SYNTHETIC, text)
        for clip, text in read_captions(root / CLOTHO.format("development_plus_phi_generated"), (6, 10))
    ]
    rows = pd.DataFrame([*human, *generated], columns=["dataset", "clip_id", "source", "text"])
    return rows.assign(caption_index=0)


if __name__ == "__main__":
    main()
