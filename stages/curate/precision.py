"""How right curated pairs are: whether the sounds of the caption's own clip are heard in the clip it was given to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ROWS_AT_ONCE = 2048


@dataclass(frozen=True)
class Precision:
    """Shares in [0, 1]; `chance_*` are the same shares over every clip with every caption. `judged` pairs had tags."""

    all: float | None
    any: float | None
    chance_all: float | None
    chance_any: float | None
    judged: int


def tag_matrix(tags: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> np.ndarray:
    """Return which tags each item has: float32 zeros and ones `(items, tags)`."""
    matrix = np.zeros((len(tags), len(vocabulary)), dtype=np.float32)
    for row, names in enumerate(tags):
        matrix[row, [vocabulary[name] for name in names]] = 1.0
    return matrix


def judge(clip_tags: np.ndarray, caption_tags: np.ndarray, clip: np.ndarray, caption: np.ndarray) -> np.ndarray:
    """Return for each pair whether all, and whether any, of the caption's sounds are in the clip: bool `(pairs, 2)`."""
    verdict = np.empty((len(clip), 2), dtype=bool)
    for start in range(0, len(clip), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        wanted = caption_tags[caption[part]]
        shared = (clip_tags[clip[part]] * wanted).sum(axis=1)
        verdict[part] = np.stack([shared == wanted.sum(axis=1), shared > 0], axis=1)
    return verdict


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
    names = sorted({name for tags in (*clip_tags, *caption_tags) for name in tags})
    vocabulary = {name: place for place, name in enumerate(names)}
    clips, captions = tag_matrix(clip_tags, vocabulary), tag_matrix(caption_tags, vocabulary)
    judged = (clips[clip].any(axis=1)) & (captions[caption].any(axis=1))
    verdict = judge(clips, captions, clip[judged], caption[judged])
    chance = _chance(clips[clips.any(axis=1)], captions[pool][captions[pool].any(axis=1)])
    shares = verdict.mean(axis=0) if len(verdict) else (None, None)
    return Precision(*_rounded(*shares), *_rounded(*chance), judged=int(judged.sum()))


def _chance(clips: np.ndarray, captions: np.ndarray) -> tuple[float | None, float | None]:
    if not len(clips) or not len(captions):
        return None, None
    wanted = captions.sum(axis=1)
    counts = np.zeros(2, dtype=np.int64)
    for start in range(0, len(clips), _ROWS_AT_ONCE):
        shared = clips[start : start + _ROWS_AT_ONCE] @ captions.T  # small whole numbers: exact
        counts += [np.count_nonzero(shared == wanted), np.count_nonzero(shared > 0)]
    return tuple(counts / (len(clips) * len(captions)))


def _rounded(*shares: float | None) -> tuple[float | None, ...]:
    return tuple(None if share is None else round(float(share), 6) for share in shares)
