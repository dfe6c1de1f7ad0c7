"""Protocols of retrieval by name: which captions are asked with, and which measures a table of that name holds.

A measure means the same under every protocol; a protocol chooses among them. Ties count against the model under all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from clapline.metrics.chance import (
    chance_any_hit,
    chance_average_precision,
    chance_median_rank,
    chance_recall,
    chance_reciprocal_rank,
)
from clapline.metrics.retrieval import (
    Relevance,
    any_hit_at_k,
    average_precision_at_k,
    best_ranks,
    recall_at_k,
    reciprocal_rank_at_k,
)


@dataclass(frozen=True)
class Measure:
    """A number per query, whose mean (or median) over queries is reported, and what a random order would reach.

    `values` takes the ranks of `relevant_ranks` and the relevance table, and gives `(queries,)`.
    """

    title: str
    values: Callable[[np.ndarray, Relevance], np.ndarray]
    chance: Callable[[Relevance], float]
    median: bool = False


def _at(values: Callable, chance: Callable, k: int, title: str) -> Measure:
    return Measure(title, partial(values, k=k), partial(chance, k=k))


MEASURES: dict[str, Measure] = {
    **{f"r{k}": _at(recall_at_k, chance_recall, k, f"R@{k}") for k in (1, 5, 10)},
    "map10": _at(average_precision_at_k, chance_average_precision, 10, "mAP@10"),
    "map16": _at(average_precision_at_k, chance_average_precision, 16, "mAP@16"),
    "mrr10": _at(reciprocal_rank_at_k, chance_reciprocal_rank, 10, "MRR@10"),
    **{f"any{k}": _at(any_hit_at_k, chance_any_hit, k, f"R@{k}, any caption hit") for k in (1, 5, 10)},
    "median_rank": Measure("median rank", best_ranks, chance_median_rank, median=True),
}


@dataclass(frozen=True)
class Protocol:
    """What one community's tables count.

    `captions`: `distinct`, equal texts are one query (and one item), relevant to every clip that holds the text; or
    `rows`, every caption of every clip is a query and an item of its own, relevant to its own clip alone, so that an
    equal text of another clip is a miss.
    """

    name: str
    captions: Literal["distinct", "rows"]
    text_to_audio: tuple[str, ...]
    audio_to_text: tuple[str, ...]
    source: str

    def measures(self, part: str) -> tuple[str, ...]:
        """Return the measures of audio to text (`a2t`), or of any other part, which all ask with texts."""
        return self.audio_to_text if part == "a2t" else self.text_to_audio


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "dcase",
            "distinct",
            ("r1", "r5", "r10", "map10"),
            ("r1", "r5", "r10", "map10"),
            "DCASE task 8 (2022 to 2024) and task 6 (2025, mAP@16 with its judgements); equal texts are one query here",
        ),
        Protocol(
            "laion",
            "rows",
            ("r1", "r5", "r10", "map10"),
            ("any1", "any5", "any10", "map10"),
            "LAION-CLAP; its own audio-to-text mAP@10 takes unsorted ranks and is too high",
        ),
        Protocol(
            "wavcaps",
            "rows",
            ("r1", "r5", "r10", "map10", "median_rank"),
            ("any1", "any5", "any10", "map10", "median_rank"),
            "WavCaps, retrieval/tools/utils.py",
        ),
        Protocol(
            "prolap",
            "rows",
            ("r1", "r5", "r10", "map10"),
            ("any1", "any5", "any10", "mrr10"),
            "ProLAP; that its audio-to-text mAP@10 counts the best caption alone follows from its table",
        ),
    )
}
