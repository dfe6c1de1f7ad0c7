"""Retrieval in both directions, and with the queries in other words: what is lost by them."""

from __future__ import annotations

import numpy as np

from clapline.metrics.bootstrap import Units
from clapline.metrics.near_ties import near_tied
from clapline.metrics.protocols import MEASURES
from clapline.metrics.retrieval import Relevance, relevant_ranks
from clapline.metrics.robustness import rank_shift, row_cosines, shared_top
from clapline.metrics.scores import Side
from clapline.metrics.similarity import Items
from clapline.randomness import generator
from stages.evaluate.benchmarks import Retrieval, Variant
from stages.evaluate.encoded import Encoded
from stages.evaluate.parts import Part

_DROPPED = ("r1", "r5", "r10", "map10")
_OF_SEVERAL = ("any1", "any5", "any10")  # with one answer per query they say what R@k says
_CONTROLLED = 2000  # queries asked with shuffled answers: enough for a control, cheap beside the whole


def direction_parts(benchmark: Retrieval, model: Encoded, seed: int) -> list[Part]:
    """Measure text to audio (`t2a`) and audio to text (`a2t`)."""
    audio, text = model.of_clips(benchmark.clips), model.of_texts(benchmark.captions)
    relevance = benchmark.text_to_audio
    units = Units(relevance.starts, relevance.items, relevance.gallery_size)
    back = benchmark.audio_to_text
    clip_ids = benchmark.clips["clip_id"].to_numpy()
    parts = [
        _ranked(benchmark, "t2a", benchmark.queries, units, text, audio, relevance, seed, words=benchmark.captions),
        _ranked(benchmark, "a2t", list(clip_ids), Units.one_each(len(audio)), audio, text, back, seed),
    ]
    ties = (
        near_tied(text.as_queries(), audio.as_candidates(), relevance),
        near_tied(audio.as_queries(), text.as_candidates(), back),
    )
    for part, tied in zip(parts, ties, strict=True):
        part.details["near_tied"] = int(tied.sum())
    return parts


def retrieval_parts(benchmark: Retrieval, model: Encoded, seed: int) -> list[Part]:
    """Measure both directions, and text to audio with the queries in other words.

    `t2a_level1` asks with the paraphrase; `t2a_drop1` is the original's value minus the paraphrase's, on the queries
    that have one, with what else moves. `t2a_stress_typos` and `t2a_stress_typos_drop` are the same for a kind of the
    stress set. `t2a_judged` asks the captions whose answers people judged.
    """
    parts = direction_parts(benchmark, model, seed)
    audio, text = model.of_clips(benchmark.clips), model.of_texts(benchmark.captions)
    for variant in benchmark.variants:
        parts += _variant_parts(benchmark, variant, parts[0], text.take(variant.queries), audio, model, seed)
    if benchmark.judged is not None:
        queries, relevance = benchmark.judged.queries, benchmark.judged.relevance
        units = Units(relevance.starts, relevance.items, relevance.gallery_size)  # of which most hang together
        names = [benchmark.queries[query] for query in queries]
        words = [benchmark.captions[query] for query in queries]
        asked = text.take(queries)
        parts.append(_ranked(benchmark, "t2a_judged", names, units, asked, audio, relevance, seed, words=words))
    return parts


def _ranked(
    benchmark: Retrieval,
    name: str,
    queries: list[str],
    units: Units,
    asking: Side,
    asked: Side,
    relevance: Relevance,
    seed: int,
    words: list[str] | None = None,
) -> Part:
    ranks = relevant_ranks(asking.as_queries(), asked.as_candidates(), relevance)
    several = name == "a2t" or int(relevance.counts.max()) > 1
    names = [measure for measure in MEASURES if several or measure not in _OF_SEVERAL]
    values = {measure: MEASURES[measure].values(ranks, relevance) for measure in names}
    return Part(
        benchmark.dataset,
        name,
        queries,
        units,
        benchmark.clips["clip_id"].to_numpy(),
        {measure: value for measure, value in values.items() if not MEASURES[measure].median},
        {measure: value for measure, value in values.items() if MEASURES[measure].median},
        chance={measure: MEASURES[measure].chance(relevance) for measure in names},
        control=_shuffled(benchmark.dataset, name, names, asking, asked.as_candidates(), relevance, seed),
        words=words,
        ranks=ranks,
        relevant=relevance.counts,
    )


def _shuffled(
    dataset: str, part: str, names: list[str], asking: Side, gallery: Items, relevance: Relevance, seed: int
) -> dict[str, float]:
    """Return the measures of the same scores with the answers shuffled, over an even choice of the queries.

    What is above chance here is no knowledge of the answers: a leak of ids, or a fault of the measure.
    """
    places = generator(seed, "evaluate", "shuffled", dataset, part).permutation(relevance.gallery_size)
    chosen = np.unique(np.linspace(0, len(asking) - 1, min(_CONTROLLED, len(asking))).astype(np.int64))
    wrong = relevance.subset(chosen).moved(places)
    ranks = relevant_ranks(asking.take(chosen).as_queries(), gallery, wrong)
    values = {measure: MEASURES[measure].values(ranks, wrong) for measure in names}
    return {
        measure: float(np.median(value) if MEASURES[measure].median else value.mean())
        for measure, value in values.items()
    }


def _variant_parts(
    benchmark: Retrieval, variant: Variant, original: Part, captions: Side, audio: Side, model: Encoded, seed: int
) -> list[Part]:
    asked = benchmark.text_to_audio.subset(variant.queries)
    units = Units(asked.starts, asked.items, asked.gallery_size)
    names = [benchmark.queries[query] for query in variant.queries]
    texts = model.of_texts(variant.words)
    part = _ranked(benchmark, variant.part, names, units, texts, audio, asked, seed, words=variant.words)
    before = {measure: original.values[measure][variant.queries] for measure in _DROPPED}
    lost = {measure: before[measure] - part.values[measure] for measure in _DROPPED}
    ranks = original.medians["median_rank"][variant.queries], part.medians["median_rank"]
    clips = audio.as_candidates()
    moved = {
        "shared_top10": shared_top(captions.as_queries(), texts.as_queries(), clips, 10),
        "cosine": row_cosines(captions.items, texts.items),
    }
    drop = Part(
        benchmark.dataset,
        variant.drop,
        names,
        units,
        part.clip_ids,
        lost | moved,
        {"rank_shift": rank_shift(*ranks)},
        {f"relative_{measure}": (lost[measure], before[measure]) for measure in ("r10", "map10")},
    )
    return [part, drop]
