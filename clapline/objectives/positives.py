"""Which pairs of a batch are positives of each other, in memory that grows with their number, not with its square."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PositivePairs:
    """The places (i, j) at which row i and column j of a batch of `size` pairs say the same, the diagonal among them.

    Sorted by row, then by column, and symmetric: (j, i) is there with (i, j). Captions of one clip are such places.
    """

    rows: Tensor  # (count,) int64
    columns: Tensor  # (count,) int64
    size: int

    @classmethod
    def identity(cls, size: int, device: torch.device | str | None = None) -> PositivePairs:
        """Return the diagonal alone: no clip and no caption comes twice."""
        places = torch.arange(size, device=device)
        return cls(places, places, size)

    @classmethod
    def from_matrix(cls, matrix: Tensor) -> PositivePairs:
        """Return the places at which a symmetric boolean `(size, size)` with a true diagonal is true.

        Raises ValueError where it is not symmetric or its diagonal not true.
        """
        if not (torch.equal(matrix, matrix.T) and bool(matrix.diagonal().all())):
            raise ValueError("positives must be symmetric, the diagonal among them")
        rows, columns = matrix.nonzero(as_tuple=True)
        return cls(rows, columns, len(matrix))

    @property
    def counts(self) -> Tensor:
        """How many positives each row has, itself among them, `(size,)` int64."""
        return torch.bincount(self.rows, minlength=self.size)

    def block(self, start: int, stop: int) -> Tensor:
        """Return rows `start` to before `stop` as a boolean `(stop - start, size)`."""
        rows, columns = self.within(start, stop)
        found = torch.zeros(stop - start, self.size, dtype=torch.bool, device=self.rows.device)
        found[rows - start, columns] = True
        return found

    def matrix(self) -> Tensor:
        """Return all of it as a boolean `(size, size)`."""
        return self.block(0, self.size)

    def within(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return the places in rows `start` to before `stop`, `(count,)` rows and columns."""
        bounds = torch.tensor([start, stop], device=self.rows.device)
        first, last = torch.searchsorted(self.rows, bounds).tolist()
        return self.rows[first:last], self.columns[first:last]

    def among(self, places: Tensor) -> Tensor:
        """Return which of some pairs are positives of each other, `(places, places)` boolean."""
        at = self.rows.new_full((self.size,), -1)
        at[places] = torch.arange(len(places), device=places.device)
        rows, columns = at[self.rows], at[self.columns]
        found = torch.zeros(len(places), len(places), dtype=torch.bool, device=places.device)
        inside = (rows >= 0) & (columns >= 0)
        found[rows[inside], columns[inside]] = True
        return found

    def each(self, change: Callable[[Tensor], Tensor]) -> PositivePairs:
        """Return the same with both tensors changed: moved to a device, pinned."""
        return PositivePairs(change(self.rows), change(self.columns), self.size)
