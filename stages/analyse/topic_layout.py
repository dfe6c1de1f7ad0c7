"""Captions laid out beside what is worded alike: exact neighbours, and UMAP with the same places in every run."""

from __future__ import annotations

import warnings

import numpy as np

_BLOCK = 2**25  # similarities held at once: 256 MiB
_GROUPS_PER_NEIGHBOUR = 16

Nearest = tuple[np.ndarray, np.ndarray]


def nearest(vectors: np.ndarray, neighbours: int) -> Nearest:
    """Return the exact nearest rows of unit rows `(n, dim)`: indices and cosine distances, `(n, neighbours)` each.

    Every row is its own first neighbour. Equal distances, as between equal captions, are ordered by index. Time grows
    with n², memory with n. UMAP by itself would call Python for every pair, and twice.
    """
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    # Groups of columns: the k-th best of the groups' best is no better than the k-th best of all, and cheap to find.
    size = max(1, len(exact) // (_GROUPS_PER_NEIGHBOUR * neighbours))
    whole = len(exact) // size * size
    indices = np.empty((len(exact), neighbours), np.int64)
    distances = np.empty((len(exact), neighbours), np.float32)
    step = max(1, _BLOCK // len(exact))
    for start in range(0, len(exact), step):
        similarities = exact[start : start + step] @ exact.T
        count = len(similarities)
        best = similarities[:, :whole].reshape(count, -1, size).max(axis=2)
        place = best.shape[1] - neighbours
        bounds = np.partition(best, place, axis=1)[:, place] - 1e-8
        rows, columns = np.nonzero(similarities >= bounds[:, None])
        # Rounded, as equal captions must not differ in the last bit.
        values = np.round(1 - similarities[rows, columns], 9)
        values[columns == start + rows] = -1
        order = np.lexsort((columns, values, rows))
        firsts = np.searchsorted(rows[order], np.arange(count))
        chosen = order[firsts[:, None] + np.arange(neighbours)]
        indices[start : start + count] = columns[chosen]
        distances[start : start + count] = np.maximum(values[chosen], 0)
    return indices, distances


def principal_places(vectors: np.ndarray, dimensions: int) -> np.ndarray:
    """Return `(n, dimensions)` float32: the rows of `(n, dim)` on their first principal axes, noise beyond their rank.

    Signs are fixed and the last bits rounded away. A good start for UMAP: Kobak and Linderman, Nature Biotechnology 39,
    2021.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    axes = axes[:, ::-1][:, :dimensions] * (variances[::-1][:dimensions] > 1e-9)
    strongest = np.take_along_axis(axes, np.abs(axes).round(6).argmax(axis=0)[None], axis=0)
    places = (centred @ (axes * np.where(strongest < 0, -1, 1))).round(5)
    # UMAP scales each axis to one range, and would divide by nothing on an axis without any.
    start = np.random.default_rng(0).standard_normal((len(vectors), dimensions))
    start[:, : places.shape[1]] = np.where(places.any(axis=0), places, start[:, : places.shape[1]])
    return start.astype(np.float32)


def laid_out(vectors: np.ndarray, dimensions: int, near: Nearest, state: int) -> np.ndarray:
    """Return `(n, dimensions)` float32: UMAP (McInnes, arXiv 1802.03426) of rows whose neighbours are known."""
    from umap import UMAP

    # Said when a seed is given, and when no index for later rows is kept: we want the first and need no second.
    for message in ("n_jobs value", "precomputed_knn"):
        warnings.filterwarnings("ignore", message=message, module="umap")
    model = UMAP(
        n_neighbors=near[0].shape[1],
        n_components=dimensions,
        min_dist=0.0,
        metric="cosine",
        precomputed_knn=(near[0].copy(), near[1].copy()),
        # The usual spectral start differs from run to run where the graph falls apart, as with many equal captions.
        init=principal_places(vectors, dimensions),
        random_state=state,
        n_jobs=1,
    )
    return model.fit_transform(vectors)
