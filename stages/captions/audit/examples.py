"""Captions to read side by side, drawn by a hash: the same ones whenever the tables are the same."""

from __future__ import annotations

import math

import pandas as pd

from clapline.chapter import Block, Cell, table, text
from stages.captions.audit.fates import Reject
from stages.captions.audit.inputs import Inputs, drawn

_CLIP = ("dataset", "clip_id")
_CAPTION = (*_CLIP, "caption_index")
_DROPPED = "(dropped)"


def paraphrase_examples(inputs: Inputs, count: int) -> Block:
    """Return captions beside their paraphrases, with the similarity of each, by purpose."""
    levels = sorted(int(level) for level in inputs.paraphrases["level"].unique())
    rows: list[list[Cell]] = []
    for purpose in ("train", "test"):
        rewordings = inputs.paraphrases[inputs.paraphrases["purpose"] == purpose]
        chosen = drawn(rewordings.drop_duplicates(list(_CAPTION)), count, _CAPTION)
        beside = rewordings.merge(chosen[list(_CAPTION)], on=list(_CAPTION))
        for _, group in beside.groupby(list(_CAPTION), sort=True):
            by_level = {int(row.level): row for row in group.itertuples(index=False)}
            row: list[Cell] = [purpose, group["original"].iloc[0]]
            for level in levels:
                found = by_level.get(level)
                row += [found.text, round(float(found.similarity), 3)] if found else [_DROPPED, None]
            rows.append(row)
    columns = ["purpose", "caption"]
    for level in levels:
        columns += [f"level {level}", f"similarity {level}"]
    return _examples("Paraphrases beside their captions, drawn by a hash, not chosen.", columns, rows)


def synthetic_examples(inputs: Inputs, count: int) -> Block:
    """Return clips' own captions beside their synthetic ones, by kind and language."""
    own = {(clip.dataset, clip.clip_id): list(clip.captions) for clip in inputs.paired.itertuples(index=False)}
    rows: list[list[Cell]] = []
    for (kind, language), texts in inputs.synthetic.groupby(["kind", "language"], sort=True):
        for clip in drawn(texts.drop_duplicates(list(_CLIP)), count, _CLIP).itertuples(index=False):
            beside = texts[(texts["dataset"] == clip.dataset) & (texts["clip_id"] == clip.clip_id)]
            given = " | ".join(own.get((clip.dataset, clip.clip_id), []))
            rows.append([_words(kind), language, given, " | ".join(beside["text"])])
    return _examples(
        "New captions beside the clips' own, drawn by a hash.", ["kind", "language", "own captions", "new"], rows
    )


def stress_examples(inputs: Inputs, count: int) -> Block:
    """Return queries beside what each kind of stress made of them."""
    rows: list[list[Cell]] = []
    for (kind, language), queries in inputs.stress.groupby(["kind", "language"], sort=True):
        rows += [
            [_words(kind), language, row.original, row.text, _measured(row.similarity), row.similarity_measure]
            for row in drawn(queries, count, _CAPTION).itertuples(index=False)
        ]
    columns = ["kind", "language", "query", "stressed query", "similarity", "measure"]
    return _examples("Stressed queries, drawn by a hash.", columns, rows)


def mixture_examples(inputs: Inputs, count: int) -> Block:
    """Return captions of mixtures."""
    chosen = drawn(inputs.mixed, count, _CLIP)
    rows: list[list[Cell]] = [
        [row.clip_id, round(float(row.duration_s), 1), " | ".join(row.captions)]
        for row in chosen.itertuples(index=False)
    ]
    return _examples("Captions of mixtures, drawn by a hash.", ["mixture", "seconds", "captions"], rows)


def reject_examples(rejects: list[Reject]) -> Block:
    """Return the commonest reasons for which captions were dropped, each with one that was."""
    rows: list[list[Cell]] = [
        [
            reject.stage, _words(reject.task), reject.purpose, _words(reject.check), reject.count, reject.original,
            reject.reason,
        ]
        for reject in rejects
    ]  # fmt: skip
    columns = ["stage", "task", "purpose", "check", "dropped", "for example", "what the check saw last"]
    return _examples("Commonest reasons of dropped captions; each stage's dropped.csv lists them all.", columns, rows)


def _measured(similarity: float) -> float | None:
    """Return a similarity to show; None where it was not measured, as of translations."""
    return None if math.isnan(similarity) else round(float(similarity), 3)


def _examples(caption: str, columns: list[str], rows: list[list[Cell]]) -> Block:
    return table(caption, columns, rows) if rows else text(f"None to show: {caption[0].lower()}{caption[1:]}")


def _words(name: str) -> str:
    return name.replace("_", " ")


def queries_by_kind(stress: pd.DataFrame) -> Block:
    """Return, for each kind of stress, how many queries there are and how near they are to the originals."""
    return _by_kind("Stressed queries by kind.", stress, "queries")


def synthetic_by_kind(synthetic: pd.DataFrame) -> Block:
    """Return, for each kind and language of synthetic captions, how many there are and how near to their sources."""
    return _by_kind("Synthetic captions by kind and language.", synthetic, "captions")


def _by_kind(caption: str, texts: pd.DataFrame, name: str) -> Block:
    rows: list[list[Cell]] = [
        [_words(kind), language, len(group), measure, _measured(group["similarity"].mean())]
        for (kind, language, measure), group in texts.groupby(["kind", "language", "similarity_measure"], sort=True)
    ]
    return _examples(caption, ["kind", "language", name, "similarity by", "similarity, mean"], rows)
