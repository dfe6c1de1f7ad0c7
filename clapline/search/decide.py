"""What decides: a pair's similarity, computed from its two rows alone, and the order of the best."""

from __future__ import annotations

import numpy as np

_PAIRS_AT_ONCE = 256  # more fall out of the cache


class Decider:
    """Similarities of pairs: products of the float32 values summed in float64, rounded to float32.

    Each is summed by itself in one order of the dimensions, so its bits depend on nothing but the two rows. The object
    holds buffers; each thread has its own.
    """

    def __init__(self, dim: int) -> None:
        self._single = np.empty((_PAIRS_AT_ONCE, dim), dtype=np.float32)
        self._left, self._right = (np.empty((_PAIRS_AT_ONCE, dim)) for _ in range(2))

    def similarities(self, first: np.ndarray, second: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Return the similarity of `first[row]` with `second[column]`, `(pairs,)` float32."""
        similarity = np.empty(len(row), dtype=np.float32)
        for start in range(0, len(row), _PAIRS_AT_ONCE):
            some = slice(start, start + _PAIRS_AT_ONCE)
            left, right = self._wide(first, row[some], self._left), self._wide(second, column[some], self._right)
            similarity[some] = np.einsum("nd,nd->n", left, right)
        return similarity

    def _wide(self, rows: np.ndarray, places: np.ndarray, into: np.ndarray) -> np.ndarray:
        count = len(places)
        # mode: with another one numpy copies once more
        np.take(rows, places, axis=0, out=self._single[:count], mode="clip")
        into[:count] = self._single[:count]
        return into[:count]


def keep_best(
    index: np.ndarray, similarity: np.ndarray, row: np.ndarray, column: np.ndarray, found: np.ndarray
) -> None:
    """Take new pairs into each row's best, in place: nearest first, ties to the lower index.

    `index` and `similarity` are `(rows, k)`, with -inf where there is none yet; the pairs found are `(pairs,)` each and
    may come in any order.
    """
    count, k = index.shape
    row = np.concatenate([np.repeat(np.arange(count), k), row])
    column = np.concatenate([index.ravel(), column])
    found = np.concatenate([similarity.ravel(), found])
    key = _nearest_first(row, found)  # what is not there yet, -1 at -inf, comes last
    order = np.argsort(key, kind="stable")
    if ((np.diff(key[order]) == 0) & np.isfinite(found[order[1:]])).any():
        order = np.lexsort((column, key))
    first = np.searchsorted(row[order], np.arange(count))  # every row has its k old ones
    best = order[(first[:, None] + np.arange(k)).ravel()]
    index[...], similarity[...] = column[best].reshape(count, k), found[best].reshape(count, k)


def _nearest_first(row: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Return whole numbers that sort by row, then from the greatest similarity (float32) to the least."""
    bits = (similarity + np.float32(0)).view(np.uint32)  # the sum makes -0 a 0
    descending = np.where(bits >> np.uint32(31), bits, ~bits & np.uint32(2**31 - 1))
    return row.astype(np.uint64) << np.uint64(32) | descending
