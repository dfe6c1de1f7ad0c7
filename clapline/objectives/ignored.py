"""Which pairs are too alike to be negatives, yet are no positives."""

from __future__ import annotations

from torch import Tensor

from clapline.objectives.positives import PositivePairs


class Ignored:
    """Pairs whose captions are more alike than a threshold, the positives apart; rows are asked for in blocks.

    Args:
        positives: of the batch.
        states: of the captions by a frozen text tower, unit rows `(size, width)`.
        above: cosine above which a pair is ignored.
    """

    def __init__(self, positives: PositivePairs, states: Tensor, above: float) -> None:
        self.positives, self.states, self.above = positives, states, above

    def rows(self, start: int, stop: int) -> Tensor:
        """Return which pairs of rows `start` to before `stop` are ignored, `(stop - start, size)` boolean."""
        return (self.states[start:stop] @ self.states.T > self.above) & ~self.positives.block(start, stop)
