"""How right curated pairs are: whether the sounds of the caption's own clip are heard in the clip it was given to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from stages.curate.found import Found
from stages.curate.thresholds import evenly_spaced

_ROWS_AT_ONCE = 2048
_PAIRS_AT_ONCE = 262_144
_CHANCE_ROWS = 20_000


class Truth:
    """What is really heard in each clip, and in the clip that each caption was written for, by rows."""

    def __init__(self, clip_tags: Sequence[Sequence[str]], caption_tags: Sequence[Sequence[str]]) -> None:
        self.names = sorted({name for tags in (*clip_tags, *caption_tags) for name in tags})
        vocabulary = {name: place for place, name in enumerate(self.names)}
        self.clips, self.captions = _matrix(clip_tags, vocabulary), _matrix(caption_tags, vocabulary)

    def judge(self, clip: np.ndarray, caption: np.ndarray) -> np.ndarray:
        """Return for each pair, bool `(pairs, 3)`: whether both sides are known, all the sounds heard, any heard."""
        verdict = np.zeros((len(clip), 3), dtype=bool)
        for start in range(0, len(clip), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            heard, wanted = self.clips[clip[part]], self.captions[caption[part]]
            shared, asked = heard.multiply(wanted).sum(axis=1), wanted.sum(axis=1)
            known = (heard.sum(axis=1) > 0) & (asked > 0)
            verdict[part] = np.stack([known, known & (shared == asked), known & (shared > 0)], axis=1)
        return verdict

    def chance(self, captions: np.ndarray) -> tuple[float | None, float | None]:
        """Return the shares over every clip with every one of the caption rows; 20,000 of each, evenly spaced."""
        clips, wanted = self.clips, self.captions[captions]
        clips, wanted = clips[clips.sum(axis=1) > 0], wanted[wanted.sum(axis=1) > 0]
        clips = clips[evenly_spaced(clips.shape[0], _CHANCE_ROWS)]
        wanted = wanted[evenly_spaced(wanted.shape[0], _CHANCE_ROWS)]
        if not clips.shape[0] or not wanted.shape[0]:
            return None, None
        asked, counts = wanted.sum(axis=1), np.zeros(2, dtype=np.int64)
        for start in range(0, clips.shape[0], _ROWS_AT_ONCE):
            shared = (clips[start : start + _ROWS_AT_ONCE] @ wanted.T).toarray()  # small whole numbers: exact
            counts += [np.count_nonzero(shared == asked), np.count_nonzero(shared > 0)]
        return tuple((counts / (clips.shape[0] * wanted.shape[0])).tolist())


@dataclass(frozen=True)
class Precision:
    """Shares in [0, 1]; `chance_*` are the same shares over every clip with every caption. `judged` pairs had tags."""

    all: float | None
    any: float | None
    chance_all: float | None
    chance_any: float | None
    judged: int


class Tally:
    """Counts verdicts on pairs that come in blocks, and which clips and captions they touch."""

    def __init__(self, truth: Truth) -> None:
        self.truth, self.pairs = truth, 0
        self.verdicts = np.zeros(3, dtype=np.int64)
        self.clips = np.zeros(truth.clips.shape[0], dtype=bool)
        self.captions = np.zeros(truth.captions.shape[0], dtype=bool)

    def add(self, found: Found) -> None:
        """Count some pairs."""
        self.pairs += len(found)
        self.clips[found.clip] = True
        self.captions[found.caption] = True
        self.verdicts += self.truth.judge(found.clip, found.caption).sum(axis=0)

    def precision(self, candidates: np.ndarray) -> Precision:
        """Return the shares of right pairs, beside chance over the caption rows that could have been chosen."""
        judged, *right = self.verdicts.tolist()
        shares = [count / judged for count in right] if judged else (None, None)
        return Precision(*_rounded(*shares), *_rounded(*self.truth.chance(candidates)), judged=judged)


def precision(
    clip_tags: Sequence[Sequence[str]],
    caption_tags: Sequence[Sequence[str]],
    clip: np.ndarray,
    caption: np.ndarray,
    pool: np.ndarray,
) -> Precision:
    """Judge pairs by tags.

    `clip_tags` and `caption_tags` are the tags of each clip and of each caption's own clip; `clip` and `caption` the
    pairs as rows of them; `pool` the caption rows that could have been chosen, over which chance is taken. Items
    without tags are left out.
    """
    tally = Tally(Truth(clip_tags, caption_tags))
    tally.add(Found(clip, caption, np.zeros(len(clip), np.float32)))
    return tally.precision(pool)


@dataclass(frozen=True)
class ClassCoverage:
    """One sound: its clips in the pool, those that met a caption, and the pairs on them whose caption shares one."""

    name: str
    clips: int
    covered: int
    judged: int
    right: int


def coverage(truth: Truth, found: Found) -> list[ClassCoverage]:
    """Return what was kept of each sound that is heard in the pool, most clips first, then by name."""
    kept = np.zeros(truth.clips.shape[0], dtype=np.float32)
    kept[found.clip] = 1
    verdict = truth.judge(found.clip, found.caption)
    per_clip = np.stack(
        [np.bincount(found.clip, weights=verdict[:, side], minlength=len(kept)) for side in (0, 2)], axis=1
    )
    clips, covered = truth.clips.sum(axis=0), truth.clips.T @ kept
    judged, right = (truth.clips.T @ per_clip).T
    rows = [
        ClassCoverage(name, *(int(counts[place]) for counts in (clips, covered, judged, right)))
        for place, name in enumerate(truth.names)
        if clips[place]
    ]
    return sorted(rows, key=lambda row: (-row.clips, row.name))


def _matrix(tags: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> csr_array:
    """Return which tags each item has: zeros and ones `(items, tags)`."""
    ids = [sorted({vocabulary[name] for name in names}) for names in tags]
    ends = np.cumsum([0, *map(len, ids)])
    columns = np.fromiter((place for of_item in ids for place in of_item), dtype=np.int64, count=ends[-1])
    return csr_array((np.ones(len(columns), np.float32), columns, ends), shape=(len(tags), len(vocabulary)))


def _rounded(*shares: float | None) -> tuple[float | None, ...]:
    return tuple(None if share is None else round(float(share), 6) for share in shares)
