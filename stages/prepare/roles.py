"""Which clips play which part: conditions, shares of each class's recordings, and what each role needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from clapline.errors import UserError
from clapline.params.roles import Entry
from clapline.randomness import derived_seed

_SHOWN_VALUES = 12
# Roles whose rows may be captions without audio.
_TEXT_ROLES = ("text", "labels")


def selected(role: str, entries: Sequence[Entry], index: Mapping[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """Return the clips of a role, in the order of its entries, each clip once (the first entry has it).

    `index` has the clip table of each dataset. In `paired` the split becomes the entry's `use`. Raises UserError when
    an entry selects nothing, a condition names a value that does not exist, clips lack what the role needs, or a clip
    stands in both paired train and val.
    """
    parts = []
    for number, entry in enumerate(entries):
        where = f"roles.{role}.{number}"
        clips = in_share(matching(index[entry.dataset], entry, where), entry.share, seed)
        if clips.empty:
            raise UserError(f"{where}: no clip of {entry.dataset} is selected; widen `where` or `share`")
        _check_needs(role, clips, f"{where} ({entry.dataset})")
        parts.append(clips.assign(split=entry.use) if role == "paired" else clips)
    if not parts:
        return next(iter(index.values())).iloc[:0]
    together = pd.concat(parts, ignore_index=True)
    if role == "paired":
        uses = together.groupby(["dataset", "clip_id"])["split"].nunique()
        if (uses > 1).any():
            dataset, clip_id = uses.index[uses > 1][0]
            raise UserError(
                f"roles.paired: {(uses > 1).sum()} clips are both train and val, such as {clip_id!r} of {dataset}; "
                "use shares that do not overlap"
            )
    return together.drop_duplicates(["dataset", "clip_id"], ignore_index=True)


def matching(clips: pd.DataFrame, entry: Entry, where: str) -> pd.DataFrame:
    """Return the clips that meet the entry's conditions; every value named must exist in the dataset."""
    for column in ("split", "fold", "label"):
        wanted = getattr(entry.where, column)
        if wanted is None:
            continue
        there = sorted(clips[column].dropna().unique().tolist())
        for value in wanted:
            if value not in there:
                shown = ", ".join(str(int(item) if column == "fold" else item) for item in there[:_SHOWN_VALUES])
                more = f", … ({len(there)} in all)" if len(there) > _SHOWN_VALUES else ""
                raise UserError(
                    f"{where}.where.{column}: no clip of {entry.dataset} has {value!r}; it has: {shown or 'none'}{more}"
                )
    for column in ("split", "fold", "label"):
        wanted = getattr(entry.where, column)
        if wanted is not None:
            clips = clips[clips[column].isin(wanted)]
    return clips


def recordings(clips: pd.DataFrame) -> pd.Series:
    """Return the recording of each clip: its source id, which datasets share, else the clip itself."""
    own = "clip:" + clips["dataset"] + "/" + clips["clip_id"]
    return ("source:" + clips["source_id"].astype("string")).fillna(own).astype(object)


def in_share(clips: pd.DataFrame, share: Sequence[float], seed: int) -> pd.DataFrame:
    """Return the clips whose recordings lie between two marks of their class's order, which is drawn from the seed.

    A recording with clips of several classes counts in the one it has most of, so that its clips stay together. Equal
    marks cut at the same place: [0, x] and [x, 1] are complements, and [0, x] lies inside [0, y] for x < y.
    """
    if list(share) == [0.0, 1.0]:
        return clips
    table = pd.DataFrame({"recording": recordings(clips), "label": clips["label"].fillna("").astype(str)})
    counts = table.groupby(["recording", "label"]).size().rename("clips").reset_index()
    counts = counts.sort_values(["recording", "clips", "label"], ascending=[True, False, True])
    classes = counts.drop_duplicates("recording")
    dataset = clips["dataset"].iloc[0] if len(clips) else ""
    kept: set[str] = set()
    for label, group in classes.groupby("label"):
        ordered = sorted(group["recording"], key=lambda name: (derived_seed(seed, "share", dataset, label, name), name))
        start, end = (math.floor(mark * len(ordered) + 0.5) for mark in share)
        kept.update(ordered[start:end])
    return clips[table["recording"].isin(kept).to_numpy()]


def label_rows(clips: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each dataset's class names once."""
    pairs = sorted({(row.dataset, row.label) for row in clips.itertuples()})
    return [{"dataset": dataset, "label": label} for dataset, label in pairs]


def truth_rows(unpaired: pd.DataFrame, text: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the sounds in each clip of the unpaired and text roles: its tags, or its label where it has no tags."""
    rows = {}
    for row in pd.concat([unpaired, text]).itertuples():
        tags = list(row.tags) or ([row.label] if isinstance(row.label, str) else [])
        rows[row.dataset, row.clip_id] = {"dataset": row.dataset, "clip_id": row.clip_id, "tags": tags}
    return [rows[key] for key in sorted(rows)]


def _check_needs(role: str, clips: pd.DataFrame, where: str) -> None:
    silent = (clips["shard"] == "").sum()
    if role not in _TEXT_ROLES and silent:
        raise UserError(f"{where}: {silent} items are captions without audio; only the text role takes them")
    if role in {"zero_shot", "labels"} and clips["label"].isna().any():
        raise UserError(f"{where}: {clips['label'].isna().sum()} clips have no label, which {role} needs")
    if role == "hierarchy" and not clips["caption_tree"].map(len).all():
        raise UserError(
            f"{where}: {(clips['caption_tree'].map(len) == 0).sum()} clips have no caption tree, which {role} needs"
        )
