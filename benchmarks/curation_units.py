"""What benchmarks/curation.py keeps of a measure: sums by clip, and which clips share queries."""

from __future__ import annotations

import numpy as np

from clapline.metrics.bootstrap import Units
from clapline.metrics.retrieval import Relevance


def joined(relevance: Relevance) -> np.ndarray:
    """Return the group of each clip: clips that share a query, directly or not, `(clips,)`."""
    group, _ = Units(relevance.starts, relevance.items, relevance.gallery_size).groups()
    found = np.empty(relevance.gallery_size, dtype=np.int64)
    found[relevance.items] = np.repeat(group, relevance.counts)
    return found


def per_clip(units: Units, values: np.ndarray) -> np.ndarray:
    """Return each clip's share of the values, and of their number, `(clips, 2)`."""
    counts = np.diff(units.starts)
    share = 1.0 / np.repeat(counts, counts)
    owned = np.repeat(values, counts)
    sums = [np.bincount(units.clips, weights, minlength=units.clip_count) for weights in (share * owned, share)]
    return np.stack(sums, axis=1)
