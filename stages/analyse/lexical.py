"""Richness numbers of every source of captions: per caption, per clip and per corpus."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from clapline.text.richness import (
    distinct_bigrams,
    hapax,
    moving_type_token_ratio,
    mtld,
    pairwise_overlap,
    type_token_ratio,
    words_of,
)
from stages.analyse.sources import source_names

MOVING_WINDOW_WORDS = 50
ALL_DATASETS = "all"


@dataclass(frozen=True)
class Measures:
    """One source of one dataset: the numbers of a table row, and the distributions behind them."""

    dataset: str
    source: str
    numbers: dict[str, float | int | None]
    words: list[int]  # per caption
    mtld_captions: list[float]
    mtld_clips: list[float]


def measure_sources(captions: pd.DataFrame, threshold: float) -> list[Measures]:
    """Return the measures of each source over all datasets, then, where there are several, of each dataset alone.

    Args:
        captions: rows of `sources.caption_sources`.
        threshold: type-token ratio at which an MTLD stretch closes.
    """
    tokens = captions.assign(words=[words_of(text) for text in captions["text"]])
    datasets = sorted(set(tokens["dataset"]))
    parts = [(ALL_DATASETS, tokens)]
    if len(datasets) > 1:
        parts += [(name, tokens[tokens["dataset"] == name]) for name in datasets]
    return [
        measure(name, source, part[part["source"] == source], threshold)
        for name, part in parts
        for source in source_names(part)
    ]


def measure(dataset: str, source: str, rows: pd.DataFrame, threshold: float) -> Measures:
    """Measure one source. `rows` carries `dataset`, `clip_id` and `words` (a list of words per caption), at least one.

    A caption without words counts as wordless and enters nothing else. Where nothing can be measured, numbers are None.
    """
    captions = [words for words in rows["words"] if words]
    clips = [list(group["words"]) for _, group in rows.groupby(["dataset", "clip_id"], sort=False)]
    joined = [[word for words in clip for word in words] for clip in clips]
    corpus = [word for words in captions for word in words]
    lengths = [len(words) for words in captions]
    per_caption = _known(mtld(words, threshold) for words in captions)
    per_clip = _known(mtld(words, threshold) for words in joined)
    merely_length = sum(value == length for value, length in zip(per_caption, lengths, strict=True))
    numbers = {
        "captions": len(rows),
        "wordless_captions": len(rows) - len(captions),
        "clips": len(clips),
        "captions_per_clip": len(rows) / len(clips),
        "words": len(corpus),
        "words_per_caption_mean": _mean(lengths),
        "words_per_caption_sd": _sd(lengths),
        "vocabulary": len(set(corpus)),
        "hapax": hapax(captions),
        "distinct_bigrams": distinct_bigrams(captions),
        "overlap_within_clip": _mean(_known(pairwise_overlap(clip) for clip in clips)),
        "ttr_per_clip_mean": _mean(_known(type_token_ratio(words) for words in joined)),
        f"moving_ttr_{MOVING_WINDOW_WORDS}": moving_type_token_ratio(corpus, MOVING_WINDOW_WORDS),
        "mtld_caption_mean": _mean(per_caption),
        "mtld_caption_sd": _sd(per_caption),
        "mtld_caption_median": statistics.median(per_caption) if per_caption else None,
        "mtld_caption_is_length_share": merely_length / len(captions) if captions else None,
        "mtld_clip_mean": _mean(per_clip),
        "mtld_clip_sd": _sd(per_clip),
        "mtld_clip_median": statistics.median(per_clip) if per_clip else None,
        "mtld_corpus": mtld(corpus, threshold),
    }
    return Measures(dataset, source, numbers, lengths, per_caption, per_clip)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: list[float] | list[int]) -> float | None:
    return statistics.fmean(values) if values else None


def _sd(values: list[float] | list[int]) -> float | None:
    return statistics.pstdev(values) if values else None
