"""DU, DS and ADS (arXiv 2305.01864) over unit embeddings, the older variant of the nearest captions, and our guards.

C[i, j] is the cosine of clip i and caption j. DU takes every pair with C ≥ σ_at, many to many. DS takes the original
pairs of the captions near a label: J = {j : max over labels of the cosine ≥ σ_tt}. ADS takes the pairs with j in J and
C ≥ σ_at, and is used together with DS. top_k takes the nearest captions of every clip, however near. A text that
several clips share is one caption of DU, ADS and top_k (its first row stands for it); DS keeps every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from clapline.params.curate import Curate
from clapline.search import Engine, Rows, threshold_blocks, top_k
from stages.curate.calibration import Scored, scored
from stages.curate.found import Found
from stages.curate.guards import MutualNeighbours, capped, near_duplicates
from stages.curate.thresholds import score_quantile


@dataclass(frozen=True)
class Matches:
    """New pairs of clips and captions, and what each step left of them."""

    found: Found
    threshold: float | None  # on the score; None: none was used
    rows: Scored | None = None  # what was searched: the clips, and the captions that could meet one
    steps: dict[str, int] = field(default_factory=dict)  # name of a step → pairs after it, in their order
    duplicates: int = 0  # clips left out as near-duplicates of another


def nearest_label(text: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return m_j, each caption's highest cosine with a prompted label: `(m, dim)`, `(labels, dim)` → `(m,)` float32."""
    return top_k(text, labels, 1)[1][:, 0]


def matches(
    audio: Rows,
    text: np.ndarray,
    captions: np.ndarray,
    settings: Curate,
    engine: Engine,
    watch: Callable[[Found], None] | None = None,
) -> Matches:
    """Return the pairs of a clip and one of the given caption rows that the strategy and the guards keep.

    With the first row of every text it is DU (or top_k); with those of them that are in J, ADS. The guards follow in
    this order: mutual neighbours, captions per clip, near-duplicate clips, clips per caption. Pairs come and go in
    blocks of clips, so that memory grows with what is kept.

    Args:
        audio: `(n, dim)`, unit rows.
        text: `(m, dim)`, unit rows.
        captions: rows of `text` that may meet a clip.
        settings: strategy, threshold, guards.
        engine: what searches.
        watch: is called with every block of pairs before the guards.
    """
    rows = scored(audio, text[captions], settings, engine)
    threshold = None
    if settings.strategy != "top_k":
        threshold = settings.sigma_audio_text
        if settings.quantile_audio_text is not None:
            threshold = score_quantile(rows, settings.quantile_audio_text)
    mutual = None
    if settings.mutual_neighbours is not None:
        mutual = MutualNeighbours(rows, settings.mutual_neighbours, engine)
    steps = {"found": 0}
    if mutual is not None:
        steps["mutual neighbours"] = 0
    if settings.maximum_captions_per_clip is not None:
        steps["captions per clip"] = 0
    parts = []
    for block in _blocks(rows, settings, threshold, engine):
        steps["found"] += len(block)
        if watch is not None:
            watch(Found(block.clip, captions[block.caption], block.score))
        if mutual is not None:
            block = block.keep(mutual.has(block.clip, block.caption))
            steps["mutual neighbours"] += len(block)
        if settings.maximum_captions_per_clip is not None:
            block = capped(block, settings.maximum_captions_per_clip, None)
            steps["captions per clip"] += len(block)
        parts.append(block)
    found, duplicates = Found.together(parts), 0
    if settings.near_duplicate_cosine is not None:
        clips = np.unique(found.clip)
        dropped = near_duplicates(audio, clips, settings.near_duplicate_cosine, engine)
        found = found.keep(~np.isin(found.clip, clips[dropped]))
        duplicates = int(dropped.sum())
        steps["near-duplicate clips"] = len(found)
    if settings.maximum_clips_per_caption is not None:
        found = capped(found, None, settings.maximum_clips_per_caption)
        steps["clips per caption"] = len(found)
    return Matches(Found(found.clip, captions[found.caption], found.score), threshold, rows, steps, duplicates)


def _blocks(rows: Scored, settings: Curate, threshold: float | None, engine: Engine) -> Iterator[Found]:
    if settings.strategy == "top_k":
        caption, score = top_k(rows.audio, rows.text, settings.nearest_captions, engine=engine)
        clip, place = np.nonzero(caption >= 0)  # an inexact search may find fewer
        found = Found(clip, caption[clip, place], score[clip, place])
        order = np.lexsort((found.caption, found.clip))
        yield Found(found.clip[order], found.caption[order], found.score[order])
        return
    for clip, caption, score in threshold_blocks(rows.audio, rows.text, threshold, engine=engine):
        yield Found(clip, caption, score)
