"""The chapter of curation: how much was kept, how right it is, which captions are hubs, and pairs to listen to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clapline import chapter
from clapline.figures import PALETTE, new_figure, save_figure
from clapline.params.curate import Curate
from clapline.storage import write_json
from stages.curate.choose import Chosen
from stages.curate.listening import Listening
from stages.curate.summary import HUBS, RANKED, hubs

NAMES = {
    "du": "DU (domain-unspecific)",
    "ds": "DS (domain-specific)",
    "ads": "ADS (audio-domain-specific, with DS)",
    "top_k": "The nearest captions of each clip (the older variant of DU)",
}
CLASSES_SHOWN = 20


def write_view(
    folder: Path, chosen: Chosen, pairs: pd.DataFrame, settings: Curate, summary: dict[str, Any], scores: np.ndarray,
    kept: list[Listening], rejected: list[Listening],
) -> None:  # fmt: skip
    """Write summary.json, figures and chapter.json into the folder.

    Args:
        folder: of the report.
        chosen: what the strategy chose.
        pairs: the same as a table.
        settings: of the stage.
        summary: what was counted.
        scores: a sample of the scores of all clips with all candidate captions, flat; empty where nothing was searched.
        kept: pairs to listen to.
        rejected: clips without a pair to listen to.
    """
    write_json(folder / "summary.json", summary)
    new = pairs[pairs["strategy"] == settings.strategy]
    blocks = [
        chapter.text(words(summary)),
        _counts_table(summary),
        _strategies_table(summary),
        _precision_table(summary),
    ]
    if len(scores):
        name = "cosine of clip and caption" if settings.calibration == "none" else f"score ({settings.calibration})"
        _histogram(folder / "similarity.svg", scores, chosen.new.threshold, name)
        line = "the line is the threshold" if chosen.new.threshold is not None else "this strategy has no threshold"
        blocks.append(
            chapter.figure(
                "Scores of all clips with all candidate captions (at most 2,000 of each, evenly spaced); " + line + ".",
                "similarity.svg",
            )
        )
    if settings.strategy in ("ds", "ads"):
        _histogram(
            folder / "label_similarity.svg",
            chosen.label_similarity,
            settings.sigma_text_text,
            "cosine of caption and label",
        )
        blocks.append(chapter.figure("Each caption's cosine with its nearest label.", "label_similarity.svg"))
    if len(scores):
        rows = [[row.text, int(row.clips), round(row.clips / len(new), 4)] for row in hubs(new).head(HUBS).itertuples()]
        blocks.append(
            chapter.table("Hubs: the captions that took the most clips.", ["caption", "clips", "share of pairs"], rows)
        )
    if summary["classes"] and len(scores):
        blocks += _classes(folder / "classes.svg", summary)
    if summary["labels"]:
        blocks.append(_labels_table(summary))
    if kept:
        blocks.append(chapter.text("Kept pairs, drawn at random, most similar first."))
        blocks += [chapter.audio(item.words, item.file) for item in kept]
    if rejected:
        blocks.append(chapter.text("Clips without a pair, drawn at random, each with its nearest candidate caption."))
        blocks += [chapter.audio(item.words, item.file) for item in rejected]
    chapter.write_chapter(folder, chapter.Chapter("Curated pairs", blocks))


def words(summary: dict[str, Any]) -> str:
    """Return what was kept, and how right it is, in a few sentences."""
    name, pairs, clips = NAMES[summary["strategy"]], f"{summary['pairs']:,}", f"{summary['clips_kept']:,}"
    captions = f"{summary['captions_kept']:,} of {summary['captions_in_pool']:,} distinct captions"
    if summary["strategy"] == "ds":
        return (
            f"{name} kept {pairs} training pairs of {clips} clips as they are, with {captions}: those near a label. "
            "No unpaired audio takes part, so there is nothing to judge."
        )
    if not summary["clips_in_pool"]:
        told = f"{name}: there are no unpaired clips, so no caption met one."
        if summary["pairs_original"]:
            told += f" It kept {summary['pairs_original']:,} training pairs whose captions are near a label (DS)."
        return told
    told = (
        f"{name} kept {summary['pairs'] - summary['pairs_original']:,} new pairs. Of {summary['clips_in_pool']:,} "
        f"unpaired clips {clips} met a caption; {captions} met a clip."
    )
    if summary["pairs_original"]:
        told += f" Beside them stand {summary['pairs_original']:,} original pairs near a label (DS)."
    right, before = summary["precision"], summary["precision_before_guards"]
    if right["all"] is not None and right["chance_all"] is not None:
        told += (
            f" In {right['all']:.1%} of the new pairs every sound of the caption's own clip is heard in the clip it "
            f"was given to; any pair at random would reach {right['chance_all']:.1%}."
        )
        if len(summary["steps"]) > 1:
            told += f" Before the guards it was {before['all']:.1%} of {summary['steps']['found']:,} pairs."
    if summary["search"]["recall"] is not None:
        told += (
            f" The search ({summary['search']['engine']}) finds {summary['search']['recall']:.1%} of the exact pairs."
        )
    return told


def _counts_table(summary: dict[str, Any]) -> chapter.Block:
    rows = [["pairs", summary["pairs"]], ["of them original pairs near a label (DS)", summary["pairs_original"]]]
    rows += [
        ["new pairs before the guards" if name == "found" else f"new pairs after the guard: {name}", count]
        for name, count in summary["steps"].items()
    ]
    rows.append([f"share of pairs that the {HUBS} captions with most clips hold", summary["hub_share"]])
    names = ["lowest", "lower quartile", "median", "upper quartile", "highest"]
    of = "cosine of caption and nearest label" if summary["strategy"] == "ds" else "cosine of clip and caption"
    rows += [[f"{of}, {name}", value] for name, value in zip(names, summary["similarity_quantiles"], strict=False)]
    return chapter.table("What was kept.", ["", "value"], rows)


def _strategies_table(summary: dict[str, Any]) -> chapter.Block:
    rows = [
        [NAMES[name].split(" (")[0] if name != "top_k" else "nearest captions", *counts.values()]
        for name, counts in summary["strategies"].items()
    ]
    return chapter.table(
        "What strategies keep at this run's scores and thresholds, before the guards.",
        ["strategy", "pairs", "clips", "captions", "precision, at least one sound"],
        rows,
    )


def _precision_table(summary: dict[str, Any]) -> chapter.Block:
    right, before = summary["precision"], summary["precision_before_guards"]
    return chapter.table(
        f"Judged by what is really heard ({right['judged']:,} pairs with known sounds), beside all clips × captions.",
        ["the caption's sounds are heard in the clip", "curated pairs", "before the guards", "chance"],
        [
            ["all of them", right["all"], before["all"], right["chance_all"]],
            ["at least one", right["any"], before["any"], right["chance_any"]],
        ],
    )


def _labels_table(summary: dict[str, Any]) -> chapter.Block:
    rows = [[label, found["clips"], found["precision_at_40"]] for label, found in summary["labels"].items()]
    return chapter.table(
        f"The labels aimed at: of the {RANKED} clips nearest to each label's prompt, or of as many as have that "
        "sound where they are fewer, the share that has it.",
        ["label", "clips in the pool", f"precision at {RANKED}"],
        sorted(rows, key=lambda row: (-row[2], row[0])),
    )


def _classes(path: Path, summary: dict[str, Any]) -> list[chapter.Block]:
    shown = summary["classes"][:CLASSES_SHOWN]
    figure = new_figure(6.4, 0.6 + 0.24 * len(shown))
    axes = figure.subplots()
    places = np.arange(len(shown))[::-1]
    axes.barh(places, [row["clips"] for row in shown], color=PALETTE[7], alpha=0.4, label="clips in the pool")
    axes.barh(places, [row["covered"] for row in shown], height=0.4, color=PALETTE[0], label="met a caption")
    axes.set_yticks(places, [row["name"] for row in shown])
    axes.set_xlabel("clips")
    figure.legend(frameon=False, loc="outside upper right", ncols=2)
    save_figure(figure, path)
    rows = [
        [row["name"], row["clips"], row["covered"], round(row["right"] / row["judged"], 4) if row["judged"] else None]
        for row in summary["classes"]
    ]
    more = f" (the {CLASSES_SHOWN} most frequent of {len(rows)})" if len(rows) > CLASSES_SHOWN else ""
    return [
        chapter.figure(f"Coverage: clips of each sound in the pool that met a caption{more}.", path.name),
        chapter.table(
            "The same by number; precision: pairs on these clips whose caption shares a sound with the clip.",
            ["sound", "clips in the pool", "met a caption", "precision"],
            rows[:CLASSES_SHOWN],
        ),
    ]


def _histogram(path: Path, values: np.ndarray, threshold: float | None, label: str) -> None:
    figure = new_figure(6.4, 3.0)
    axes = figure.subplots()
    values = values.astype(np.float64)  # bins between scores that are nearly alike are finer than float32
    marks = [] if threshold is None else [threshold]
    low, high = min([float(values.min()), *marks]), max([float(values.max()), *marks])
    axes.hist(values, bins=80, range=(low, high + max(1e-6, 1e-3 * abs(high))), color=PALETTE[0])
    if threshold is not None:
        axes.axvline(threshold, color=PALETTE[1], linewidth=2, label=f"threshold {threshold:g}")
        figure.legend(frameon=False, loc="outside upper right")
    axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("count")
    axes.set_ylim(bottom=0.5)
    save_figure(figure, path)
