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
from stages.analyse.sources import caption_sources, source_names
from stages.analyse.topic_chapter import topic_rows, write_topics_chapter
from stages.analyse.topic_map import MAP_FIGURE, MAP_PLOT, draw_map, write_map_plot
from stages.analyse.topic_model import draw_evenly, fit_topics
from stages.analyse.topic_sources import SHARES_FIGURE, draw_shares, drift_rows, drift_summary, source_drifts

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
    drifts = source_drifts(captions, fitted, seed) if fitted.topics.words else {}
    none = captions["source"][fitted.assignments == OUTLIER]
    outliers = len(none)
    summary = {
        "embedding": settings.embedding,
        "captions": len(captions),
        "topics": len(fitted.topics.words),
        "outliers": outliers,
        "captions_without_known_words": fitted.unplaced,
        "by_source": {name: int(count) for name, count in captions["source"].value_counts(sort=False).items()},
        "outliers_by_source": {name: int((none == name).sum()) for name in source_names(captions)},
        "drift_from_original": drift_summary(drifts),
    }
    with atomic_folder(REPORT) as folder:
        write_json(folder / "summary.json", summary)
        write_text(folder / "topics.tsv", _tsv(rows))
        if drifts:
            write_text(folder / "drift.tsv", _tsv(drift_rows(drifts)))
        assigned = captions.assign(topic=fitted.assignments, x=fitted.places[:, 0], y=fitted.places[:, 1])
        ASSIGNMENTS.write(folder / "assignments.parquet", assigned)
        fitted.topics.save(folder / "model")
        if fitted.topics.words:
            draw_map(folder / MAP_FIGURE, fitted, settings.shown_topics)
            write_map_plot(folder / MAP_PLOT, fitted, captions, settings.shown_topics)
            draw_shares(folder / SHARES_FIGURE, captions, fitted, settings.shown_topics)
        write_topics_chapter(folder, rows, fitted, captions, drifts)
    print(f"topics: {summary['topics']} among {len(captions)} captions, {outliers} captions in none")


def _tsv(rows: list[dict[str, object]]) -> str:
    return pd.DataFrame(rows).to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
