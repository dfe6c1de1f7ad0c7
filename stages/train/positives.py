"""Which pairs of a batch are positives of each other: whatever says the same of the same clip is no negative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.train.batches import Drawn
from stages.train.data import Source


class Positives:
    """Knows every caption that some source holds for a clip."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.held: dict[int, set[str]] = {}
        for source in sources:
            synthetic = source.synthetic or [()] * len(source.clips)
            for clip, captions, written in zip(source.clips, source.captions, synthetic, strict=True):
                self.held.setdefault(clip, set()).update(captions, written)

    def of(self, drawn: Drawn) -> np.ndarray:
        """Return a symmetric boolean `(batch, batch)`.

        Two pairs are positives when they are of one clip, when their captions were written for one clip, or when the
        caption of one is among those of the other's clip (equal captions are a case of it).
        """
        clip = np.array(drawn.clips)
        owner = _numbers(drawn.owners)
        caption = _numbers(drawn.captions)
        in_batch = dict(zip(drawn.captions, caption.tolist(), strict=True))
        # By the captions that a clip holds, a handful, and not by those of the batch: the time grows as pairs do.
        holds = np.zeros((len(clip), len(in_batch)), dtype=bool)
        for row, held_by in enumerate(drawn.clips):
            holds[row, [in_batch[text] for text in self.held[held_by] if text in in_batch]] = True
        holds = holds[:, caption]
        return (clip[:, None] == clip) | (owner[:, None] == owner) | holds | holds.T


def _numbers(values: Sequence) -> np.ndarray:
    """Return a number for each value, the same for equal ones, from 0 upwards."""
    numbers: dict = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values])
