"""Exact search over embeddings, in blocks: all pairs above a threshold, or the k nearest.

A matrix product in float32 only proposes candidates, with a margin that covers its rounding. Each candidate is then
computed again on its own, summed in float64 and rounded to float32, and that number decides. So neither the block size
nor the number of threads changes a pair, a similarity or an order. Memory is a block by a block and the result.
Cost: n·m·d multiplications, and n·m comparisons; d multiplications more for each candidate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clapline.errors import UserError

BLOCK = 2048
_CANDIDATES_AT_ONCE = 65536


def as_rows(values: Any, name: str) -> np.ndarray:
    """Return a numpy or CPU torch matrix as float32 rows `(n, dim)`. Raises UserError on NaN or another shape."""
    rows = np.ascontiguousarray(np.asarray(values), dtype=np.float32)
    if rows.ndim != 2:
        raise UserError(f"{name}: embeddings must be a matrix (rows, dim), found shape {rows.shape}")
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows)).any(axis=1).sum())
        raise UserError(f"{name}: {bad} of {len(rows)} embeddings hold NaN or inf")
    return rows


def threshold_pairs(
    audio: Any, text: Any, threshold: float, block: int = BLOCK
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every pair with similarity at or above the threshold.

    `audio` is `(n, dim)`, `text` `(m, dim)`. Returns `(audio_index, text_index, similarity)`, int64, int64 and float32,
    sorted by audio, then text; all empty when nothing reaches the threshold.
    """
    audio, text = _pair_of(audio, text)
    margin = _margin(audio, text)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, len(audio), block):
        rows = audio[start : start + block]
        parts = []
        for text_start in range(0, len(text), block):
            near = rows @ text[text_start : text_start + block].T >= threshold - margin
            row, column = np.nonzero(near)
            column = column + text_start
            similarity = _exact(rows, text, row, column)
            kept = similarity >= np.float32(threshold)
            parts.append((row[kept] + start, column[kept], similarity[kept]))
        row, column, similarity = (np.concatenate(part) for part in zip(*parts, strict=True)) if parts else _nothing()
        order = np.lexsort((column, row))
        found.append((row[order], column[order], similarity[order]))
    if not found:
        return _nothing()
    row, column, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    return row, column, similarity


def top_k(queries: Any, gallery: Any, k: int, block: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """Return the `min(k, m)` nearest gallery rows of each query, nearest first; ties go to the lower index.

    `queries` is `(n, dim)`, `gallery` `(m, dim)`. Returns `(index, similarity)`, int64 and float32, both
    `(n, min(k, m))`.
    """
    if k < 1:
        raise UserError(f"top_k: k = {k}; allowed: 1 or more")
    queries, gallery = _pair_of(queries, gallery)
    k = min(k, len(gallery))
    margin = 2 * _margin(queries, gallery)  # twice: the k-th best is itself rounded
    index = np.empty((len(queries), k), dtype=np.int64)
    similarity = np.empty((len(queries), k), dtype=np.float32)
    for start in range(0, len(queries), block):
        rows = queries[start : start + block]
        best: tuple[np.ndarray, np.ndarray, np.ndarray] = _nothing()
        for gallery_start in range(0, len(gallery), block):
            products = rows @ gallery[gallery_start : gallery_start + block].T
            row, column = np.nonzero(products >= (_bound(best, products, k) - margin)[:, None])
            column = column + gallery_start
            block_best = (row, column, _exact(rows, gallery, row, column))
            best = _best_per_row(*(np.concatenate(both) for both in zip(best, block_best, strict=True)), k)
        index[start : start + len(rows)] = best[1].reshape(len(rows), k)
        similarity[start : start + len(rows)] = best[2].reshape(len(rows), k)
    return index, similarity


def highest_similarity(audio: Any, text: Any, block: int = BLOCK) -> float:
    """Return the largest similarity between any row of `audio` and any row of `text`; -inf when one is empty."""
    audio, text = _pair_of(audio, text)
    highest = -np.inf
    for start in range(0, len(audio), block):
        rows = audio[start : start + block]
        for text_start in range(0, len(text), block):
            highest = max(highest, float((rows @ text[text_start : text_start + block].T).max()))
    return highest


def _pair_of(first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = as_rows(first, "first"), as_rows(second, "second")
    if first.shape[1] != second.shape[1]:
        raise UserError(f"embeddings of {first.shape[1]} and of {second.shape[1]} dimensions cannot be compared")
    return first, second


def _margin(first: np.ndarray, second: np.ndarray) -> float:
    """Bound on the rounding of a float32 dot product: dim · unit roundoff · both lengths, and some room."""
    lengths = [float(np.linalg.norm(rows, axis=1).max(initial=0.0)) for rows in (first, second)]
    return 2.0 * first.shape[1] * 2.0**-24 * max(lengths[0] * lengths[1], 1e-30) + 1e-7


def _bound(best: tuple[np.ndarray, np.ndarray, np.ndarray], products: np.ndarray, k: int) -> np.ndarray:
    """Return a lower bound on each row's k-th best: of what was found before, else of this block (which costs more)."""
    if len(best[2]) == len(products) * k:
        return best[2].reshape(-1, k)[:, -1]
    place = products.shape[1] - k
    if place <= 0 or len(best[2]):
        return np.full(len(products), -np.inf, dtype=np.float32)
    return np.partition(products, place, axis=1)[:, place]


def _exact(first: np.ndarray, second: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    similarity = np.empty(len(row), dtype=np.float32)
    for start in range(0, len(row), _CANDIDATES_AT_ONCE):
        part = slice(start, start + _CANDIDATES_AT_ONCE)
        left, right = first[row[part]].astype(np.float64), second[column[part]].astype(np.float64)
        similarity[part] = np.einsum("nd,nd->n", left, right)
    return similarity


def _best_per_row(
    row: np.ndarray, column: np.ndarray, similarity: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = np.lexsort((column, -similarity, row))
    row, column, similarity = row[order], column[order], similarity[order]
    first = np.searchsorted(row, row, side="left")  # where each row's candidates begin
    kept = np.arange(len(row)) - first < k
    return row[kept], column[kept], similarity[kept]


def _nothing() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
