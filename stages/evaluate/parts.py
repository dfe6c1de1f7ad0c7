"""What is measured: values per query or clip of one model on one dataset, and what chance and shuffled labels reach."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from clapline.metrics.bootstrap import Units
from clapline.tables.per_query import MEASURES, PER_QUERY


@dataclass(frozen=True)
class Part:
    """One thing measured on one dataset by one model.

    `values[measure]` holds one number per query (or clip), whose mean is the measure; `medians` those whose median is;
    `ratios` a numerator and a denominator per query, whose sums are divided. `chance[measure]` is what a random order
    would reach, `control[measure]` what this model reached with the answers shuffled (absent where neither is a
    yardstick).
    """

    dataset: str
    name: str
    queries: list[str]
    units: Units
    clip_ids: np.ndarray  # of the units
    values: dict[str, np.ndarray]
    medians: dict[str, np.ndarray] = field(default_factory=dict)
    ratios: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    control: dict[str, float] = field(default_factory=dict)
    words: list[str] | None = None  # asked with, where they are not the query's own
    ranks: np.ndarray | None = None  # of the relevant items, laid out as in the relevance table
    relevant: np.ndarray | None = None  # items per query
    details: dict[str, Any] = field(default_factory=dict)  # predictions, paths: for figures and examples


def where_defined(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values with NaN as 0, and 1 where there is a value: the ratio whose quotient is the mean of those."""
    there = ~np.isnan(values)
    return np.where(there, values, 0.0), there.astype(np.float64)


def query_rows(part: Part, model: str) -> pd.DataFrame:
    """Return a part's rows of the per-query table; no rows where a part has no measure that the table knows."""
    # A mean over some of the queries only is kept as the values of those.
    found = dict(part.values) | {
        name: np.where(count > 0, total, np.nan) for name, (total, count) in part.ratios.items() if name in MEASURES
    }
    known = {name: values for name, values in found.items() if name in MEASURES}
    if not known or part.name.endswith(("_drop", "_drop1", "_drop2")):
        return PER_QUERY.frame()
    starts, clips = part.units.starts, part.clip_ids[part.units.clips]
    columns: dict[str, Any] = {
        "model": model,
        "dataset": part.dataset,
        "part": part.name,
        "query": part.queries,
        "words": part.words if part.words is not None else "",
        "clips": [clips[start:stop].tolist() for start, stop in itertools.pairwise(starts)],
        "relevant": 0 if part.relevant is None else part.relevant.astype(np.int32),
        "best_rank": part.medians.get("median_rank"),
    }
    rows = pd.DataFrame(columns | {name: known[name].round(6) if name in known else np.nan for name in MEASURES})
    return rows.astype({"best_rank": "Int64", "relevant": "int32"})
