"""What the report says about topics: the map, the table of topics, and where the sources differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from clapline.chapter import Block, Chapter, plot, table, text, write_chapter
from clapline.text.topics import OUTLIER
from stages.analyse.drift import Drift
from stages.analyse.sources import MEANING, source_names
from stages.analyse.topic_map import MAP_FIGURE, MAP_PLOT
from stages.analyse.topic_model import Fitted
from stages.analyse.topic_sources import source_blocks

_TABLE_TOPICS = 50
_TABLE_WORDS = 6


def topic_rows(captions: pd.DataFrame, fitted: Fitted) -> list[dict[str, object]]:
    """Return one row per topic (outliers, -1, last): size, words, and the share of each source's captions in it.

    `captions` are the modelled rows with their `source`, in the order of `fitted.assignments`.
    """
    sources = source_names(captions)
    counts = pd.crosstab(fitted.assignments, captions["source"].to_numpy()).reindex(columns=sources)
    shares = counts / captions["source"].value_counts()[sources]
    rows: list[dict[str, object]] = []
    for topic in [*range(len(fitted.topics.words)), OUTLIER]:
        inside = topic in counts.index
        rows.append(
            {
                "topic": topic,
                "size": int(counts.loc[topic].sum()) if inside else 0,
                "words": " ".join(fitted.topics.words[topic]) if topic != OUTLIER else "",
                **{_share(name): float(shares.loc[topic, name]) if inside else 0.0 for name in sources},
            }
        )
    return rows


def write_topics_chapter(
    folder: Path,
    rows: Sequence[dict[str, object]],
    fitted: Fitted,
    captions: pd.DataFrame,
    drifts: Mapping[str, Drift],
) -> None:
    """Write `chapter.json`. `rows` come from `topic_rows`; the pictures are drawn before."""
    blocks: list[Block] = [text(f"{_opening(fitted, len(captions))} {MEANING}")]
    if fitted.topics.words:
        blocks += [
            plot(
                "The largest topics on a map (UMAP): near means similar wording; distances between far groups mean "
                "little. Numbers stand over the middle of each topic. At most 2,000 captions of these topics and 1,000 "
                "others are drawn.",
                MAP_PLOT,
                MAP_FIGURE,
            ),
            _topic_table(rows, source_names(captions)),
            *source_blocks(captions, fitted, drifts),
        ]
    write_chapter(folder, Chapter("Topics", blocks))


def _topic_table(rows: Sequence[dict[str, object]], sources: list[str]) -> Block:
    shown = [*rows[: min(_TABLE_TOPICS, len(rows) - 1)], rows[-1]]
    left = len(rows) - len(shown)
    more = f" {left} smaller ones are in topics.tsv." if left else ""
    return table(
        f"Topics, largest first, and the share of each source's captions that falls into them (%).{more}",
        ["topic", "captions", "words", *sources],
        [
            [
                "none" if row["topic"] == OUTLIER else row["topic"],
                row["size"],
                ", ".join(str(row["words"]).split()[:_TABLE_WORDS]),
                *(round(100 * row[_share(name)], 2) for name in sources),
            ]
            for row in shown
        ],
    )


def _share(source: str) -> str:
    return f"share_{source.replace(' ', '_')}"


def _opening(fitted: Fitted, captions: int) -> str:
    count = len(fitted.topics.words)
    outliers = int((fitted.assignments == OUTLIER).sum())
    method = "TF-IDF and SVD" if fitted.topics.embedding == "tfidf" else fitted.topics.embedding
    lost = f" {fitted.unplaced} captions hold no word that the embedding knows." if fitted.unplaced else ""
    if not count:
        return f"No topic was found among {captions} captions ({method}): too few, or too much alike or apart.{lost}"
    return (
        f"BERTopic found {count} topics among {captions} captions ({method}, UMAP, HDBSCAN); {outliers} captions "
        f"({outliers / captions:.0%}) belong to none.{lost}"
    )
