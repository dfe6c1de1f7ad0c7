"""What the report says about topics: the map, the table of topics, and where the sources differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from clapline.chapter import Block, Chapter, figure, table, text, write_chapter
from clapline.figures import new_figure, save_figure
from clapline.text.topics import OUTLIER
from stages.analyse.sources import MEANING, source_names
from stages.analyse.topic_model import Fitted

MAP_FIGURE = "map.svg"
_SHOWN_WORDS = 3
# Beyond this the dots cover each other and the SVG only grows.
_MAP_POINTS = 3000


def topic_rows(captions: pd.DataFrame, fitted: Fitted) -> list[dict[str, object]]:
    """Return one row per topic (outliers, -1, last): size, words, and the share of each source's captions in it.

    `captions` are the modelled rows with their `source`, in the order of `fitted.assignments`.
    """
    sources = source_names(captions)
    totals = {name: int((captions["source"] == name).sum()) for name in sources}
    rows: list[dict[str, object]] = []
    for topic in [*range(len(fitted.topics.words)), OUTLIER]:
        inside = captions["source"][fitted.assignments == topic]
        words = fitted.topics.words[topic] if topic != OUTLIER else []
        shares = {f"share_{name.replace(' ', '_')}": int((inside == name).sum()) / totals[name] for name in sources}
        rows.append({"topic": topic, "size": len(inside), "words": " ".join(words), **shares})
    return rows


def draw_map(path: Path, fitted: Fitted, shown: int) -> None:
    """Draw the captions of the largest topics in two dimensions, numbered at the centroids, named in the legend."""
    topics = fitted.topics.words[:shown]
    rows = -(-len(topics) // 2)
    picture = new_figure(8.2, 5.2 + 0.2 * rows)
    panel = picture.subplots()
    known = np.isfinite(fitted.places).all(axis=1)
    step = max(1, -(-int(known.sum()) // _MAP_POINTS))
    thinned = np.zeros(len(known), bool)
    thinned[np.flatnonzero(known)[::step]] = True
    rest = thinned & ((fitted.assignments == OUTLIER) | (fitted.assignments >= len(topics)))
    panel.scatter(*fitted.places[rest].T, s=3, color="#cbd5e0", linewidths=0, label="other or none")
    colours = _colours(len(topics))
    for topic, words in enumerate(topics):
        members = known & (fitted.assignments == topic)
        panel.scatter(
            *fitted.places[members & thinned].T,
            s=6,
            color=colours[topic],
            linewidths=0,
            label=f"{topic}: {', '.join(words[:_SHOWN_WORDS])}",
        )
        panel.annotate(
            str(topic),
            _middle(fitted.places[members]),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colours[topic], "alpha": 0.85},
        )
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)
    picture.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9, markerscale=2.5)
    save_figure(picture, path)


def _middle(places: np.ndarray) -> np.ndarray:
    """Return the place, of `(n, 2)`, nearest to the median: on the topic even where it lies in two parts."""
    return places[((places - np.median(places, axis=0)) ** 2).sum(axis=1).argmin()]


def write_topics_chapter(
    folder: Path, rows: Sequence[dict[str, object]], fitted: Fitted, captions: pd.DataFrame
) -> None:
    """Write `chapter.json`. `rows` come from `topic_rows`; the map is drawn before."""
    sources = source_names(captions)
    count = len(fitted.topics.words)
    outliers = int((fitted.assignments == OUTLIER).sum())
    blocks: list[Block] = [text(f"{_opening(count, len(captions), outliers, fitted)} {MEANING}")]
    if count:
        blocks.append(
            figure(
                "The largest topics on a map (UMAP): near means similar wording; distances between far groups mean "
                "little. Numbers stand over the middle of each topic.",
                MAP_FIGURE,
            )
        )
        shares = [f"share_{name.replace(' ', '_')}" for name in sources]
        blocks.append(
            table(
                "Topics, largest first, and the share of each source's captions that falls into them (%).",
                ["topic", "captions", "words", *sources],
                [
                    [
                        "none" if row["topic"] == OUTLIER else row["topic"],
                        row["size"],
                        ", ".join(str(row["words"]).split()[:6]),
                        *(round(100 * row[share], 2) for share in shares),
                    ]
                    for row in rows
                ],
            )
        )
    write_chapter(folder, Chapter("Topics", blocks))


def _opening(count: int, captions: int, outliers: int, fitted: Fitted) -> str:
    method = "TF-IDF and SVD" if fitted.topics.embedding == "tfidf" else fitted.topics.embedding
    lost = f" {fitted.unplaced} captions hold no word that the embedding knows." if fitted.unplaced else ""
    if not count:
        return f"No topic was found among {captions} captions ({method}): too few, or too much alike or apart.{lost}"
    return (
        f"BERTopic found {count} topics among {captions} captions ({method}, UMAP, HDBSCAN); {outliers} captions "
        f"({outliers / captions:.0%}) belong to none.{lost}"
    )


def _colours(count: int) -> list[tuple[float, float, float]]:
    """Return colours that neighbours in the legend do not share: hues by the golden angle, two lightnesses."""
    import colorsys

    return [colorsys.hls_to_rgb((0.58 + 0.381966 * i) % 1, (0.38, 0.55)[i % 2], 0.65) for i in range(count)]
