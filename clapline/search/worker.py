"""What one thread does: multiply some rows by a block of the gallery, look where it matters, decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clapline.search.bound import BFLOAT16, Precision, error, kth_similarity, lower_limit
from clapline.search.decide import Decider
from clapline.search.products import Pass, new_pass
from clapline.search.rows import Block

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # row, column, similarity
_VALUES_PER_CHUNK = 128  # looking into a chunk and deciding costs about as much as so many products in float32


@dataclass(frozen=True)
class GalleryBlock:
    """Some rows of the gallery from row `start`: as they are, and as a pass multiplies them."""

    start: int
    block: Block
    values: Any
    precision: Precision


def prepared(by: Pass, block: Block, start: int) -> GalleryBlock:
    """Return a block of the gallery as this pass multiplies it."""
    values, lost = by.prepare(block.values)
    return GalleryBlock(start, block, values, Precision(block.lengths, lost))


class Worker:
    """Passes and their buffers; each thread has its own."""

    def __init__(self, product: str, device: str, dim: int) -> None:
        self._dim, self._decider = dim, Decider(dim)
        self._pass, self._careful = new_pass(product, device), None
        self._device = device

    def pairs(self, rows: Block, gallery: GalleryBlock, least: np.ndarray, nearest: int | None) -> Iterator[Pairs]:
        """Yield decided pairs, among them all that reach a row's `least` similarity `(rows,)`, float32.

        With `nearest`, all that are among the row's so many nearest of the block and reach it. There may be others.
        """
        chosen, chunks = self._pass, self._looked(self._pass, rows, gallery, least, nearest)
        usual = len(rows.values) * (2 * (nearest or 0) + len(gallery.block.values) // _VALUES_PER_CHUNK)
        if chosen.places == BFLOAT16 and chunks > usual:  # similarities lie too close for bfloat16 to tell them apart
            if self._careful is None:
                self._careful = new_pass("numpy" if self._device == "cpu" else "float32", self._device)
            chosen = self._careful
            self._looked(chosen, rows, prepared(chosen, gallery.block, gallery.start), least, nearest)
        for row, column in chosen.reaching():
            similarity = self._decider.similarities(rows.values, gallery.block.values, row, column)
            yield row, column + gallery.start, similarity

    def _looked(self, chosen: Pass, rows: Block, gallery: GalleryBlock, least: np.ndarray, nearest: int | None) -> int:
        """Multiply, and return how many chunks are to be looked into."""
        values, lost = chosen.prepare(rows.values)
        chosen.multiply(values, gallery.values, nearest or 1)
        margin = error(Precision(rows.lengths, lost), gallery.precision, self._dim, chosen.places)
        if nearest is not None:
            least = np.maximum(least, kth_similarity(chosen.kth_product(nearest), margin, chosen.places))
        return chosen.look(lower_limit(least, margin, chosen.places))


def joined(parts: list[Pairs]) -> Pairs:
    """Return all pairs of the parts, in their order: int64, int64 and float32."""
    nothing = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    row, column, similarity = (np.concatenate(part) for part in zip(nothing, *parts, strict=True))
    return row, column, similarity
