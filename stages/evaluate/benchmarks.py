"""What is asked of the models: tables turned into queries, galleries and relevance, the same for both models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from clapline.errors import UserError
from clapline.metrics.retrieval import Relevance
from clapline.text.prompt_templates import PROMPT_TEMPLATES, prompt_sentences
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
class Judged:
    """Queries whose answers people judged, as rows of a benchmark's captions, and which clips they found relevant."""

    queries: np.ndarray
    relevance: Relevance


@dataclass(frozen=True)
class Retrieval:
    """One dataset's benchmark: captions and clips; `queries` names each caption.

    Distinct captions are relevant to every clip that holds their text; as `rows` every caption of every clip stands
    for itself, and is relevant to its own clip alone.
    """

    dataset: str
    clips: pd.DataFrame
    captions: list[str]
    queries: list[str]
    text_to_audio: Relevance
    audio_to_text: Relevance
    variants: list[Variant] = field(default_factory=list)
    judged: Judged | None = None


@dataclass(frozen=True)
class ZeroShot:
    """One dataset's labelled clips; `sentences` holds one list per prompt, in the order of `classes`.

    `templates` holds such a list for each named template, for what the choice of prompt moves.
    """

    dataset: str
    clips: pd.DataFrame
    classes: list[str]
    truth: np.ndarray
    sentences: list[list[str]]
    unlabelled: int
    templates: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Hierarchy:
    """One dataset's caption trees: distinct texts, and each clip's tree as rows of them, most abstract first."""

    dataset: str
    clips: pd.DataFrame
    captions: list[str]
    trees: list[list[int]]


def retrieval_benchmarks(
    clips: pd.DataFrame,
    paraphrases: pd.DataFrame,
    stress: pd.DataFrame | None = None,
    judgements: pd.DataFrame | None = None,
    captions: Literal["distinct", "rows"] = "distinct",
) -> list[Retrieval]:
    """Return one benchmark per dataset, by name, with its paraphrased and stressed queries as variants.

    Raises UserError when a text of either table belongs to no caption.
    """
    refuse_strangers(clips, paraphrases, "data/captions/paraphrases_test.parquet", "paraphrase")
    if stress is not None:
        refuse_strangers(clips, stress, "data/captions/stress.parquet", "stress")
    benchmarks = []
    for dataset, rows in clips.groupby("dataset", sort=True):
        rows = rows.reset_index(drop=True)
        silent = sum(not texts for texts in rows["captions"])
        if silent:
            raise UserError(
                f"retrieval: {silent} of {len(rows)} clips of {dataset} have no captions; run the rewrite stage"
            )
        held = [
            (clip, _key(captions, rows["clip_id"][clip], index, text), text)
            for clip, texts in enumerate(rows["captions"])
            for index, text in enumerate(texts)
        ]
        texts = dict(sorted({key: text for _, key, text in held}.items()))
        place = {key: row for row, key in enumerate(texts)}
        clip, caption = np.array([(clip, place[key]) for clip, key, _ in held], dtype=np.int64).T
        written = paraphrases[paraphrases["dataset"] == dataset]
        typed = stress[stress["dataset"] == dataset] if stress is not None else None
        benchmarks.append(
            Retrieval(
                str(dataset),
                rows,
                list(texts.values()),
                [key if captions == "distinct" else f"{key[0]} {key[1] + 1}" for key in texts],
                Relevance.from_pairs(caption, clip, len(texts), len(rows)),
                Relevance.from_pairs(clip, caption, len(rows), len(texts)),
                [
                    *_levels(captions, place, written),
                    *(_stressed(captions, place, typed) if typed is not None else ()),
                ],
                _judged(rows, list(texts.values()), judgements),
            )
        )
    return benchmarks


def _key(captions: str, clip_id: str, index: int, text: str) -> Any:
    """Return what makes a caption a query of its own: its text, or its place."""
    return text if captions == "distinct" else (clip_id, int(index))


def _judged(clips: pd.DataFrame, captions: list[str], judgements: pd.DataFrame | None) -> Judged | None:
    """Return the captions that were judged, each once, and the clips found relevant; None where there are none.

    A judgement's query is a caption but for case and outer spaces; clips that are not in the benchmark are left out,
    and so are queries of which no relevant clip is there.
    """
    if judgements is None or judgements.empty:
        return None
    places: dict[str, int] = {}
    for row, text in enumerate(captions):
        places.setdefault(_plain(text), row)
    rows = {clip_id: row for row, clip_id in enumerate(clips["clip_id"])}
    pairs = {
        (places[_plain(item.query)], rows[item.clip_id])
        for item in judgements.itertuples(index=False)
        if _plain(item.query) in places and item.clip_id in rows
    }
    if not pairs:
        return None
    asked, clip = np.array(sorted(pairs), dtype=np.int64).T
    queries, number = np.unique(asked, return_inverse=True)
    return Judged(queries, Relevance.from_pairs(number, clip, len(queries), len(clips)))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _levels(captions: str, place: dict[Any, int], paraphrases: pd.DataFrame) -> list[Variant]:
    return [
        _variant(f"t2a_level{level}", f"t2a_drop{level}", captions, place, rows)
        for level, rows in paraphrases.groupby("level", sort=True)
    ]


def _stressed(captions: str, place: dict[Any, int], stress: pd.DataFrame) -> list[Variant]:
    """Return a variant per kind of English query, then one per further language, each by name."""
    english = stress["language"] == "en"
    groups = [*stress[english].groupby("kind", sort=True), *stress[~english].groupby("language", sort=True)]
    return [_variant(f"t2a_stress_{name}", f"t2a_stress_{name}_drop", captions, place, rows) for name, rows in groups]


def _variant(part: str, drop: str, captions: str, place: dict[Any, int], rows: pd.DataFrame) -> Variant:
    rows = rows.sort_values(["clip_id", "caption_index"], kind="stable")
    keys = [_key(captions, row.clip_id, row.caption_index, row.original) for row in rows.itertuples()]
    # Clips may share a caption: the query is one, and so are its other words, the first.
    words = dict(reversed([(place[key], text) for key, text in zip(keys, rows["text"], strict=True)]))
    queries = sorted(words)
    return Variant(part, drop, np.array(queries, dtype=np.int64), [words[query] for query in queries])


def refuse_strangers(clips: pd.DataFrame, texts: pd.DataFrame, path: str, stage: str) -> None:
    """Raise UserError when a text of a table stands for another caption than the one it was made of."""
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
        sentences = prompted_labels(prompt_sentences(prompts), classes)
        templates = dict(zip(PROMPT_TEMPLATES, prompted_labels(list(PROMPT_TEMPLATES.values()), classes), strict=True))
        unlabelled = len(rows) - len(labelled)
        benchmarks.append(ZeroShot(str(dataset), labelled, classes, truth, sentences, unlabelled, templates))
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
