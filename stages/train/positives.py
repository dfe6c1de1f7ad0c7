"""Which pairs of a batch are positives of each other: whatever says the same of the same clip is no negative."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch

from clapline.objectives.positives import PositivePairs
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

    def of(self, drawn: Drawn) -> PositivePairs:
        """Return which pairs of a batch are positives of each other.

        Two pairs are when they are of one clip, when their captions were written for one clip, or when the caption of
        one is among those of the other's clip (equal captions are a case of it). Time and memory grow with the number
        of pairs and of positives, not with the square of the batch.
        """
        by_clip, by_owner, by_caption = _places(drawn.clips), _places(drawn.owners), _places(drawn.captions)
        found: set[tuple[int, int]] = set()
        for row, (clip, owner) in enumerate(zip(drawn.clips, drawn.owners, strict=True)):
            found.update((row, column) for column in by_clip[clip])
            found.update((row, column) for column in by_owner[owner])
            for text in self.held[clip]:
                for column in by_caption.get(text, ()):
                    found.update(((row, column), (column, row)))
        rows, columns = torch.tensor(sorted(found), dtype=torch.int64).T.contiguous()
        return PositivePairs(rows, columns, len(drawn.clips))


def _places(values: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    """Return where each value stands."""
    places: dict[Hashable, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(value, []).append(place)
    return places
