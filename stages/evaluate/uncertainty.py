"""What the widths of a Gaussian model say: of length, of abstraction, of wrong answers, of what includes what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from clapline.metrics.bootstrap import Units, bootstrap_ratios, interval
from clapline.metrics.scores import total_variance
from clapline.metrics.uncertainty import calibration, correlation, stranger
from clapline.randomness import generator
from stages.evaluate.benchmarks import Hierarchy, Retrieval
from stages.evaluate.encoded import Encoded, Suites
from stages.evaluate.parts import Part

_PAIRS_AT_ONCE = 4096
Gaussians = tuple[np.ndarray, np.ndarray]  # means and log variances, (n, dim) each


def uncertainty_of(
    suites: Suites, model: Encoded, parts: dict[tuple[str, str], Part], resamples: int, seed: int
) -> list[dict]:
    """Return one entry per dataset and thing told, as plain values; none for a model of points.

    `length`: correlation of a caption's words and its total variance (fewer words, wider: below 0). `calibration`: of
    queries and labelled clips, whether the wide ones are answered wrongly. `inclusion`: how often Σ H > 0 where the
    first should lie inside the second, beside the same with strangers and by the total variances alone, which is all
    that H may be (its sign per dimension is that of the variances, whatever the means). `order`: Kendall's tau between
    a caption's abstraction and its total variance.
    """
    if model.log_variances is None:
        return []
    told: list[dict[str, Any]] = []
    for benchmark in suites.retrieval:
        told += _lengths(benchmark, model)
        told += _calibrations(benchmark, model, parts)
        told.append(_clips_in_captions(benchmark, model, seed))
    for labelled in suites.zero_shot:
        part = parts[labelled.dataset, "zero_shot"]
        width = total_variance(_clips(model, labelled.clips)[1])
        told.append(_calibration(labelled.dataset, "zero_shot", width, part.values["accuracy"]))
    for hierarchy in suites.hierarchy:
        told += _levels(hierarchy, model, seed)
        told += _order(hierarchy, parts[hierarchy.dataset, "traversal"], resamples, seed)
    return told


def _order(benchmark: Hierarchy, part: Part, resamples: int, seed: int) -> list[dict]:
    """Return Kendall's tau between abstraction and total variance with its interval, which needs no second model."""
    if "uncertainty_tau" not in part.ratios:
        return []
    above, below = (side[:, None] for side in part.ratios["uncertainty_tau"])
    draws = generator(seed, "evaluate", benchmark.dataset, part.name)
    low, high = interval(bootstrap_ratios(above, below, part.units, resamples, draws)[:, 0])
    return [
        {
            "dataset": benchmark.dataset,
            "kind": "order",
            "n": int(below.sum()),
            "tau": _rounded(float(above.sum() / below.sum())),
            "low": _rounded(low),
            "high": _rounded(high),
        }
    ]


def _lengths(benchmark: Retrieval, model: Encoded) -> list[dict]:
    words = np.array([len(caption.split()) for caption in benchmark.captions], dtype=np.float64)
    width = total_variance(_texts(model, benchmark.captions)[1])
    return [
        {
            "dataset": benchmark.dataset,
            "kind": "length",
            "n": len(words),
            "pearson": _rounded(correlation(words, width, ranks=False)),
            "spearman": _rounded(correlation(words, width)),
        }
    ]


def _calibrations(benchmark: Retrieval, model: Encoded, parts: dict[tuple[str, str], Part]) -> list[dict]:
    widths = {
        "t2a": total_variance(_texts(model, benchmark.captions)[1]),
        "a2t": total_variance(_clips(model, benchmark.clips)[1]),
    }
    scores = {"t2a": "r10", "a2t": "any10"}
    return [
        _calibration(benchmark.dataset, name, width, parts[benchmark.dataset, name].values[scores[name]])
        for name, width in widths.items()
    ]


def _calibration(dataset: str, part: str, width: np.ndarray, score: np.ndarray) -> dict:
    found = calibration(width, score)
    return {
        "dataset": dataset,
        "kind": "calibration",
        "part": part,
        "n": len(width),
        "area": _rounded(found.area),
        "spearman": _rounded(found.correlation),
        "widths": [_rounded(value) for value in found.widths],
        "scores": [_rounded(value) for value in found.scores],
    }


def _clips_in_captions(benchmark: Retrieval, model: Encoded, seed: int) -> dict:
    relevance = benchmark.audio_to_text
    clips = np.repeat(np.arange(len(benchmark.clips)), relevance.counts)
    audio, text = _clips(model, benchmark.clips), _texts(model, benchmark.captions)
    # A stranger's caption is one of no clip that holds this one.
    group, _ = Units(relevance.starts, relevance.items, relevance.gallery_size).groups()
    pairs = _rows(audio, clips), _rows(text, relevance.items)
    return _inclusion(benchmark.dataset, "clip in caption", *pairs, group[clips], seed)


def _levels(benchmark: Hierarchy, model: Encoded, seed: int) -> list[dict]:
    """Return the inclusion of each level in the one above, over the trees that have both."""
    text = _texts(model, benchmark.captions)
    told = []
    for level in range(1, max(len(tree) for tree in benchmark.trees)):
        pairs = [(tree[level], tree[level - 1]) for tree in benchmark.trees if len(tree) > level]
        rows = [np.array(side) for side in zip(*pairs, strict=True)]
        inside, around = (_rows(text, side) for side in rows)
        kinds = np.unique(rows[1], return_inverse=True)[1]
        pair = f"level {level + 1} in level {level}"
        told.append(_inclusion(benchmark.dataset, pair, inside, around, kinds, seed))
    return told


def _inclusion(dataset: str, pair: str, inside: Gaussians, around: Gaussians, kinds: np.ndarray, seed: int) -> dict:
    """Return the shares; a stranger is the abstract side of a pair of another of `kinds`, `(pairs,)`."""
    strange = stranger(kinds, generator(seed, "evaluate", "stranger", dataset, pair))
    known = bool((strange >= 0).all())
    return {
        "dataset": dataset,
        "kind": "inclusion",
        "pair": pair,
        "n": len(inside[0]),
        "included": _rounded(_share_included(inside, around)),
        "stranger": _rounded(_share_included(inside, _rows(around, strange)) if known else None),
        "wider": _rounded(float((total_variance(around[1]) > total_variance(inside[1])).mean())),
    }


def _share_included(inside: Gaussians, around: Gaussians) -> float:
    import torch

    from clapline.objectives.inclusion import inclusion, summed_inclusion

    held = 0
    for start in range(0, len(inside[0]), _PAIRS_AT_ONCE):
        span = slice(start, start + _PAIRS_AT_ONCE)
        pairs = (torch.from_numpy(np.ascontiguousarray(array[span])) for array in (*inside, *around))
        held += int((summed_inclusion(inclusion(*pairs, form="exact")) > 0).sum())
    return held / len(inside[0])


def _rows(gaussians: Gaussians, rows: np.ndarray) -> Gaussians:
    return gaussians[0][rows], gaussians[1][rows]


def _clips(model: Encoded, clips: pd.DataFrame) -> Gaussians:
    rows = model.rows_of(clips)
    return model.audio.items.vectors[rows], model.log_variances[0][rows]


def _texts(model: Encoded, texts: list[str]) -> Gaussians:
    rows = model.rows_of_texts(texts)
    return model.text.items[rows], model.log_variances[1][rows]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6) + 0.0
