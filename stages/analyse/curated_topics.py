"""`python -m stages.analyse.curated_topics`: which topics curation adds to, and how often by one caption."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from clapline.errors import door
from clapline.params.base import read_seed
from clapline.randomness import generator
from clapline.storage import atomic_folder, write_json, write_text
from clapline.tables.clips import CLIPS
from clapline.tables.pairs import PAIRS
from clapline.text.topics import Topics
from stages.analyse.curated_chapter import SHARES_FIGURE, draw_shares, write_curated_chapter
from stages.analyse.curated_shares import compare_curated, placed_in, summarise

REPORT = Path("reports/curated_topics")


@door
def main() -> None:
    """Assign original and curated captions to the fitted topics, the same way, and write `reports/curated_topics/`."""
    seed = read_seed()
    topics = Topics.load("reports/topics/model")
    pairs = PAIRS.read("data/curated/pairs.parquet")
    clips = CLIPS.read("data/captioned/paired.parquet")
    original = clips.loc[clips["split"] == "train", ["dataset", "clip_id", "captions"]].explode("captions")
    original = original.dropna().rename(columns={"captions": "text"})
    # `dataset` and `clip_id` name the clip that the caption was written for, as among the originals.
    curated = pairs[["text_dataset", "text_clip_id", "text", "dataset", "clip_id"]].rename(
        columns={
            "dataset": "audio_dataset",
            "clip_id": "audio_id",
            "text_dataset": "dataset",
            "text_clip_id": "clip_id",
        }
    )
    original, curated = placed_in(topics, original, curated)
    found = None
    if len(original) and len(curated) and topics.words:
        found = compare_curated(original, curated, len(topics.words), generator(seed, "curated_topics", "drift"))
    summary = summarise(original, curated, topics, found)
    with atomic_folder(REPORT) as folder:
        write_json(folder / "summary.json", summary)
        if found is not None:
            write_text(folder / "topics.tsv", _tsv(found.rows(topics.words)))
            draw_shares(folder / SHARES_FIGURE, found, topics.words)
        write_curated_chapter(folder, summary, found, topics.words)
    side = summary["curated"]
    print(
        f"curated_topics: {len(curated)} curated pairs in {side['topics']} of {len(topics.words)} topics, "
        f"{side['in_none']} in none"
    )


def _tsv(rows: list[dict[str, object]]) -> str:
    return pd.DataFrame(rows).to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
