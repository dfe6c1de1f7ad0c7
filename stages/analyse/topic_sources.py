"""Topics by source of captions: shares, drift from the originals, and which topics a source has more or less of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from clapline.chapter import Block, Cell, figure, table, text
from clapline.figures import PALETTE, new_figure, save_figure
from clapline.randomness import generator
from clapline.text.embedding import TFIDF
from clapline.text.topics import OUTLIER
from stages.analyse.drift import PERMUTATIONS, Drift, drift
from stages.analyse.sources import ORIGINAL, source_names
from stages.analyse.topic_map import topic_name
from stages.analyse.topic_model import Fitted

SHARES_FIGURE = "sources.svg"
SIGNIFICANT = 0.05
_MOST_DIFFERENT = 6  # topics named for each source
_NONE = "none"


def source_drifts(captions: pd.DataFrame, fitted: Fitted, seed: int) -> dict[str, Drift]:
    """Return the drift of each source from the originals. `captions` are the modelled rows.

    The originals are those of the datasets that the source covers: a dataset without paraphrases is no drift.
    """
    others = [name for name in source_names(captions) if name != ORIGINAL]
    clips = pd.factorize(captions["dataset"] + "\x1f" + captions["clip_id"])[0]
    found = {}
    for name in others:
        covered = captions["dataset"].isin(captions["dataset"][captions["source"] == name])
        part = np.flatnonzero(covered & captions["source"].isin([name, ORIGINAL]))
        inside = (captions["source"].iloc[part] == name).to_numpy()
        if inside.all():
            continue
        draws = generator(seed, "topics", "drift", name)
        topics = fitted.assignments[part]
        found[name] = drift(clips[part], inside, topics, len(fitted.topics.words), draws, len(others))
    return found


def drift_summary(drifts: Mapping[str, Drift]) -> dict[str, dict[str, Cell]]:
    """Return what the summary says of each source's drift."""
    return {
        name: {
            "jensen_shannon_distance": item.distance,
            "by_chance_mean": item.control,
            "by_chance_95th_percentile": item.control_95,
            "p_value": item.p_value,
            "topics_with_more": int(((item.p_values < SIGNIFICANT) & (item.shares > item.reference))[:-1].sum()),
            "topics_with_less": int(((item.p_values < SIGNIFICANT) & (item.shares < item.reference))[:-1].sum()),
        }
        for name, item in drifts.items()
    }


def drift_rows(drifts: Mapping[str, Drift]) -> list[dict[str, object]]:
    """Return one row per source and topic (-1 for none, last): both shares and the p-value of their difference."""
    return [
        {
            "source": name,
            "topic": topic if topic < len(item.shares) - 1 else OUTLIER,
            "share": item.shares[topic],
            "share_original": item.reference[topic],
            "p_value": item.p_values[topic],
        }
        for name, item in drifts.items()
        for topic in range(len(item.shares))
    ]


def draw_shares(path: Path, captions: pd.DataFrame, fitted: Fitted, shown: int) -> None:
    """Draw a row per large topic with a dot for each source at its share."""
    sources = source_names(captions)
    topics = fitted.topics.words[:shown]
    picture = new_figure(7.4, 1.2 + 0.25 * len(topics))
    panel = picture.subplots()
    shares = np.array(
        [
            [100 * (fitted.assignments[captions["source"] == name] == topic).mean() for topic in range(len(topics))]
            for name in sources
        ]
    )
    rows = np.arange(len(topics))
    panel.hlines(rows, shares.min(axis=0), shares.max(axis=0), color="#cbd5e0", linewidth=2, zorder=1)
    for place, name in enumerate(sources):
        style = {"s": 34, "marker": "D"} if name == ORIGINAL else {"s": 26, "marker": "o"}
        # Beside each other, so that equal shares do not hide one another.
        beside = rows + 0.16 * (place - (len(sources) - 1) / 2)
        panel.scatter(shares[place], beside, color=PALETTE[place % len(PALETTE)], label=name, zorder=2, **style)
    panel.set_yticks(rows, [topic_name(topic, words) for topic, words in enumerate(topics)])
    panel.set(xlabel="captions of the source (%)", xlim=(0, None), ylim=(len(rows) - 0.4, -0.6))
    panel.grid(axis="y", color="#edf2f7", zorder=0)
    picture.legend(loc="outside upper center", ncols=5, frameon=False)
    save_figure(picture, path)


def source_blocks(captions: pd.DataFrame, fitted: Fitted, drifts: Mapping[str, Drift]) -> list[Block]:
    """Return the part of the chapter that compares sources. The figure is drawn before."""
    rows: list[list[Cell]] = []
    for name in source_names(captions):
        inside = fitted.assignments[captions["source"] == name]
        none = int((inside == OUTLIER).sum())
        item = drifts.get(name)
        rows.append(
            [
                name,
                len(inside),
                none,
                round(100 * none / len(inside), 2),
                *((item.distance, item.control, item.control_95, item.p_value) if item else [None] * 4),
            ]
        )
    caution = (
        "Topics are wording as much as subject: a source with turns of phrase of its own forms topics of its own. "
    )
    if fitted.topics.embedding == TFIDF:
        caution += "TF-IDF knows words only; with a sentence encoder (topics.embedding) subjects weigh more. "
    blocks = [
        text(f"{caution}Read a drift as a difference of sounds only where the topics' words say so."),
        figure("The largest topics by source: the share of each source's captions.", SHARES_FIGURE),
        table(
            "Captions in no topic, and drift: the Jensen-Shannon distance (0 to 1) between a source's topics and the "
            f"originals'. By chance: the same over {PERMUTATIONS} swaps of the two sources, clip by clip; few captions "
            "lie apart by chance alone. p is corrected for the number of sources.",
            ["source", "captions", "in none", "in none, %", "distance", "by chance, mean", "95th percentile", "p"],
            rows,
        ),
    ]
    if drifts:
        blocks.append(_different(fitted, drifts))
    return blocks


def _different(fitted: Fitted, drifts: Mapping[str, Drift]) -> Block:
    rows: list[list[Cell]] = []
    for name, item in drifts.items():
        gap = item.shares - item.reference
        told = [topic for topic in np.argsort(-np.abs(gap), kind="stable") if item.p_values[topic] < SIGNIFICANT]
        rows += [
            [
                name,
                "more" if gap[topic] > 0 else "less",
                topic_name(int(topic), fitted.topics.words[topic]) if topic < len(gap) - 1 else _NONE,
                round(100 * item.shares[topic], 2),
                round(100 * item.reference[topic], 2),
                round(float(item.p_values[topic]), 4),
            ]
            for topic in told[:_MOST_DIFFERENT]
        ]
    if not rows:
        return text(
            "No topic is more or less frequent in a source than in the originals beyond chance (p < "
            f"{SIGNIFICANT:g} for all topics and sources at once)."
        )
    return table(
        f"Where a source has more or less of a topic than the originals beyond chance: at most {_MOST_DIFFERENT} a "
        "source, largest difference first; the originals are those of the datasets that the source covers. p holds "
        "for all topics and sources at once; all are in drift.tsv.",
        ["source", "has", "topic", "source, %", "original, %", "p"],
        rows,
    )
