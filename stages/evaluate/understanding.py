"""Language understanding: whether a caption of a clip outranks its corrupted twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clapline.metrics.bootstrap import Units
from clapline.metrics.pairs import pair_similarities
from clapline.metrics.similarity import Items
from clapline.metrics.uncertainty import stranger
from clapline.randomness import generator
from clapline.text.corruptions import KINDS, corrupted
from stages.evaluate.benchmarks import Retrieval
from stages.evaluate.parts import Part

if TYPE_CHECKING:
    from stages.evaluate.encoded import Encoded


@dataclass(frozen=True)
class Twins:
    """Captions of a benchmark, as rows of its captions, and the twin of each, corrupted in one way."""

    benchmark: Retrieval
    kind: str
    queries: np.ndarray
    words: list[str]

    @property
    def part(self) -> str:
        """What is measured with them, as it stands in the metrics."""
        return f"twin_{self.kind}"


def twins_of(benchmarks: Sequence[Retrieval]) -> list[Twins]:
    """Return the twins of each benchmark by kind; none of a kind of which no caption has one."""
    found = []
    for benchmark in benchmarks:
        for kind in KINDS:
            made = [(row, corrupted(caption, kind)) for row, caption in enumerate(benchmark.captions)]
            kept = [(row, twin) for row, twin in made if twin is not None]
            if kept:
                queries = np.array([row for row, _ in kept], dtype=np.int64)
                found.append(Twins(benchmark, kind, queries, [twin for _, twin in kept]))
    return found


def twin_part(twins: Twins, model: Encoded, seed: int) -> Part:
    """Measure how often a clip is nearer to its caption than to the twin; equal similarities count as wrong.

    A caption of several clips counts the mean over them. Chance is one half, but a model may like whole sentences
    better than mutilated ones whatever it hears: `control` is the same with a stranger's clip for each.
    """
    benchmark = twins.benchmark
    asked = benchmark.text_to_audio.subset(twins.queries)
    owner = np.repeat(np.arange(len(twins.queries)), asked.counts)
    audio = model.of_clips(benchmark.clips).as_queries()
    captions = [benchmark.captions[row] for row in twins.queries]
    right, wrong = (model.of_texts(texts).as_candidates() for texts in (captions, twins.words))
    won = _won(right, wrong, owner, audio, asked.items)
    values = np.add.reduceat(won, asked.starts[:-1]) / asked.counts
    draws = generator(seed, "evaluate", "stranger", benchmark.dataset, twins.part)
    _, kinds = np.unique(["\n".join(sorted(texts)) for texts in benchmark.clips["captions"]], return_inverse=True)
    other = stranger(kinds, draws)[asked.items]
    control = {}
    if (other >= 0).all():
        deaf = np.add.reduceat(_won(right, wrong, owner, audio, other), asked.starts[:-1]) / asked.counts
        control = {"accuracy": float(deaf.mean())}
    return Part(
        benchmark.dataset,
        twins.part,
        [benchmark.queries[row] for row in twins.queries],
        Units(asked.starts, asked.items, asked.gallery_size),
        benchmark.clips["clip_id"].to_numpy(),
        {"accuracy": values},
        chance={"accuracy": 0.5},
        control=control,
        words=twins.words,
    )


def _won(right: np.ndarray, wrong: np.ndarray, owner: np.ndarray, audio: Items, rows: np.ndarray) -> np.ndarray:
    near, far = (pair_similarities(texts, owner, audio, rows) for texts in (right, wrong))
    return (near > far).astype(np.float64)
