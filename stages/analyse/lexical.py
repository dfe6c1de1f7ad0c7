"""Richness numbers of every source of captions: per caption, per clip and per corpus."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from clapline.text.richness import (
    distinct_ngrams,
    drawn_type_token_ratio,
    hapax,
    moving_type_token_ratio,
    mtld,
    pairwise_overlap,
    type_token_ratio,
    words_of,
)
from stages.analyse.sources import source_names

MOVING_WINDOW_WORDS = 50
DRAWN_WORDS = 42
ALL_DATASETS = "all"

Number = float | int | None


class Caption(NamedTuple):
    """The words of a caption, at least one, and its MTLD."""

    words: list[str]
    mtld: float


@dataclass(frozen=True)
class Measures:
    """One source of one dataset: the numbers of a table row, and what they were made of."""

    dataset: str
    source: str
    numbers: dict[str, Number]
    clips: dict[tuple[str, str], list[Caption]]  # by dataset and clip; captions without words are left out
    mtld_clips: list[float]

    @property
    def captions(self) -> list[Caption]:
        """All captions, clip by clip."""
        return [caption for clip in self.clips.values() for caption in clip]


def measure_sources(captions: pd.DataFrame, threshold: float) -> list[Measures]:
    """Return the measures of each source over all datasets, then, where there are several, of each dataset alone.

    Args:
        captions: rows of `sources.caption_sources`.
        threshold: type-token ratio at which an MTLD stretch closes.
    """
    words = [words_of(text) for text in captions["text"]]
    tokens = captions.assign(words=words, mtld=[mtld(each, threshold) for each in words])
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
    """Measure one source.

    `rows`, at least one, carries `dataset`, `clip_id`, `words` (a list of words per caption) and `mtld` (of those).
    A caption without words counts as wordless and enters nothing else. Where nothing can be measured, numbers are None.
    """
    clips: dict[tuple[str, str], list[Caption]] = {}
    for name, clip, words, value in zip(rows["dataset"], rows["clip_id"], rows["words"], rows["mtld"], strict=True):
        held = clips.setdefault((name, clip), [])
        if words:
            held.append(Caption(words, value))
    texts = [caption.words for clip in clips.values() for caption in clip]
    per_caption = [caption.mtld for clip in clips.values() for caption in clip]
    joined = [joined_words(clip) for clip in clips.values()]
    corpus = [word for words in texts for word in words]
    per_clip = known(mtld(words, threshold) for words in joined)
    lengths = [len(words) for words in texts]
    merely_length = sum(value == length for value, length in zip(per_caption, lengths, strict=True))
    numbers: dict[str, Number] = {
        "captions": len(rows),
        "wordless_captions": len(rows) - len(texts),
        "clips": len(clips),
        "captions_per_clip": len(rows) / len(clips),
        "words": len(corpus),
        "words_per_caption_mean": _mean(lengths),
        "words_per_caption_sd": statistics.pstdev(lengths) if lengths else None,
        "vocabulary": len(set(corpus)),
        "hapax": hapax(texts),
        **_ngrams(texts),
        "overlap_within_clip": _mean(known(pairwise_overlap([each.words for each in clip]) for clip in clips.values())),
        **_ratios(texts, joined, corpus),
        **_spread("mtld_caption", per_caption),
        "mtld_caption_is_length_share": merely_length / len(texts) if texts else None,
        **_spread("mtld_clip", per_clip),
        "mtld_corpus": mtld(corpus, threshold),
    }
    return Measures(dataset, source, numbers, clips, per_clip)


def joined_words(clip: Iterable[Caption]) -> list[str]:
    """Return the words of a clip's captions as one text."""
    return [word for caption in clip for word in caption.words]


def known(values: Iterable[float | None]) -> list[float]:
    """Return the values that could be measured."""
    return [value for value in values if value is not None]


def _ngrams(texts: Sequence[Sequence[str]]) -> dict[str, Number]:
    counts = {length: distinct_ngrams(texts, length) for length in (1, 2, 3)}
    shares = {f"distinct_{n}_share": found / total if total else None for n, (found, total) in counts.items()}
    return {"distinct_bigrams": counts[2][0], "distinct_trigrams": counts[3][0], **shares}


def _ratios(texts: list[list[str]], clips: list[list[str]], corpus: list[str]) -> dict[str, Number]:
    """Return the type-token ratios per caption, clip and corpus, and how many texts are long enough for them.

    The plain ratio of a corpus says only how large it is: it is left out.
    """
    moving, drawn = f"moving_ttr_{MOVING_WINDOW_WORDS}", f"hdd_{DRAWN_WORDS}"
    found: dict[str, Number] = {
        "ttr_per_caption_mean": _mean(known(map(type_token_ratio, texts))),
        "ttr_per_clip_mean": _mean(known(map(type_token_ratio, clips))),
        moving: moving_type_token_ratio(corpus, MOVING_WINDOW_WORDS),
        drawn: drawn_type_token_ratio(corpus, DRAWN_WORDS),
    }
    for level, parts in (("caption", texts), ("clip", clips)):
        for name, values in (
            (moving, known(moving_type_token_ratio(words, MOVING_WINDOW_WORDS) for words in parts)),
            (drawn, known(drawn_type_token_ratio(words, DRAWN_WORDS) for words in parts)),
        ):
            found[f"{name}_{level}_mean"] = _mean(values)
            found[f"{name}_{level}_share"] = len(values) / len(parts) if parts else None
    return found


def _spread(name: str, values: list[float]) -> dict[str, Number]:
    marks = {"p5": 5, "p25": 25, "p75": 75, "p95": 95, "max": 100}
    found: dict[str, Number] = {
        f"{name}_mean": _mean(values),
        f"{name}_sd": statistics.pstdev(values) if values else None,
        f"{name}_median": statistics.median(values) if values else None,
    }
    percentiles = np.percentile(values, list(marks.values())).tolist() if values else [None] * len(marks)
    return found | {f"{name}_{mark}": value for mark, value in zip(marks, percentiles, strict=True)}


def _mean(values: list[float] | list[int]) -> float | None:
    return statistics.fmean(values) if values else None
