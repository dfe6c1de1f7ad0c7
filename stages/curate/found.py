"""Pairs that a search found: rows of clips and of captions, how near they are, and the score that decided."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Found:
    """Pairs as row numbers: clip, caption, score `(pairs,)`, sorted by clip, then caption.

    The score is the cosine, unless calibration made another of it.
    """

    clip: np.ndarray
    caption: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)

    def keep(self, mask: np.ndarray) -> Found:
        """Return the pairs where `mask` is true."""
        return Found(self.clip[mask], self.caption[mask], self.score[mask])

    @classmethod
    def none(cls) -> Found:
        """Return no pair."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))

    @classmethod
    def together(cls, parts: Sequence[Found]) -> Found:
        """Return the pairs of parts that follow each other."""
        parts = [cls.none(), *parts]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("clip", "caption", "score")))


def first_of_each(texts: Sequence[Hashable]) -> np.ndarray:
    """Return the rows at which a text stands for the first time, ascending."""
    seen: dict[Hashable, int] = {}
    for row, text in enumerate(texts):
        seen.setdefault(text, row)
    return np.fromiter(seen.values(), dtype=np.int64, count=len(seen))
