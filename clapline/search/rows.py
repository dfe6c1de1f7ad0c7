"""What is searched: a matrix in memory, or anything that gives rows when it is sliced. Read and checked in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from clapline.errors import UserError

# Longer rows are refused: the product of two as long still has room in float32.
LONGEST = 1e15
SLAB_VALUES = 2**26  # of rows that are taken together
_SLICE_VALUES = 2**22


class Rows(Protocol):
    """Embeddings `(n, dim)` read by slices: a numpy or CPU torch matrix, a memory map, rows made when asked."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of dimensions."""

    def __getitem__(self, rows: slice) -> Any:
        """Return the rows from `rows.start` up to `rows.stop`, a matrix of real numbers."""


@dataclass(frozen=True)
class Block:
    """Some rows in memory: `values` `(rows, dim)` float32, and for each an upper bound of its length."""

    values: np.ndarray
    lengths: np.ndarray

    def part(self, rows: slice) -> Block:
        """Return some of the rows, not copied."""
        return Block(self.values[rows], self.lengths[rows])


def as_rows(values: Any, name: str) -> np.ndarray:
    """Return a numpy or CPU torch matrix as float32 rows `(n, dim)`. Raises UserError on NaN or another shape."""
    rows = np.ascontiguousarray(np.asarray(values), dtype=np.float32)
    matrix(rows, name)
    _check(rows, name, 0)
    return rows


def matrix(values: Any, name: str) -> Rows:
    """Return the rows as they are, or as an array what has no shape. Raises UserError when they are no matrix."""
    rows = values if hasattr(values, "shape") else np.asarray(values)
    if len(rows.shape) != 2:
        raise UserError(f"{name}: embeddings must be a matrix (rows, dim), found shape {tuple(rows.shape)}")
    return rows


def comparable(first: Any, second: Any) -> tuple[Rows, Rows]:
    """Return both as rows. Raises UserError when one is no matrix or their dimensions differ."""
    first, second = matrix(first, "first"), matrix(second, "second")
    if first.shape[1] != second.shape[1]:
        raise UserError(f"embeddings of {first.shape[1]} and of {second.shape[1]} dimensions cannot be compared")
    return first, second


def load(rows: Rows, span: slice, name: str) -> Block:
    """Return these rows as float32; what is float32 in memory is not copied, other rows are sliced a few at a time.

    Raises:
        UserError: an embedding holds NaN or inf, or is longer than `LONGEST`.
    """
    if isinstance(rows, np.ndarray) and rows.dtype == np.float32 and rows.flags.c_contiguous:
        values = np.asarray(rows[span])
    else:
        values = np.empty((span.stop - span.start, rows.shape[1]), dtype=np.float32)
        for piece in spans(len(values), max(1, _SLICE_VALUES // max(1, rows.shape[1]))):
            values[piece] = np.asarray(rows[span.start + piece.start : span.start + piece.stop])
    return Block(values, _check(values, name, span.start))


def spans(count: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` rows, the last of what remains."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def even(count: int, most: int, multiple: int) -> int:
    """Return the size of as few parts as possible of at most `most` rows, alike but for the last; both multiples."""
    parts = max(1, -(-count // most))
    return max(1, -(-count // (parts * multiple))) * multiple


def lengths(values: np.ndarray) -> np.ndarray:
    """Return an upper bound of the Euclidean length of each float32 row, `(rows,)` float64; inf or NaN where none is.

    The squares are summed in float32: their sum is short by less than dim · 2^-23 of it, and where squares vanish by
    less than dim · 2^-126.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("nd,nd->n", values, values).astype(np.float64)
    dim = values.shape[1]
    return np.sqrt(squares) * (1 + (dim + 16) * 2.0**-23) + dim * 2.0**-62


def _check(values: np.ndarray, name: str, start: int) -> np.ndarray:
    found = lengths(values)
    if (found <= LONGEST).all():
        return found
    bad = ~np.isfinite(values).all(axis=1)
    fault = "hold NaN or inf"
    if not bad.any():
        bad, fault = ~(found <= LONGEST), f"are longer than {LONGEST:g}"
    rows = start + np.flatnonzero(bad)
    raise UserError(
        f"{name}: {len(rows)} of {len(values)} embeddings {fault} (of rows {start} to {start + len(values) - 1}; "
        f"the first is row {rows[0]})"
    )
