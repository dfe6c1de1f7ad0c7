"""The sources of pairs, from tables: original pairs (as a whole, by dataset, near a label), curated ones, mixtures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from clapline.errors import UserError
from clapline.randomness import generator
from stages.train.data import Key, Source

DS = "ds"  # what the pairs table calls original pairs, of the captions near a label
# First words of the names of sources that hold original pairs alone.
_ORIGINAL = ("paired", "domain")


def is_original(source: Source) -> bool:
    """Return whether a source holds original pairs alone (`paired`, of one dataset too, and `domain`): the replay."""
    return source.name.split()[0] in _ORIGINAL


def paired_sources(
    clips: pd.DataFrame,
    rows: Mapping[Key, int],
    weight: float,
    synthetic: pd.DataFrame,
    by_dataset: Mapping[str, float] | None = None,
    where: str = "student.sources",
) -> list[Source]:
    """Return the original pairs: one source, or one for each dataset that `by_dataset` names.

    A dataset's source weighs `weight` times its share of the weights; datasets that are not named are not drawn from.

    Args:
        clips: the training rows of the captioned paired table.
        rows: where each clip is among the run's clips.
        weight: sampling weight of all of them together.
        synthetic: rows of the synthetic table (may be empty).
        by_dataset: weights of the datasets among themselves; None: every clip alike.
        where: the setting that a message names.

    Raises:
        UserError: `by_dataset` names a dataset that has no training clip, or every weight in it is 0.
    """
    if by_dataset is None:
        return [paired_source(clips, rows, weight, synthetic)]
    total = sum(by_dataset.values())
    if min(by_dataset.values()) < 0 or not total:
        raise UserError(f"{where}.by_dataset: weights must be 0 or more, and one of them above 0")
    by_dataset = {dataset: share for dataset, share in by_dataset.items() if share}
    known = sorted(set(clips.dataset))
    unknown = [dataset for dataset in by_dataset if dataset not in known]
    if unknown:
        raise UserError(
            f"{where}.by_dataset names {unknown[0]!r}, which has no paired training clip; known: {', '.join(known)}"
        )
    return [
        paired_source(
            clips[clips.dataset == dataset],
            rows,
            weight * share / total,
            synthetic[synthetic.dataset == dataset],
            f"paired {dataset}",
        )
        for dataset, share in by_dataset.items()
    ]


def paired_source(
    clips: pd.DataFrame, rows: Mapping[Key, int], weight: float, synthetic: pd.DataFrame, name: str = "paired"
) -> Source:
    """Return one source of original pairs; arguments as for `paired_sources`."""
    written = synthetic.groupby(["dataset", "clip_id"])["text"].apply(list).to_dict()
    keys = list(zip(clips.dataset, clips.clip_id, strict=True))
    return Source(
        name=name,
        weight=weight,
        clips=[rows[key] for key in keys],
        captions=[list(captions) for captions in clips.captions],
        owners=[[key] * len(captions) for key, captions in zip(keys, clips.captions, strict=True)],
        synthetic=[written.get(key, []) for key in keys],
    )


def drawn_pairs(pairs: pd.DataFrame, curated: float, domain: float | None) -> dict[str, pd.DataFrame]:
    """Return the rows of the pairs table by the source that draws on them: `curated`, `domain`, or both.

    Args:
        pairs: what curation chose.
        curated: weight of the source of that name; 0: it is not among the sources.
        domain: weight of the original pairs near a label (rows of strategy `ds`), which are then no part of `curated`;
            None: `curated` has all rows.

    Raises:
        UserError: a source with a weight above 0 has no pair.
    """
    original = pairs.strategy == DS
    parts = {
        "curated": (curated, pairs if domain is None else pairs[~original]),
        "domain": (domain or 0.0, pairs[original]),
    }
    missing = {
        "curated": "no pair"
        if domain is None
        else "no new pair; every curate.strategy but ds gives them, from roles.unpaired",
        "domain": "no original pair near a label; curate.strategy ds or ads gives them",
    }
    for name, (weight, rows) in parts.items():
        if weight and rows.empty:
            raise UserError(f"student.sources.{name} is above 0 but curation kept {missing[name]}")
    return {name: rows for name, (weight, rows) in parts.items() if weight}


def source_of_pairs(name: str, pairs: pd.DataFrame, rows: Mapping[Key, int], weight: float) -> Source:
    """Return a source of rows of the pairs table, by clip.

    Under `pass_over: clips` a clip's pairs share its draws, so that a clip gains nothing by their number; under
    `captions` every row is drawn once per pass.
    """
    captions: dict[Key, list[str]] = {}
    owners: dict[Key, list[Key]] = {}
    for pair in pairs.sort_values(["dataset", "clip_id"], kind="stable").itertuples(index=False):
        key = (pair.dataset, pair.clip_id)
        captions.setdefault(key, []).append(pair.text)
        owners.setdefault(key, []).append((pair.text_dataset, pair.text_clip_id))
    return Source(name, weight, [rows[key] for key in captions], list(captions.values()), list(owners.values()))


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


def paraphrases_by_caption(
    table: pd.DataFrame, levels: Sequence[int], share: float = 1.0, seed: int = 0
) -> dict[int, dict[str, list[str]]]:
    """Return level → caption → its paraphrases, from the training paraphrases.

    With a `share` below 1 a caption keeps its paraphrases of all levels or loses all; who keeps them at one share
    keeps them at a larger one.
    """
    missing = [level for level in levels if level not in set(table.level)]
    if missing:
        raise UserError(
            f"objective.paraphrase.levels asks for {missing}, of which there is no training paraphrase: "
            "paraphrase.levels does not name it, or every text was dropped (reports/paraphrase/dropped.csv)"
        )
    if share < 1:
        draws = {text: generator(seed, "student", "views", text).random() for text in set(table.original)}
        kept = {text for text, draw in draws.items() if draw < share}
        table = table[table.original.isin(kept)]
    return {
        level: table[table.level == level].groupby("original")["text"].apply(lambda texts: sorted(set(texts))).to_dict()
        for level in levels
    }
