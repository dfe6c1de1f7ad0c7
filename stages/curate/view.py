"""The chapter of curation: how much was kept, how right it is, which captions are hubs, and pairs to listen to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clapline import chapter
from clapline.figures import PALETTE, new_figure, save_figure
from clapline.params.curate import Curate
from clapline.storage import write_json
from stages.curate.pool import Chosen, Pool, sampled_similarities
from stages.curate.precision import Precision

HUBS = 10
_NAMES = {"du": "DU (domain-unspecific)", "ds": "DS (domain-specific)", "ads": "ADS (audio-domain-specific, with DS)"}


@dataclass(frozen=True)
class Listening:
    """A pair to listen to: the copied file, its words and what the truth says."""

    file: str
    words: str


def hubs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the captions by the number of clips they took, most first, ties by text: columns text, clips."""
    counts = pairs.groupby("text", sort=True)["clip_id"].size().rename("clips").reset_index()
    return counts.sort_values(["clips", "text"], ascending=[False, True], kind="stable").reset_index(drop=True)


def spread_rows(similarity: np.ndarray, count: int) -> np.ndarray:
    """Return rows of `count` pairs spread evenly over the similarities, most similar first."""
    order = np.argsort(-similarity, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(np.int64))]


def summarise(pool: Pool, chosen: Chosen, pairs: pd.DataFrame, settings: Curate, right: Precision) -> dict[str, Any]:
    """Return what `summary.json` holds: counts, shares in [0, 1], cosines."""
    new = pairs[pairs["strategy"] == settings.strategy]
    taken = hubs(new)
    quantiles = np.quantile(new["similarity"], [0, 0.25, 0.5, 0.75, 1]) if len(new) else []
    return {
        "strategy": settings.strategy,
        "pairs": len(pairs),
        "pairs_before_guards": chosen.before_guards + len(chosen.original),
        "pairs_original": len(chosen.original),
        "clips_kept": len(new[["dataset", "clip_id"]].drop_duplicates()),
        "clips_in_pool": None if settings.strategy == "ds" else len(pool.audio_rows),
        "captions_kept": int(new["text"].nunique()),
        "captions_in_pool": int(pool.text_rows["text"].nunique()),
        "captions_near_a_label": None if settings.strategy == "du" else len(chosen.candidates),
        "hub_share": round(float(taken["clips"].head(HUBS).sum() / len(new)), 6) if len(new) else None,
        "similarity_quantiles": [round(float(value), 6) for value in quantiles],
        "precision": {
            "all": right.all,
            "any": right.any,
            "chance_all": right.chance_all,
            "chance_any": right.chance_any,
            "judged": right.judged,
        },
    }


def write_view(
    folder: Path, pool: Pool, chosen: Chosen, pairs: pd.DataFrame, settings: Curate, right: Precision,
    listening: list[Listening],
) -> dict[str, Any]:  # fmt: skip
    """Write summary.json, figures and chapter.json into the folder; return the summary."""
    summary = summarise(pool, chosen, pairs, settings, right)
    write_json(folder / "summary.json", summary)
    new = pairs[pairs["strategy"] == settings.strategy]
    blocks = [chapter.text(_words(summary)), _counts_table(summary), _precision_table(summary)]
    searched = settings.strategy != "ds" and len(pool.audio) > 0
    if searched:
        _histogram(
            folder / "similarity.svg",
            sampled_similarities(pool.audio, pool.text[chosen.candidates]),
            settings.sigma_audio_text,
            "cosine of clip and caption",
        )
        blocks.append(
            chapter.figure(
                "Cosines of all clips with all candidate captions (at most 2,000 of each, evenly spaced); "
                "the line is the threshold.",
                "similarity.svg",
            )
        )
    if settings.strategy != "du":
        _histogram(
            folder / "label_similarity.svg",
            chosen.label_similarity,
            settings.sigma_text_text,
            "cosine of caption and label",
        )
        blocks.append(chapter.figure("Each caption's cosine with its nearest label.", "label_similarity.svg"))
    if searched:
        rows = [[row.text, int(row.clips), round(row.clips / len(new), 4)] for row in hubs(new).head(HUBS).itertuples()]
        blocks.append(
            chapter.table("Hubs: the captions that took the most clips.", ["caption", "clips", "share of pairs"], rows)
        )
    blocks += [chapter.audio(item.words, item.file) for item in listening]
    chapter.write_chapter(folder, chapter.Chapter("Curated pairs", blocks))
    return summary


def _words(summary: dict[str, Any]) -> str:
    name, pairs, clips = _NAMES[summary["strategy"]], f"{summary['pairs']:,}", f"{summary['clips_kept']:,}"
    captions = f"{summary['captions_kept']:,} of {summary['captions_in_pool']:,} distinct captions"
    if summary["strategy"] == "ds":
        return (
            f"{name} kept {pairs} training pairs of {clips} clips as they are, with {captions}: those near a label. "
            "No unpaired audio takes part, so there is nothing to judge."
        )
    if not summary["clips_in_pool"]:
        words = f"{name}: there are no unpaired clips, so no caption met one."
        if summary["pairs_original"]:
            words += f" It kept {summary['pairs_original']:,} training pairs whose captions are near a label (DS)."
        return words
    words = (
        f"{name} kept {pairs} pairs. Of {summary['clips_in_pool']:,} unpaired clips {clips} met a caption; {captions} "
        "met a clip."
    )
    right = summary["precision"]
    if right["all"] is not None and right["chance_all"] is not None:
        words += (
            f" In {right['all']:.1%} of the pairs every sound of the caption's own clip is heard in the clip it was "
            f"given to; any pair at random would reach {right['chance_all']:.1%}."
        )
    return words


def _counts_table(summary: dict[str, Any]) -> chapter.Block:
    rows = [
        ["pairs", summary["pairs"]],
        ["pairs before the guards", summary["pairs_before_guards"]],
        ["of them original pairs near a label (DS)", summary["pairs_original"]],
        [f"share of pairs that the {HUBS} greatest hubs hold", summary["hub_share"]],
    ]
    names = ["lowest", "lower quartile", "median", "upper quartile", "highest"]
    rows += [
        [f"similarity, {name}", value] for name, value in zip(names, summary["similarity_quantiles"], strict=False)
    ]
    return chapter.table("What was kept.", ["", "value"], rows)


def _precision_table(summary: dict[str, Any]) -> chapter.Block:
    right = summary["precision"]
    return chapter.table(
        f"Judged by what is really heard ({right['judged']:,} pairs with known sounds), beside all clips × captions.",
        ["the caption's sounds are heard in the clip", "curated pairs", "chance"],
        [["all of them", right["all"], right["chance_all"]], ["at least one", right["any"], right["chance_any"]]],
    )


def _histogram(path: Path, values: np.ndarray, threshold: float, label: str) -> None:
    figure = new_figure(6.4, 3.0)
    axes = figure.subplots()
    low, high = min(float(values.min()), threshold), max(float(values.max()), threshold)
    axes.hist(values, bins=80, range=(low, high + 1e-6), color=PALETTE[0])
    axes.axvline(threshold, color=PALETTE[1], linewidth=2, label=f"threshold {threshold:g}")
    axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("count")
    axes.set_ylim(bottom=0.5)
    figure.legend(frameon=False, loc="outside upper right")
    save_figure(figure, path)
