"""Similarities of all rows and columns of a batch: as a matrix, or as two factors whose product is never whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from clapline.objectives.precision import products_in, wide
from clapline.processes import gather

# Up to so many logits a matrix is whole, as autograd would have it; above, work goes in blocks of rows of at most
# BLOCK logits, and each block is computed again in the backward pass.
WHOLE = 2**22
BLOCK = 2**22


@dataclass(frozen=True)
class Scores:
    """The similarity of row i and column j, for all `size` rows and columns of a batch.

    Either `matrix` `(size, size)`; or two factors of it, of which `rows` holds what this process is to work on, from
    place `first` on: with one process that is all of them.
    """

    matrix: Tensor | None = None
    rows: Tensor | None = None  # (rows that are here, width)
    columns: Tensor | None = None  # (size, width)
    first: int = 0  # place in the batch of the first row that is here

    @property
    def size(self) -> int:
        """Pairs in the batch."""
        return len(self.columns if self.matrix is None else self.matrix)

    @property
    def device(self) -> torch.device:
        """Where the scores are."""
        return (self.columns if self.matrix is None else self.matrix).device

    def whole(self) -> Tensor:
        """Return the matrix `(size, size)`, in fp32 at least; factors must hold every row."""
        if self.matrix is not None:
            return wide(self.matrix)
        return wide(self.rows) @ wide(self.columns).T

    def at(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the similarities at places of the batch whose rows are here, `(count,)`."""
        if self.matrix is not None:
            return wide(self.matrix)[rows, columns]
        return (wide(self.rows)[rows - self.first] * wide(self.columns)[columns]).sum(dim=1)

    def bounds(self) -> tuple[int, int]:
        """Return the places of the first row that is here and of the first behind them."""
        return (0, self.size) if self.matrix is not None else (self.first, self.first + len(self.rows))

    def blocks(self, compute: Callable[[Tensor, int, int], tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        """Return what `compute` makes of the matrix, or of one block of rows of factors after the other.

        One block is in memory at a time, in the backward pass too.

        Args:
            compute: takes similarities `(rows, size)` of the places from `start` to before `stop`, and returns tensors
                whose size does not grow with both. For blocks it is run again in the backward pass.
        """
        if self.matrix is not None:
            return [compute(wide(self.matrix), 0, self.size)]

        precision = torch.get_float32_matmul_precision()

        def block(heard: Tensor, columns: Tensor, start: int, stop: int) -> tuple[Tensor, ...]:
            with products_in(precision):
                return compute(wide(heard) @ wide(columns).T, start, stop)

        found = []
        for start, stop in pieces(len(self.rows), max(1, BLOCK // self.size)):
            arguments = (self.rows[start:stop], self.columns, self.first + start, self.first + stop)
            if torch.is_grad_enabled():
                # No random number is drawn inside: the generators need not be put back for the second time.
                found.append(checkpoint(block, *arguments, use_reentrant=False, preserve_rng_state=False))
            else:
                found.append(block(*arguments))
        return found

    def everywhere(self, local: Tensor) -> Tensor:
        """Return what each process found of its rows, in the order of the rows; a matrix is whole in every process."""
        return local if self.matrix is not None else gather(local)

    def total(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the sum of the scalars of all blocks of all processes."""
        return self.everywhere(torch.stack(list(parts)).sum().unsqueeze(0)).sum()

    def logsumexp(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the log of the sum of exponentials per column, `(size,)`, from that of each block of each process."""
        return self.everywhere(torch.stack(list(parts)).logsumexp(dim=0).unsqueeze(0)).logsumexp(dim=0)

    def maximum(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the largest value per column, `(size,)`, from that of each block of each process."""
        return self.everywhere(torch.stack(list(parts)).amax(dim=0).unsqueeze(0)).amax(dim=0)


def scores_of(first: Tensor, seconds: Sequence[Tensor], here: slice | None = None) -> list[Scores]:
    """Return the scores of one set of vectors with several others, `(size, width)` each: dot products.

    Small batches get matrices, of one product with all the others side by side; large ones factors.

    Args:
        first: vectors of the rows, of the whole batch.
        seconds: vectors of the columns, of the whole batch.
        here: the rows that this process works on where factors are kept; None: all.
    """
    size = len(first)
    if size * size <= WHOLE:
        product = wide(first) @ wide(torch.cat(list(seconds)) if len(seconds) > 1 else seconds[0]).T
        return [Scores(part) for part in product.split(size, dim=1)]
    here = slice(0, size) if here is None else here
    return [Scores(rows=first[here], columns=second, first=here.start) for second in seconds]


def pieces(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of consecutive pieces of at most `size` out of `count`."""
    for start in range(0, count, size):
        yield start, min(start + size, count)
