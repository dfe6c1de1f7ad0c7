"""Which clips play which part: conditions, shares of recordings, and what each role needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from clapline.datasets.sources import user_path
from clapline.errors import UserError
from clapline.params.roles import Entry, HierarchyEntry
from clapline.randomness import derived_seed
from clapline.text.ontology import Ontology
from clapline.text.trees import built_tree

_SHOWN_VALUES = 12
NO_TREE = "no caption tree can be built, left out of the role hierarchy: fewer than two levels"
# Roles whose rows may be captions without audio.
_TEXT_ROLES = ("text", "labels")


def selected(role: str, entries: Sequence[Entry], index: Mapping[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """Return the clips of a role, in the order of its entries, each clip once (the first entry has it).

    `index` has the clip table of each dataset. In `paired` the split becomes the entry's `use`. In `hierarchy` built
    trees take the place of the clips' own; they are empty where none can be built (`without_treeless`). Raises
    UserError when an entry selects nothing, a condition names a value that does not exist, clips lack what the role
    needs, or a clip stands in both paired train and val.
    """
    parts = []
    for number, entry in enumerate(entries):
        where = f"roles.{role}.{number}"
        clips = in_share(matching(index[entry.dataset], entry, where), entry.share, seed)
        if clips.empty:
            raise UserError(f"{where}: no clip of {entry.dataset} is selected; widen `where` or `share`")
        built = isinstance(entry, HierarchyEntry) and entry.trees == "built"
        if built:
            clips = with_built_trees(clips, entry, where)
        _check_needs(role, clips, f"{where} ({entry.dataset})", treeless=built)
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


def with_built_trees(clips: pd.DataFrame, entry: HierarchyEntry, where: str) -> pd.DataFrame:
    """Return the clips with caption trees built with the entry's ontology; empty ones where none can be built.

    Raises:
        UserError: the ontology cannot be read, or no clip gets a tree.
    """
    ontology = Ontology.read(user_path(entry.ontology or ""))
    trees = [
        list(built_tree(clip.captions, clip.tags, clip.label if isinstance(clip.label, str) else None, ontology))
        for clip in clips.itertuples()
    ]
    if not any(trees):
        raise UserError(
            f"{where}: no caption tree can be built for any of {len(clips)} clips of {entry.dataset}: expected a "
            "caption of several events, or a tag or label that lies below a class of the ontology"
        )
    return clips.assign(caption_tree=pd.Series(trees, index=clips.index, dtype=object))


def without_treeless(clips: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Return the clips of `hierarchy` that have caption trees, and the others as rows of `tables.clips.REJECTS`."""
    has_tree = clips["caption_tree"].map(len) > 0
    rows = [
        {"dataset": clip.dataset, "path": clip.clip_id, "reason": NO_TREE} for clip in clips[~has_tree].itertuples()
    ]
    return clips[has_tree].reset_index(drop=True), rows


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
    kept: set[str] = set()
    for ordered in _classes_in_order(clips, seed):
        start, end = (math.floor(mark * len(ordered) + 0.5) for mark in share)
        kept.update(name for _, name in ordered[start:end])
    return clips[recordings(clips).isin(kept).to_numpy()]


def first_share(clips: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Return the clips of the first `share` of a dataset's recordings, one at least, evenly over classes.

    The order is one of all recordings: those of a class as for `in_share`, spread over it, so that [0, x] there and x
    here differ only in the rounding, which is of the whole here. A smaller share is a prefix of a larger one.
    """
    placed = [
        ((place + 0.5) / len(ordered), drawn, name)
        for ordered in _classes_in_order(clips, seed)
        for place, (drawn, name) in enumerate(ordered)
    ]
    kept = {name for *_, name in sorted(placed)[: max(1, math.floor(share * len(placed) + 0.5))]}
    return clips[recordings(clips).isin(kept).to_numpy()]


def _classes_in_order(clips: pd.DataFrame, seed: int) -> Iterator[list[tuple[int, str]]]:
    """Yield the recordings of each class of a dataset, each with the number that puts it in order."""
    table = pd.DataFrame({"recording": recordings(clips), "label": clips["label"].fillna("").astype(str)})
    counts = table.groupby(["recording", "label"]).size().rename("clips").reset_index()
    counts = counts.sort_values(["recording", "clips", "label"], ascending=[True, False, True])
    dataset = clips["dataset"].iloc[0] if len(clips) else ""
    for label, group in counts.drop_duplicates("recording").groupby("label"):
        yield sorted((derived_seed(seed, "share", dataset, label, name), name) for name in group["recording"])


def with_paired_share(tables: Mapping[str, pd.DataFrame], share: float, seed: int) -> dict[str, pd.DataFrame]:
    """Return the role tables with a share of each dataset's training pairs; all else stays as it is.

    The clips that leave `paired` leave `text` too: a teacher chooses among its own training captions. Cut last, when
    leaks are out, so that the same clips stand in every other role whatever the share.

    Raises:
        UserError: no caption is left in `text`.
    """
    if share == 1.0:
        return dict(tables)
    paired, text = tables["paired"], tables["text"]
    train = paired[paired["split"] == "train"]
    kept = pd.concat([first_share(clips, share, seed) for _, clips in train.groupby("dataset")])
    left_out = _keys(train).difference(_keys(kept))
    words = text[~_keys(text).isin(left_out)]
    if words.empty:
        raise UserError(f"roles.paired_share = {share:g} leaves no caption in roles.text; raise it")
    return {**tables, "paired": paired[~_keys(paired).isin(left_out)], "text": words}


def _keys(clips: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(clips[["dataset", "clip_id"]])


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


def _check_needs(role: str, clips: pd.DataFrame, where: str, *, treeless: bool = False) -> None:
    silent = (clips["shard"] == "").sum()
    if role not in _TEXT_ROLES and silent:
        raise UserError(f"{where}: {silent} items are captions without audio; only the text role takes them")
    if role in {"zero_shot", "labels"} and clips["label"].isna().any():
        raise UserError(f"{where}: {clips['label'].isna().sum()} clips have no label, which {role} needs")
    if role == "hierarchy" and not treeless and not clips["caption_tree"].map(len).all():
        raise UserError(
            f"{where}: {(clips['caption_tree'].map(len) == 0).sum()} clips have no caption tree, which {role} needs"
        )
