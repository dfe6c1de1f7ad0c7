"""Our guards against hubs and repetition, each off in the published form: caps, mutual neighbours, near-duplicates."""

from __future__ import annotations

import numpy as np

from clapline.search import Engine, Rows, threshold_blocks, top_k
from stages.curate.calibration import Scored
from stages.curate.found import Found


def capped(found: Found, captions_per_clip: int | None, clips_per_caption: int | None) -> Found:
    """Keep the best captions of each clip, then the best clips of each caption; ties go to the lower row."""
    if captions_per_clip is not None:
        found = found.keep(_place_in_group(found.clip, found.caption, found.score) < captions_per_clip)
    if clips_per_caption is not None:
        found = found.keep(_place_in_group(found.caption, found.clip, found.score) < clips_per_caption)
    return found


class MutualNeighbours:
    """The pairs of clip and caption that are each among the other's `neighbours` nearest by score."""

    def __init__(self, rows: Scored, neighbours: int, engine: Engine) -> None:
        self.captions = len(rows.text)
        of_clips = top_k(rows.audio, rows.text, neighbours, engine=engine)[0]
        of_captions = top_k(rows.text, rows.audio, neighbours, engine=engine)[0]
        # An inexact search may find fewer: -1.
        clips, captions = np.nonzero(of_clips >= 0)[0], np.nonzero(of_captions >= 0)[0]
        self.keys = np.intersect1d(
            self._key(clips, of_clips[of_clips >= 0]),
            self._key(of_captions[of_captions >= 0], captions),
            assume_unique=True,
        )

    def has(self, clip: np.ndarray, caption: np.ndarray) -> np.ndarray:
        """Return which pairs are mutual neighbours, bool `(pairs,)`; rows are those of the two sides."""
        if not len(self.keys):
            return np.zeros(len(clip), dtype=bool)
        keys = self._key(clip, caption)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.keys[place] == keys

    def _key(self, clip: np.ndarray, caption: np.ndarray) -> np.ndarray:
        return clip.astype(np.int64) * self.captions + caption


class _Taken:
    """Some rows of others, taken when they are asked for."""

    def __init__(self, rows: Rows, chosen: np.ndarray) -> None:
        self.rows, self.chosen, self.shape = rows, chosen, (len(chosen), rows.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice) -> np.ndarray:
        return np.asarray(self.rows[self.chosen[key]], np.float32)


def near_duplicates(audio: Rows, clips: np.ndarray, cosine: float, engine: Engine) -> np.ndarray:
    """Return which of the clips (rows of `audio`, ascending) are near an earlier one that stays, bool `(clips,)`.

    The first of a group of near-duplicates stays; what is near to a dropped one alone stays too. Cost: every clip with
    every other.
    """
    rows = _Taken(audio, clips)
    dropped = np.zeros(len(clips), dtype=bool)
    for row, column, _ in threshold_blocks(rows, rows, cosine, engine=engine):
        earlier = column < row
        for later, before in zip(row[earlier].tolist(), column[earlier].tolist(), strict=True):
            # Pairs come by row: whether an earlier clip stays is settled by now.
            if not dropped[before]:
                dropped[later] = True
    return dropped


def _place_in_group(group: np.ndarray, other: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return each pair's place (from 0) among the pairs of its group, best score first, then the lower `other`."""
    order = np.lexsort((other, -score, group))
    ordered = group[order]
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered, side="left")
    return place
