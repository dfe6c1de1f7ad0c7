"""Where each stored reply stands: an index that stays small for millions of replies."""

from __future__ import annotations

import numpy as np

_RECENT = 65_536
_OFFSET_BITS = 44  # segments up to 16 TiB, and a million of them


class Places:
    """From a 64-bit hash to (segment, offset), in the order they were added; several may share a hash.

    At rest a place takes 16 bytes, in two sorted arrays; the newest ones wait in a dictionary.
    """

    def __init__(self) -> None:
        self._hashes = np.empty(0, np.uint64)
        self._places = np.empty(0, np.uint64)
        self._recent: dict[int, int] = {}

    def add(self, hashed: int, segment: int, offset: int) -> None:
        """Add one place."""
        if hashed in self._recent or len(self._recent) >= _RECENT:
            self._store_recent()
        self._recent[hashed] = segment << _OFFSET_BITS | offset

    def extend(self, hashes: np.ndarray, segment: int, offsets: np.ndarray) -> None:
        """Add many places of one segment: `hashes` and `offsets` as unsigned 64-bit integers."""
        self._store_recent()
        self._merge(hashes, offsets | np.uint64(segment << _OFFSET_BITS))

    def find(self, hashed: int) -> list[tuple[int, int]]:
        """Return every (segment, offset) with this hash, the first added first."""
        wanted = np.uint64(hashed)
        start = int(self._hashes.searchsorted(wanted))
        found = []
        while start < len(self._hashes) and self._hashes[start] == wanted:
            found.append(int(self._places[start]))
            start += 1
        if hashed in self._recent:
            found.append(self._recent[hashed])
        return [(place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1)) for place in found]

    def distinct(self) -> int:
        """Return the number of different hashes."""
        self._store_recent()
        return int(np.count_nonzero(np.diff(self._hashes))) + (len(self._hashes) > 0)

    def _store_recent(self) -> None:
        if self._recent:
            count = len(self._recent)
            hashes = np.fromiter(self._recent.keys(), np.uint64, count)
            self._merge(hashes, np.fromiter(self._recent.values(), np.uint64, count))
            self._recent = {}

    def _merge(self, hashes: np.ndarray, places: np.ndarray) -> None:
        # Stable, so that what was added first is found first.
        every = np.concatenate([self._hashes, hashes])
        order = np.argsort(every, kind="stable")
        self._hashes = every[order]
        self._places = np.concatenate([self._places, places])[order]
