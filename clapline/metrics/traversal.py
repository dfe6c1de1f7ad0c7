"""Audio traversal (ProLAP, after HierarCaps): which captions lie between a clip's caption and the root."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from clapline.metrics.similarity import Items, nearest
from clapline.search import top_k

STEPS = 50
_CLIPS_AT_ONCE = 256


@dataclass(frozen=True)
class Traversal:
    """Per clip: what was met on the way.

    `precision` and `ordered_recall` are `(clips,)`; `level_hits` `(clips, depth)` tells whether level l was met, NaN
    where the clip's tree ends earlier; `paths` holds the captions met, most particular first, equal neighbours once.
    """

    precision: np.ndarray
    level_hits: np.ndarray
    ordered_recall: np.ndarray
    paths: list[list[int]]


def traverse(
    audio: Items, captions: np.ndarray, root: np.ndarray, trees: list[list[int]], steps: int = STEPS
) -> Traversal:
    """Walk from each clip's nearest caption towards the root in `steps` steps, taking the nearest caption at each.

    `audio` is `(clips, dim)`, or clips without vectors; `captions` `(m, dim)` (every distinct caption of all trees),
    `root` `(dim,)` for all clips or `(clips, dim)`, `trees` the caption indices of each clip, most abstract first, of
    any depth. At step s the point is normalise(start − s / steps · (start − root)); P is the set of captions met and G
    the clip's own. Precision is |P ∩ G| / |P|; level l is met when G's l-th caption is in P. (arXiv 2510.18423,
    deterministic model.) Ordered recall is the longest run of G's captions met one after the other from abstract to
    particular, over |G| (HierarCaps).
    """
    depth = max(len(tree) for tree in trees)
    precision, ordered = np.empty(len(audio)), np.empty(len(audio))
    hits = np.full((len(audio), depth), np.nan)
    paths: list[list[int]] = []
    starts = nearest(audio, captions)
    roots = np.broadcast_to(root.astype(np.float64), (len(audio), captions.shape[1]))
    fractions = (np.arange(steps) / steps)[None, :, None]
    for first in range(0, len(audio), _CLIPS_AT_ONCE):
        start = captions[starts[first : first + _CLIPS_AT_ONCE]].astype(np.float64)[:, None, :]
        points = start - fractions * (start - roots[first : first + _CLIPS_AT_ONCE, None, :])
        points /= np.maximum(np.linalg.norm(points, axis=2, keepdims=True), 1e-12)
        met = top_k(points.reshape(-1, points.shape[2]), captions, 1)[0].reshape(len(points), steps)
        for offset, indices in enumerate(met):
            path, own = [index for index, _ in groupby(indices.tolist())], trees[first + offset]
            on_the_way = set(path)
            precision[first + offset] = len(on_the_way & set(own)) / len(on_the_way)
            hits[first + offset, : len(own)] = [caption in on_the_way for caption in own]
            ordered[first + offset] = ordered_recall(path[::-1], own)
            paths.append(path)
    return Traversal(precision, hits, ordered, paths)


def ordered_recall(path: list[int], tree: list[int]) -> float:
    """Return the longest run of a tree's captions met with rising level, over the tree's size, in [0, 1].

    `path` and `tree` go from abstract to particular; captions of other trees in between are passed over.
    """
    levels = [tree.index(caption) for caption in path if caption in tree]
    longest = run = 1 if levels else 0
    for before, level in pairwise(levels):
        run = run + 1 if level > before else 1
        longest = max(longest, run)
    return longest / len(tree)


def included_roots(best: np.ndarray, captions: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Return the roots of a probabilistic model, `(clips, dim)`: where what a clip is most included in lies.

    Normalised sum of the caption in which the clip is most included and the empty text (ProLIP, with one caption).
    `best` `(clips,)` is its row: that of the highest log ∫ p_clip² p_caption, summed over dimensions; `captions`
    `(captions, dim)` and `empty` `(dim,)` are means.
    """
    total = captions[best].astype(np.float64) + empty.astype(np.float64)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def kendall_tau(values: np.ndarray, trees: list[list[int]]) -> np.ndarray:
    """Return how far a caption's value rises with its level, from abstract to particular: Kendall's tau-b per tree.

    `values` is `(captions,)`; the result `(trees,)` in [-1, 1], NaN where a tree has one level or all values are equal.
    """
    taus = np.full(len(trees), np.nan)
    sizes = np.array([len(tree) for tree in trees])
    for size in np.unique(sizes[sizes > 1]):
        rows = np.flatnonzero(sizes == size)
        own = values[np.array([trees[row] for row in rows])]
        below, above = np.triu_indices(size, 1)
        signs = np.sign(own[:, above] - own[:, below])
        untied = np.count_nonzero(signs, axis=1)
        scale = np.sqrt(untied * float(len(below)))
        taus[rows] = np.divide(signs.sum(axis=1), scale, out=np.full(len(rows), np.nan), where=untied > 0)
    return taus
