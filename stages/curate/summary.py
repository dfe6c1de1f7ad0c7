"""What curation counted: `reports/curate/summary.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from clapline.params.curate import Curate
from clapline.search import Rows, top_k
from clapline.text.prompts import clean_label
from stages.curate.choose import Chosen
from stages.curate.found import Found
from stages.curate.pool import Pool
from stages.curate.precision import ClassCoverage, Precision, Tally, Truth, coverage

HUBS = 10
RANKED = 40


class Watch:
    """Looks at every new pair before the guards: how many there are, how right, and which of them ADS would have."""

    def __init__(self, truth: Truth, pool: Pool, settings: Curate) -> None:
        self.truth, self.pool, self.settings = truth, pool, settings
        self.every, self.near_labels = Tally(truth), Tally(truth)
        self.is_near: np.ndarray | None = None  # by caption row, once labels are known

    def know(self, near_labels: np.ndarray | None) -> None:
        """Take the caption rows near a label, before the first pair comes."""
        if near_labels is not None:
            self.is_near = np.zeros(len(self.pool.text_rows), dtype=bool)
            self.is_near[near_labels] = True

    def add(self, found: Found) -> None:
        """Count a block of pairs."""
        self.every.add(found)
        if self.is_near is not None and self.settings.strategy == "du":
            self.near_labels.add(found.keep(self.is_near[found.caption]))

    def strategies(self, chosen: Chosen) -> dict[str, dict[str, Any]]:
        """Return by strategy the pairs, clips and captions at this run's scores and thresholds, before the guards."""
        counts = {}
        if self.settings.strategy != "ds":
            counts[self.settings.strategy] = _counts(self.every)
        if self.settings.strategy == "du" and self.is_near is not None:
            counts["ads"] = _counts(self.near_labels)
        if chosen.domain is not None:
            owners = self.pool.text_rows.iloc[chosen.domain]
            counts["ds"] = {
                "pairs": len(owners),
                "clips": len(owners[["dataset", "clip_id"]].drop_duplicates()),
                "captions": int(owners["text"].nunique()),
                "precision": None,
            }
        return counts


@dataclass(frozen=True)
class Judged:
    """What is known of the chosen pairs when they are held against the truth."""

    kept: Precision
    before_guards: Precision
    strategies: Mapping[str, Mapping[str, Any]]
    classes: Sequence[ClassCoverage]
    labels: Mapping[str, tuple[int, float]]  # clips of the pool with this sound; precision of the prompt's nearest


def held_against(truth: Truth, chosen: Chosen, watch: Watch, labels: Mapping[str, tuple[int, float]]) -> Judged:
    """Return the verdicts on the chosen pairs and on those before the guards."""
    kept = Tally(truth)
    kept.add(chosen.new.found)
    return Judged(
        kept.precision(chosen.candidates),
        watch.every.precision(chosen.candidates),
        watch.strategies(chosen),
        coverage(truth, chosen.new.found),
        labels,
    )


def label_ranking(audio: Rows, truth: Truth, labels: Mapping[str, np.ndarray]) -> dict[str, tuple[int, float]]:
    """Return by label how many clips have that sound, and their share among as many nearest to its prompt, 40 at most.

    A perfect teacher reaches 1 for every label. Labels without a clip in the pool are left out.
    """
    columns: dict[str, list[int]] = {}  # datasets may spell a sound differently
    for place, name in enumerate(truth.names):
        columns.setdefault(clean_label(name), []).append(place)
    known = [label for label in labels if clean_label(label) in columns]
    if not known or not len(audio):
        return {}
    nearest = top_k(np.stack([labels[label] for label in known]), audio, RANKED)[0]
    ranked = {}
    for label, clips in zip(known, nearest, strict=True):
        heard = truth.clips[:, columns[clean_label(label)]].sum(axis=1) > 0
        if heard.sum():
            ranked[label] = (int(heard.sum()), round(float(heard[clips][: int(heard.sum())].mean()), 6))
    return ranked


def hubs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the captions by the number of clips they took, most first, ties by text: columns text, clips."""
    counts = pairs.groupby("text", sort=True)["clip_id"].size().rename("clips").reset_index()
    return counts.sort_values(["clips", "text"], ascending=[False, True], kind="stable").reset_index(drop=True)


def summarise(
    pool: Pool, chosen: Chosen, pairs: pd.DataFrame, settings: Curate, judged: Judged, recall: float | None
) -> dict[str, Any]:
    """Return what `summary.json` holds: counts, shares in [0, 1], cosines.

    Args:
        pool: what was chosen from.
        chosen: what the strategy chose.
        pairs: the same as a table.
        settings: of the stage.
        judged: the pairs held against the truth.
        recall: share of the exact pairs that an inexact search finds; None: the search was exact.
    """
    new = pairs[pairs["strategy"] == settings.strategy]
    taken = hubs(new)
    quantiles = np.quantile(new["similarity"], [0, 0.25, 0.5, 0.75, 1]) if len(new) else []
    clips = int(np.unique(chosen.new.found.clip).size)
    return {
        "strategy": settings.strategy,
        "threshold": chosen.new.threshold,
        "pairs": len(pairs),
        "pairs_before_guards": chosen.new.steps.get("found", 0) + len(chosen.original),
        "pairs_original": len(chosen.original),
        "steps": dict(chosen.new.steps),
        "near_duplicate_clips": chosen.new.duplicates,
        "clips_kept": len(new[["dataset", "clip_id"]].drop_duplicates()) if settings.strategy == "ds" else clips,
        "clips_in_pool": None if settings.strategy == "ds" else len(pool.audio_rows),
        "captions_kept": int(new["text"].nunique()),
        "captions_in_pool": int(pool.text_rows["text"].nunique()),
        "captions_near_a_label": len(chosen.candidates) if settings.strategy in ("ds", "ads") else None,
        "hub_share": round(float(taken["clips"].head(HUBS).sum() / len(new)), 6) if len(new) else None,
        "similarity_quantiles": [round(float(value), 6) for value in quantiles],
        "precision": asdict(judged.kept),
        "precision_before_guards": asdict(judged.before_guards),
        "strategies": {name: dict(counts) for name, counts in judged.strategies.items()},
        "classes": [asdict(row) for row in judged.classes],
        "labels": {
            label: {"clips": clips, "precision_at_40": share} for label, (clips, share) in judged.labels.items()
        },
        "search": {"engine": settings.search, "recall": recall},
    }


def _counts(tally: Tally) -> dict[str, Any]:
    judged, _, some = tally.verdicts.tolist()
    return {
        "pairs": tally.pairs,
        "clips": int(tally.clips.sum()),
        "captions": int(tally.captions.sum()),
        "precision": round(some / judged, 6) if judged else None,
    }
