"""Audio traversal (ProLAP, after HierarCaps): which captions lie between a clip's caption and the root."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clapline.metrics.similarity import Items, nearest
from clapline.search import top_k

STEPS = 50
_CLIPS_AT_ONCE = 256


@dataclass(frozen=True)
class Traversal:
    """Per clip: precision `(clips,)`, and whether level l was met `(clips, depth)`, NaN where its tree ends earlier."""

    precision: np.ndarray
    level_hits: np.ndarray


def traverse(
    audio: Items, captions: np.ndarray, root: np.ndarray, trees: list[list[int]], steps: int = STEPS
) -> Traversal:
    """Walk from each clip's nearest caption towards the root in `steps` steps, taking the nearest caption at each.

    `audio` is `(clips, dim)`, or clips without vectors; `captions` `(m, dim)` (every distinct caption of all trees),
    `root` `(dim,)` (the embedding of the empty text), `trees` the caption indices of each clip, most abstract first. At
    step s the point is normalise(start − s / steps · (start − root)); P is the set of captions met and G the clip's
    own. Precision is |P ∩ G| / |P|; level l is met when G's l-th caption is in P. (arXiv 2510.18423, deterministic
    model.)
    """
    depth = max(len(tree) for tree in trees)
    precision = np.empty(len(audio))
    hits = np.full((len(audio), depth), np.nan)
    starts = nearest(audio, captions)
    fractions = (np.arange(steps) / steps)[None, :, None]
    for first in range(0, len(audio), _CLIPS_AT_ONCE):
        start = captions[starts[first : first + _CLIPS_AT_ONCE]].astype(np.float64)[:, None, :]
        points = start - fractions * (start - root.astype(np.float64))
        points /= np.maximum(np.linalg.norm(points, axis=2, keepdims=True), 1e-12)
        met = top_k(points.reshape(-1, points.shape[2]), captions, 1)[0].reshape(len(points), steps)
        for offset, indices in enumerate(met):
            on_the_way, own = set(indices.tolist()), trees[first + offset]
            precision[first + offset] = len(on_the_way & set(own)) / len(on_the_way)
            hits[first + offset, : len(own)] = [caption in on_the_way for caption in own]
    return Traversal(precision, hits)
