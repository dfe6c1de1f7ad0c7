"""What a training run learns from: clips' features, captions, and sources of (clip, caption) pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from torch import Tensor

from clapline.errors import UserError

Key = tuple[str, str]  # dataset, clip_id


@dataclass(frozen=True)
class Source:
    """Pairs that are drawn together: each clip is drawn equally often, with one of its captions at random."""

    name: str
    weight: float
    clips: Sequence[int]  # rows of the features
    captions: Sequence[Sequence[str]]  # per clip, at least one each
    owners: Sequence[Sequence[Key]]  # the clip each caption was written for
    synthetic: Sequence[Sequence[str]] = ()  # per clip, possibly none; written for that clip


@dataclass(frozen=True)
class TrainingData:
    """Everything a run draws from. `paraphrases[level][caption]` lists the paraphrases of a caption."""

    features: Tensor  # (clips, bands, frames), half precision
    sources: Sequence[Source]
    paraphrases: Mapping[int, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    synthetic_share: float = 0.0

    def texts(self) -> list[str]:
        """Return every distinct text that may be drawn, sorted."""
        found: set[str] = set()
        for source in self.sources:
            for captions in (*source.captions, *source.synthetic):
                found.update(captions)
        for by_caption in self.paraphrases.values():
            for texts in by_caption.values():
                found.update(texts)
        return sorted(found)


def paired_source(clips: pd.DataFrame, rows: Mapping[Key, int], weight: float, synthetic: pd.DataFrame) -> Source:
    """Return the source of original pairs.

    Args:
        clips: the training rows of the captioned paired table.
        rows: where each clip's features are.
        weight: sampling weight.
        synthetic: rows of the synthetic table (may be empty).
    """
    written = synthetic.groupby(["dataset", "clip_id"])["text"].apply(list).to_dict()
    keys = list(zip(clips.dataset, clips.clip_id, strict=True))
    return Source(
        name="paired",
        weight=weight,
        clips=[rows[key] for key in keys],
        captions=[list(captions) for captions in clips.captions],
        owners=[[key] * len(captions) for key, captions in zip(keys, clips.captions, strict=True)],
        synthetic=[written.get(key, []) for key in keys],
    )


def curated_source(pairs: pd.DataFrame, rows: Mapping[Key, int], weight: float) -> Source:
    """Return the source of curated pairs; a clip's pairs share its draws, so that hubs gain nothing by their number."""
    if weight and pairs.empty:
        raise UserError("student.sources.curated is above 0 but curation kept no pair")
    captions: dict[Key, list[str]] = {}
    owners: dict[Key, list[Key]] = {}
    for pair in pairs.sort_values(["dataset", "clip_id"], kind="stable").itertuples(index=False):
        key = (pair.dataset, pair.clip_id)
        captions.setdefault(key, []).append(pair.text)
        owners.setdefault(key, []).append((pair.text_dataset, pair.text_clip_id))
    return Source("curated", weight, [rows[key] for key in captions], list(captions.values()), list(owners.values()))


def mixed_source(clips: pd.DataFrame, rows: Mapping[Key, int], weight: float) -> Source:
    """Return the source of mixtures: clips that the stage mix made of two others each, with the caption that tells it.

    Each caption is owned by its mixture, not by the two clips that went into it. A batch comes from one source, so a
    mixture never meets the captions of its parts; and two mixtures that share a part are rightly negatives of each
    other, since each caption tells a sound, an edit or an order that the other's audio lacks. Equal captions are
    positives as everywhere. Mixtures have neither paraphrases nor synthetic captions: the caption is its own view.
    """
    keys = list(zip(clips.dataset, clips.clip_id, strict=True))
    captions = [list(captions) for captions in clips.captions]
    owners = [[key] * len(texts) for key, texts in zip(keys, captions, strict=True)]
    return Source("mixed", weight, [rows[key] for key in keys], captions, owners)


def check_mixtures(clips: pd.DataFrame, duration_s: float) -> None:
    """Raise a UserError when there is no mixture, or one is longer than what the model hears: a part goes unheard."""
    if clips.empty:
        raise UserError("student.sources.mixed is above 0 but there is no mixture: set mix.clips above 0")
    longest_s = float(clips.duration_s.max())
    if longest_s > duration_s + 1e-3:
        raise UserError(
            f"student.sources.mixed: mixtures last up to {longest_s:g} s but the model hears {duration_s:g} s; "
            f"set mix.maximum_duration_s to at most {duration_s:g}, or lengthen teacher.model.features.duration_s"
        )


def paraphrases_by_caption(table: pd.DataFrame, levels: Sequence[int]) -> dict[int, dict[str, list[str]]]:
    """Return level → caption → its paraphrases, from the training paraphrases."""
    missing = [level for level in levels if level not in set(table.level)]
    if missing:
        raise UserError(
            f"objective.paraphrase.levels asks for {missing}, of which there is no training paraphrase: "
            "paraphrase.levels does not name it, or every text was dropped (reports/paraphrase/dropped.csv)"
        )
    return {
        level: table[table.level == level].groupby("original")["text"].apply(lambda texts: sorted(set(texts))).to_dict()
        for level in levels
    }
