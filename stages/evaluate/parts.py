"""The suites: each benchmark measured for one model, as values per query or clip with the chance level beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from clapline.metrics.bootstrap import Units
from clapline.metrics.chance import chance_any_hit, chance_average_precision, chance_recall
from clapline.metrics.retrieval import (
    Relevance,
    any_hit_at_k,
    average_precision_at_k,
    recall_at_k,
    relevant_ranks,
)
from clapline.metrics.traversal import traverse
from clapline.metrics.zero_shot import class_embeddings, classify
from stages.evaluate.benchmarks import Hierarchy, Retrieval, ZeroShot
from stages.evaluate.encoded import Encoded

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True)
class Part:
    """One thing measured on one dataset by one model.

    `values[measure]` holds one number per query (or clip), whose mean is the measure; `chance[measure]` what a random
    order would reach (None where chance is no yardstick).
    """

    dataset: str
    name: str
    units: Units
    values: dict[str, np.ndarray]
    chance: dict[str, float | None]
    details: dict[str, np.ndarray] = field(default_factory=dict)  # ranks, predictions: for figures and examples


def _measured(ranks: np.ndarray, relevance: Relevance, *, any_hit: bool) -> dict[str, tuple[np.ndarray, float]]:
    measures = {f"r{k}": (recall_at_k(ranks, relevance, k), chance_recall(relevance, k)) for k in CUTOFFS}
    measures["map10"] = (average_precision_at_k(ranks, relevance, 10), chance_average_precision(relevance, 10))
    if any_hit:
        for k in CUTOFFS:
            measures[f"any{k}"] = (any_hit_at_k(ranks, relevance, k), chance_any_hit(relevance, k))
    return measures


def _part(
    dataset: str, name: str, units: Units, measures: dict[str, tuple[np.ndarray, float | None]], **more: np.ndarray
) -> Part:
    values = {measure: value for measure, (value, _) in measures.items()}
    return Part(dataset, name, units, values, {measure: chance for measure, (_, chance) in measures.items()}, more)


def retrieval_parts(benchmark: Retrieval, model: Encoded) -> list[Part]:
    """Measure text to audio (`t2a`), audio to text (`a2t`), and text to audio with the queries in other words.

    `t2a_level1` asks with the paraphrase; `t2a_drop1` is the original's value minus the paraphrase's, on the queries
    that have one. `t2a_stress_typos` and `t2a_stress_typos_drop` are the same for a kind of the stress set.
    """
    audio, text = model.of_clips(benchmark.clips), model.of_texts(benchmark.captions)
    relevance = benchmark.text_to_audio
    queries_units = Units(relevance.starts, relevance.items, relevance.gallery_size)
    forward = relevant_ranks(text, audio, relevance)
    backward = relevant_ranks(audio, text, benchmark.audio_to_text)
    original = _measured(forward, relevance, any_hit=False)
    parts = [
        _part(benchmark.dataset, "t2a", queries_units, original, ranks=forward),
        _part(
            benchmark.dataset,
            "a2t",
            Units.one_each(len(audio)),
            _measured(backward, benchmark.audio_to_text, any_hit=True),
            ranks=backward,
        ),
    ]
    for variant in benchmark.variants:
        asked = relevance.subset(variant.queries)
        ranks = relevant_ranks(model.of_texts(variant.words), audio, asked)
        units = Units(asked.starts, asked.items, asked.gallery_size)
        measures = _measured(ranks, asked, any_hit=False)
        drops = {
            measure: (original[measure][0][variant.queries] - value, None) for measure, (value, _) in measures.items()
        }
        parts.append(_part(benchmark.dataset, variant.part, units, measures, ranks=ranks))
        parts.append(_part(benchmark.dataset, variant.drop, units, drops))
    return parts


def zero_shot_part(benchmark: ZeroShot, model: Encoded) -> Part:
    """Measure accuracy; `details` holds the predicted class of each clip."""
    prompted = np.stack([model.of_texts(sentences) for sentences in benchmark.sentences])
    audio = model.of_clips(benchmark.clips)
    predicted, correct = classify(audio, class_embeddings(prompted), benchmark.truth)
    chance = 1 / len(benchmark.classes)
    return _part(
        benchmark.dataset,
        "zero_shot",
        Units.one_each(len(audio)),
        {"accuracy": (correct, chance)},
        predicted=predicted,
    )


def traversal_part(benchmark: Hierarchy, model: Encoded) -> Part:
    """Measure the precision of the walk to the root, and how often each level (1: most abstract) is met."""
    audio, captions = model.of_clips(benchmark.clips), model.of_texts(benchmark.captions)
    walk = traverse(audio, captions, model.root, benchmark.trees)
    measures: dict[str, tuple[np.ndarray, float | None]] = {"precision": (walk.precision, None)}
    for level in range(walk.level_hits.shape[1]):
        # A tree that ends earlier takes no part at this level; only whole columns are averaged.
        if not np.isnan(walk.level_hits[:, level]).any():
            measures[f"level{level + 1}"] = (walk.level_hits[:, level], None)
    return _part(benchmark.dataset, "traversal", Units.one_each(len(audio)), measures)


def query_rows(benchmark: Retrieval, part: Part, model: str) -> pd.DataFrame:
    """Return the per-query rows of a retrieval part, with the columns of `tables.per_query`."""
    if part.name == "a2t":
        relevance, queries, words = benchmark.audio_to_text, benchmark.clips["clip_id"].tolist(), None
    elif part.name == "t2a":
        relevance, queries, words = benchmark.text_to_audio, benchmark.captions, benchmark.captions
    else:
        (variant,) = (variant for variant in benchmark.variants if variant.part == part.name)
        relevance = benchmark.text_to_audio.subset(variant.queries)
        queries, words = [benchmark.captions[query] for query in variant.queries], variant.words
    return pd.DataFrame(
        {
            "model": model,
            "dataset": part.dataset,
            "part": part.name,
            "query": queries,
            "words": words if words is not None else "",
            "relevant": relevance.counts.astype(np.int32),
            "best_rank": part.details["ranks"][relevance.starts[:-1]],
            "r10": part.values["r10"].round(6),
            "ap10": part.values["map10"].round(6),
        }
    )
