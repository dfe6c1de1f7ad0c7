"""What the report says about the topics of curated captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clapline.chapter import Block, Cell, Chapter, figure, table, text, write_chapter
from clapline.figures import PALETTE, new_figure, save_figure
from stages.analyse.curated_shares import SIGNIFICANT, Compared
from stages.analyse.drift import PERMUTATIONS

SHARES_FIGURE = "shares.svg"
_SHOWN_TOPICS = 25
_TABLE_TOPICS = 40
_SHOWN_WORDS, _TABLE_WORDS = 3, 6


def draw_shares(path: Path, found: Compared, words: list[list[str]]) -> None:
    """Draw a row per topic, those with most captions on either side, a dot for each side."""
    ours, theirs = 100 * found.drift.shares, 100 * found.drift.reference
    shown = _largest(found)[:_SHOWN_TOPICS]
    rows = np.arange(len(shown))
    picture = new_figure(7.4, 1.2 + 0.25 * len(shown))
    panel = picture.subplots()
    panel.hlines(rows, ours[shown], theirs[shown], color="#cbd5e0", linewidth=2, zorder=1)
    panel.scatter(theirs[shown], rows, s=34, marker="D", color=PALETTE[0], label="original captions", zorder=2)
    panel.scatter(ours[shown], rows, s=30, color=PALETTE[1], label="curated pairs", zorder=3)
    certain = [row for row, topic in enumerate(shown) if found.drift.p_values[topic] < SIGNIFICANT]
    edge = np.maximum(ours[shown], theirs[shown])
    for row in certain:
        panel.annotate("*", (edge[row], row), xytext=(8, -3), textcoords="offset points", ha="center", va="center")
    panel.set_yticks(rows, [_name(topic, words) for topic in shown])
    panel.set(xlabel="share (%)", xlim=(0, 1.05 * float(edge.max()) or 1), ylim=(len(rows) - 0.4, -0.6))
    panel.grid(axis="y", color="#edf2f7", zorder=0)
    picture.legend(loc="outside upper center", ncols=2, frameon=False)
    save_figure(picture, path)


def write_curated_chapter(
    folder: Path, summary: dict[str, dict[str, Any]], found: Compared | None, words: list[list[str]]
) -> None:
    """Write `chapter.json`. `found` is None where there is nothing to compare; the figure is drawn before."""
    blocks: list[Block] = [text(_opening(summary, len(words)))]
    if found is not None:
        blocks += [
            text(_apart(summary["drift"], found, words)),
            figure(
                "The largest topics: the share of the curated pairs beside that of the original captions. A star: the "
                "difference is beyond chance.",
                SHARES_FIGURE,
            ),
            _topic_table(found, words),
        ]
    write_chapter(folder, Chapter("Topics of what curation adds", blocks))


def _opening(summary: dict[str, dict[str, Any]], topics: int) -> str:
    curated, original = summary["curated"], summary["original"]
    if not curated["captions"]:
        return "Curation kept no pair, so it adds captions to no topic."
    said = (
        f"Curation chose {curated['captions']} pairs for {curated['clips']} clips, with {curated['distinct_captions']} "
        f"distinct captions. Half of the pairs share {curated['captions_of_half_the_pairs']} captions; the one used "
        f"most stands in {curated['most_used_caption']}. The choice is as varied as "
        f"{curated['captions_as_if_equally_used']:.0f} captions that are used equally often."
    )
    if curated["pairs_of_original_clips"]:
        said += f" {curated['pairs_of_original_clips']} are pairs of the original training data that curation kept."
    if not topics:
        return f"{said} No topic was found among the captions, so there is none to assign them to."
    if not original["captions"]:
        return f"{said} There are no original training captions to compare with."
    return (
        f"{said} Each caption, original or curated, is assigned to the nearest of the {topics} fitted topics, or to "
        f"none where it lies farther away than 95 % of the topic's own captions: {_share(curated)} of the curated "
        f"pairs and {_share(original)} of the {original['captions']} original training captions are in none."
    )


def _share(side: dict[str, Any]) -> str:
    return f"{100 * side['in_none'] / side['captions']:.1f} %"


def _apart(drift: dict[str, Any], found: Compared, words: list[list[str]]) -> str:
    if drift["jensen_shannon_distance"] is None:
        return "One of the two sides has no caption in any topic, so there is no distance to measure."
    more, less = found.beyond_chance()
    said = (
        f"The topics of the curated pairs lie {drift['jensen_shannon_distance']:.3f} from those of the originals "
        f"(Jensen-Shannon distance, 0 to 1; by chance {drift['by_chance_mean']:.3f}, 95th percentile "
        f"{drift['by_chance_95th_percentile']:.3f} over {PERMUTATIONS} choices as uneven but blind among the "
        f"original training captions; p = "
        f"{drift['p_value']:.3f}). {drift['topics_without_curated']} of {len(words)} topics get no pair."
    )
    for name, topics in (("More", more), ("Less", less)):
        if topics:
            listed = "; ".join(_name(topic, words) for topic in topics[:5])
            further = f" and {len(topics) - 5} others" if len(topics) > 5 else ""
            said += f" {name} frequent among the curated than chance allows: {listed}{further}."
    if not more and not less:
        said += " No single topic is more or less frequent than chance allows, over all of them."
    return said


def _topic_table(found: Compared, words: list[list[str]]) -> Block:
    shown = _largest(found)[:_TABLE_TOPICS]
    rows: list[list[Cell]] = []
    for topic in [*shown, len(words)]:
        ours, theirs = float(found.drift.shares[topic]), float(found.drift.reference[topic])
        rows.append(
            [
                topic if topic < len(words) else "none",
                ", ".join(words[topic][:_TABLE_WORDS]) if topic < len(words) else "",
                int(found.pairs[topic]),
                int(found.captions[topic]),
                round(100 * ours, 2),
                round(100 * theirs, 2),
                round(ours / theirs, 2) if theirs else None,
                round(float(found.drift.p_values[topic]), 4),
            ]
        )
    left = len(words) - len(shown)
    more = f" {left} smaller topics are in topics.tsv." if left else ""
    return table(
        "Topics of curated pairs and of the original training captions, largest first. p holds for all topics at once; "
        f"chance hands the same uneven numbers of uses to other clips, whatever they are about.{more}",
        ["topic", "words", "curated pairs", "distinct", "curated, %", "original, %", "ratio", "p"],
        rows,
    )


def _largest(found: Compared) -> list[int]:
    """Return the topics by their larger share, largest first."""
    largest = np.maximum(found.drift.shares, found.drift.reference)[:-1]
    return [int(topic) for topic in np.argsort(-largest, kind="stable")]


def _name(topic: int, words: list[list[str]]) -> str:
    return f"{topic}: {', '.join(words[topic][:_SHOWN_WORDS])}" if topic < len(words) else "no topic"
