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
        owners = {owner: place for place, owner in enumerate(dict.fromkeys(drawn.owners))}
        owner = np.array([owners[key] for key in drawn.owners])
        clip = np.array(drawn.clips)
        holds = np.array([[caption in self.held[row] for caption in drawn.captions] for row in drawn.clips])
        return (clip[:, None] == clip) | (owner[:, None] == owner) | holds | holds.T
