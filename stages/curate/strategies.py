"""DU, DS and ADS (arXiv 2305.01864) over unit embeddings, and two guards against hubs.

C[i, j] is the cosine of clip i and caption j. DU takes every pair with C ≥ σ_at, many to many. DS takes the original
pairs of the captions near a label: J = {j : max over labels of the cosine ≥ σ_tt}. ADS takes the pairs with j in J and
C ≥ σ_at, and is used together with DS. A text that several clips share is one caption of DU and ADS (its first row
stands for it); DS keeps every row.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from clapline.search import threshold_pairs, top_k


@dataclass(frozen=True)
class Found:
    """Pairs as row numbers: clip, caption, similarity `(pairs,)`, sorted by clip, then caption."""

    clip: np.ndarray
    caption: np.ndarray
    similarity: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)

    def keep(self, mask: np.ndarray) -> Found:
        """Return the pairs where `mask` is true."""
        return Found(self.clip[mask], self.caption[mask], self.similarity[mask])


def first_of_each(texts: Sequence[Hashable]) -> np.ndarray:
    """Return the rows at which a text stands for the first time, ascending."""
    seen: dict[Hashable, int] = {}
    for row, text in enumerate(texts):
        seen.setdefault(text, row)
    return np.fromiter(seen.values(), dtype=np.int64, count=len(seen))


def nearest_label(text: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return m_j, each caption's highest cosine with a prompted label: `(m, dim)`, `(labels, dim)` → `(m,)` float32."""
    return top_k(text, labels, 1)[1][:, 0]


def near_pairs(audio: np.ndarray, text: np.ndarray, captions: np.ndarray, sigma_audio_text: float) -> Found:
    """Return all pairs of a clip and one of the given caption rows with C ≥ σ_at.

    With the first row of every text it is DU; with those of them that are in J, ADS.
    """
    clip, column, similarity = threshold_pairs(audio, text[captions], sigma_audio_text)
    return Found(clip, captions[column], similarity)


def guarded(found: Found, captions_per_clip: int | None, clips_per_caption: int | None) -> Found:
    """Keep the best captions of each clip, then the best clips of each caption; ties go to the lower row."""
    if captions_per_clip is not None:
        found = found.keep(_place_in_group(found.clip, found.caption, found.similarity) < captions_per_clip)
    if clips_per_caption is not None:
        found = found.keep(_place_in_group(found.caption, found.clip, found.similarity) < clips_per_caption)
    return found


def _place_in_group(group: np.ndarray, other: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Return each pair's place (from 0) among the pairs of its group, most similar first, then the lower `other`."""
    order = np.lexsort((other, -similarity, group))
    ordered = group[order]
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered, side="left")
    return place
