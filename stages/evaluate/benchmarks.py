"""What is asked of the models: tables turned into queries, galleries and relevance, the same for both models."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from clapline.errors import UserError
from clapline.metrics.retrieval import Relevance
from clapline.text.prompts import clean_label, prompted_labels


@dataclass(frozen=True)
class Variant:
    """The queries of a benchmark that were put in other words of one kind, and those words, in the same order.

    `part` names what is measured with these words, `drop` what is lost against the captions themselves.
    """

    part: str
    drop: str
    queries: np.ndarray  # rows of the benchmark's captions
    words: list[str]


@dataclass(frozen=True)
class Retrieval:
    """One dataset's benchmark: distinct captions and clips; a caption is relevant to every clip that holds its text."""

    dataset: str
    clips: pd.DataFrame
    captions: list[str]
    text_to_audio: Relevance
    audio_to_text: Relevance
    variants: list[Variant] = field(default_factory=list)


@dataclass(frozen=True)
class ZeroShot:
    """One dataset's labelled clips; `sentences` holds one list per prompt, in the order of `classes`."""

    dataset: str
    clips: pd.DataFrame
    classes: list[str]
    truth: np.ndarray
    sentences: list[list[str]]
    unlabelled: int


@dataclass(frozen=True)
class Hierarchy:
    """One dataset's caption trees: distinct texts, and each clip's tree as rows of them, most abstract first."""

    dataset: str
    clips: pd.DataFrame
    captions: list[str]
    trees: list[list[int]]


def retrieval_benchmarks(
    clips: pd.DataFrame, paraphrases: pd.DataFrame, stress: pd.DataFrame | None = None
) -> list[Retrieval]:
    """Return one benchmark per dataset, by name, with its paraphrased and stressed queries as variants.

    Raises UserError when a text of either table belongs to no caption.
    """
    _refuse_strangers(clips, paraphrases, "data/captions/paraphrases_test.parquet", "paraphrase")
    if stress is not None:
        _refuse_strangers(clips, stress, "data/captions/stress.parquet", "stress")
    benchmarks = []
    for dataset, rows in clips.groupby("dataset", sort=True):
        rows = rows.reset_index(drop=True)
        held = [(clip, text) for clip, texts in enumerate(rows["captions"]) for text in texts]
        silent = sum(not texts for texts in rows["captions"])
        if silent:
            raise UserError(
                f"retrieval: {silent} of {len(rows)} clips of {dataset} have no captions; run the rewrite stage"
            )
        captions = sorted({text for _, text in held})
        place = {text: row for row, text in enumerate(captions)}
        clip, caption = np.array([(clip, place[text]) for clip, text in held], dtype=np.int64).T
        benchmarks.append(
            Retrieval(
                str(dataset),
                rows,
                captions,
                Relevance.from_pairs(caption, clip, len(captions), len(rows)),
                Relevance.from_pairs(clip, caption, len(rows), len(captions)),
                [
                    *_levels(place, paraphrases[paraphrases["dataset"] == dataset]),
                    *(_stressed(place, stress[stress["dataset"] == dataset]) if stress is not None else ()),
                ],
            )
        )
    return benchmarks


def _levels(place: dict[str, int], paraphrases: pd.DataFrame) -> list[Variant]:
    return [
        _variant(f"t2a_level{level}", f"t2a_drop{level}", place, rows)
        for level, rows in paraphrases.groupby("level", sort=True)
    ]


def _stressed(place: dict[str, int], stress: pd.DataFrame) -> list[Variant]:
    """Return a variant per kind of English query, then one per further language, each by name."""
    english = stress["language"] == "en"
    groups = [*stress[english].groupby("kind", sort=True), *stress[~english].groupby("language", sort=True)]
    return [_variant(f"t2a_stress_{name}", f"t2a_stress_{name}_drop", place, rows) for name, rows in groups]


def _variant(part: str, drop: str, place: dict[str, int], rows: pd.DataFrame) -> Variant:
    rows = rows.sort_values(["clip_id", "caption_index"], kind="stable")
    # Clips may share a caption: the query is one, and so are its other words, the first.
    words = dict(reversed([(place[row.original], row.text) for row in rows.itertuples()]))
    queries = sorted(words)
    return Variant(part, drop, np.array(queries, dtype=np.int64), [words[query] for query in queries])


def _refuse_strangers(clips: pd.DataFrame, texts: pd.DataFrame, path: str, stage: str) -> None:
    captions = {
        (row.dataset, row.clip_id, index): text
        for row in clips.itertuples(index=False)
        for index, text in enumerate(row.captions)
    }
    for row in texts.itertuples(index=False):
        key = (row.dataset, row.clip_id, row.caption_index)
        if captions.get(key) != row.original:
            raise UserError(
                f"{path}: caption {row.caption_index} of clip {row.clip_id!r} "
                f"({row.dataset}) is not the one in data/captioned/retrieval.parquet; run the stage {stage} again"
            )


def zero_shot_benchmarks(clips: pd.DataFrame, prompts: list[str]) -> list[ZeroShot]:
    """Return one benchmark per dataset, by name; clips without a label are left out and counted."""
    benchmarks = []
    for dataset, rows in clips.groupby("dataset", sort=True):
        labelled = rows[rows["label"].notna()].reset_index(drop=True)
        if labelled.empty:
            raise UserError(f"roles.zero_shot: none of the {len(rows)} clips of {dataset} has a label")
        words = [clean_label(label) for label in labelled["label"]]
        classes = sorted(set(words))
        if len(classes) < 2:
            raise UserError(f"roles.zero_shot: {dataset} has the one class {classes[0]!r}; at least 2 are needed")
        place = {name: row for row, name in enumerate(classes)}
        truth = np.array([place[name] for name in words], dtype=np.int64)
        sentences = prompted_labels(prompts, classes)
        benchmarks.append(ZeroShot(str(dataset), labelled, classes, truth, sentences, len(rows) - len(labelled)))
    return benchmarks


def hierarchy_benchmarks(clips: pd.DataFrame) -> list[Hierarchy]:
    """Return one benchmark per dataset with caption trees, by name; clips without a tree take no part."""
    benchmarks = []
    for dataset, rows in clips.groupby("dataset", sort=True):
        rows = rows[[len(tree) > 0 for tree in rows["caption_tree"]]].reset_index(drop=True)
        if rows.empty:
            raise UserError(f"roles.hierarchy: no clip of {dataset} has a caption tree")
        captions = sorted({text for tree in rows["caption_tree"] for text in tree})
        place = {text: row for row, text in enumerate(captions)}
        benchmarks.append(
            Hierarchy(str(dataset), rows, captions, [[place[text] for text in tree] for tree in rows["caption_tree"]])
        )
    return benchmarks
