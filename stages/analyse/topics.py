"""`python -m stages.analyse.topics`: what the captions talk about, and where their sources differ."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from clapline.errors import UserError, door
from clapline.params.base import read_section, read_seed
from clapline.params.topics import Topics
from clapline.storage import atomic_folder, write_json, write_text
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from clapline.tables.topics import ASSIGNMENTS
from clapline.text.topics import OUTLIER
from stages.analyse.sources import caption_sources
from stages.analyse.topic_chapter import MAP_FIGURE, draw_map, topic_rows, write_topics_chapter
from stages.analyse.topic_model import draw_evenly, fit_topics

REPORT = Path("reports/topics")


@door
def main() -> None:
    """Read the three caption tables, fit topics to a fair draw of them, write `reports/topics/`."""
    settings, seed = read_section("topics", Topics), read_seed()
    everything = caption_sources(
        CLIPS.read("data/captioned/paired.parquet"),
        PARAPHRASES.read("data/captions/paraphrases_train.parquet"),
        SYNTHETIC.read("data/captions/synthetic.parquet"),
    )
    if everything.empty:
        raise UserError("topics: no captions in data/captioned/paired.parquet; the role `paired` needs clips")
    captions = draw_evenly(everything, settings.maximum_captions, seed)
    fitted = fit_topics(list(captions["text"]), settings, seed)
    rows = topic_rows(captions, fitted)
    outliers = int((fitted.assignments == OUTLIER).sum())
    summary = {
        "embedding": settings.embedding,
        "captions": len(captions),
        "topics": len(fitted.topics.words),
        "outliers": outliers,
        "captions_without_known_words": fitted.unplaced,
        "by_source": {name: int(count) for name, count in captions["source"].value_counts(sort=False).items()},
    }
    with atomic_folder(REPORT) as folder:
        write_json(folder / "summary.json", summary)
        write_text(folder / "topics.tsv", _tsv(rows))
        assigned = captions.assign(topic=fitted.assignments, x=fitted.places[:, 0], y=fitted.places[:, 1])
        ASSIGNMENTS.write(folder / "assignments.parquet", assigned)
        fitted.topics.save(folder / "model")
        if fitted.topics.words:
            draw_map(folder / MAP_FIGURE, fitted, settings.shown_topics)
        write_topics_chapter(folder, rows, fitted, captions)
    print(f"topics: {summary['topics']} among {len(captions)} captions, {outliers} captions in none")


def _tsv(rows: list[dict[str, object]]) -> str:
    return pd.DataFrame(rows).to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
