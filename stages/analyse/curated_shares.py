"""Curated captions beside the original ones in the fitted topics: shares, drift, and how much is the same caption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from clapline.text.topics import OUTLIER, Topics
from stages.analyse.drift import PERMUTATIONS, Drift, effective_number, judged

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Compared:
    """Counts per topic, the last one "no topic", of the curated pairs and of the original captions.

    Attributes:
        pairs: curated pairs, `(topics + 1,)` int.
        captions: distinct captions among them, likewise.
        original: original captions, likewise.
        drift: the shares, how far they lie apart, and which differences are beyond chance.
    """

    pairs: np.ndarray
    captions: np.ndarray
    original: np.ndarray
    drift: Drift

    def rows(self, words: list[list[str]]) -> list[dict[str, object]]:
        """Return one row per topic, those of none (-1) last."""
        return [
            {
                "topic": topic if topic < len(words) else OUTLIER,
                "words": " ".join(words[topic]) if topic < len(words) else "",
                "curated_pairs": int(self.pairs[topic]),
                "curated_captions": int(self.captions[topic]),
                "original_captions": int(self.original[topic]),
                "share_curated": self.drift.shares[topic],
                "share_original": self.drift.reference[topic],
                "p_value": self.drift.p_values[topic],
            }
            for topic in range(len(words) + 1)
        ]

    def beyond_chance(self) -> tuple[list[int], list[int]]:
        """Return the topics with more and with less among the curated, largest difference first; "none" is no topic."""
        gap = (self.drift.shares - self.drift.reference)[:-1]
        order = [int(i) for i in np.argsort(-np.abs(gap), kind="stable") if self.drift.p_values[i] < SIGNIFICANT]
        return [topic for topic in order if gap[topic] > 0], [topic for topic in order if gap[topic] < 0]


def placed_in(topics: Topics, *tables: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """Return the tables with the topic of each row's `text`. Equal captions are looked at once."""
    distinct = sorted(set().union(*(table["text"] for table in tables)))
    found = dict(zip(distinct, topics.assign(distinct)[0].tolist(), strict=True))
    return tuple(table.reset_index(drop=True).assign(topic=[found[text] for text in table["text"]]) for table in tables)


def compare_curated(original: pd.DataFrame, curated: pd.DataFrame, count: int, draws: np.random.Generator) -> Compared:
    """Compare the topics of tables with `dataset`, `clip_id` (of the caption), `text` and `topic`, neither empty.

    Chance is a blind choice that is as uneven: see `dealt`.
    """
    pairs, captions = _counts(curated["topic"], count), _counts(original["topic"], count)
    chance = dealt(original, curated, count, draws)
    distinct = _counts(curated.drop_duplicates("text")["topic"], count)
    return Compared(pairs, distinct, captions, judged(pairs, captions, chance, captions))


def dealt(original: pd.DataFrame, curated: pd.DataFrame, count: int, draws: np.random.Generator) -> np.ndarray:
    """Return counts per topic, the last "no topic", of 999 choices that are blind to topics, `(999, count + 1)`.

    Each clip whose captions curation chose hands the numbers of their uses to an original clip drawn at random, whose
    captions take them in a row from a random one on. So a few captions in many pairs count as few draws, not as many.
    """
    uses = curated.groupby(["dataset", "clip_id", "text"]).size()
    clip = uses.groupby(level=[0, 1]).ngroup().to_numpy()
    rank = uses.groupby(level=[0, 1]).cumcount().to_numpy()
    own = original.sort_values(["dataset", "clip_id"], kind="stable")
    sizes = own.groupby(["dataset", "clip_id"]).size().to_numpy()
    firsts = np.cumsum(sizes) - sizes
    topics = np.where(own["topic"] == OUTLIER, count, own["topic"])
    chosen = int(clip.max()) + 1
    found = np.empty((PERMUTATIONS, count + 1))
    for row in found:
        drawn = draws.choice(len(sizes), chosen, replace=chosen > len(sizes))
        start = draws.integers(0, sizes[drawn])
        captions = firsts[drawn][clip] + (start[clip] + rank) % sizes[drawn][clip]
        row[:] = np.bincount(topics[captions], weights=uses.to_numpy(), minlength=count + 1)
    return found


def summarise(
    original: pd.DataFrame, curated: pd.DataFrame, topics: Topics, found: Compared | None
) -> dict[str, dict[str, object]]:
    """Return the numbers of the two sides, and of the drift between them where there is any."""
    count = len(topics.words)
    uses = curated["text"].value_counts().to_numpy()
    sides = {name: _side(table, count) for name, table in (("original", original), ("curated", curated))}
    keys = set(zip(original["dataset"], original["clip_id"], strict=True))
    own = [key in keys for key in zip(curated["audio_dataset"], curated["audio_id"], strict=True)]
    sides["curated"] |= {
        "clips": len(curated[["audio_dataset", "audio_id"]].drop_duplicates()),
        "pairs_of_original_clips": sum(own),
        "captions_of_half_the_pairs": int(np.searchsorted(np.cumsum(uses), len(curated) / 2) + 1) if len(uses) else 0,
        "most_used_caption": int(uses[0]) if len(uses) else 0,
        "captions_as_if_equally_used": round(effective_number(uses), 3),
    }
    if found is None:
        return {**sides, "drift": {}}
    more, less = found.beyond_chance()
    told = {
        "jensen_shannon_distance": found.drift.distance,
        "by_chance_mean": found.drift.control,
        "by_chance_95th_percentile": found.drift.control_95,
        "p_value": found.drift.p_value,
        "topics_with_more": len(more),
        "topics_with_less": len(less),
        "topics_without_curated": int((found.pairs[:-1] == 0).sum()),
    }
    return {**sides, "drift": told}


def _side(table: pd.DataFrame, count: int) -> dict[str, object]:
    counts = _counts(table["topic"], count)
    return {
        "captions": len(table),
        "distinct_captions": int(table["text"].nunique()),
        "in_none": int(counts[-1]),
        "topics": int((counts[:-1] > 0).sum()),
        "topics_as_if_equally_large": round(effective_number(counts[:-1]), 3),
    }


def _counts(topics: pd.Series, count: int) -> np.ndarray:
    found = topics.to_numpy(dtype=np.int64)
    return np.bincount(np.where(found == OUTLIER, count, found), minlength=count + 1)
