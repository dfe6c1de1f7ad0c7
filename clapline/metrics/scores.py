"""One side of a comparison, clips or texts: points or Gaussians, or several models at once, as query and as candidate.

Gaussians are ranked by μ·μ' - tr'/2, tr' the total variance of the candidate: the order of -E‖x - y‖² (ProLIP). That is
the product of [μ, 1] and [μ', -tr'/2], so the measures need know nothing of it. Several models score by the mean of
their similarities: the product of their vectors side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clapline.errors import UserError
from clapline.metrics.similarity import Gallery, Items

Score = Literal["distance", "mean"]


def total_variance(log_variance: np.ndarray) -> np.ndarray:
    """Return the sum of the variances over dimensions, `(rows, dim)` → `(rows,)` float64."""
    return np.exp(log_variance.astype(np.float64)).sum(axis=1)


@dataclass(frozen=True)
class Side:
    """Clips or texts of one model; `total_variance` `(n,)` where they are Gaussians that are scored as such.

    A constant may be taken off the total variances of a side: it changes no order.
    """

    items: Items
    total_variance: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: Sequence[int] | np.ndarray) -> Side:
        """Return these rows, in this order."""
        rows = np.asarray(rows, dtype=np.int64)
        items = self.items[rows] if isinstance(self.items, np.ndarray) else self.items.take(rows)
        return Side(items, None if self.total_variance is None else self.total_variance[rows])

    def as_queries(self) -> Items:
        """Return what is compared with the other side's candidates."""
        return self.items if self.total_variance is None else _beside(_vectors(self.items), np.ones(len(self)))

    def as_candidates(self) -> Items:
        """Return what queries are compared with."""
        if self.total_variance is None:
            return self.items
        return _beside(_vectors(self.items), -0.5 * self.total_variance)


def _beside(vectors: np.ndarray, column: np.ndarray) -> np.ndarray:
    # As float64: a total variance in float32 would round away what separates two candidates.
    return np.concatenate([vectors.astype(np.float64), column[:, None]], axis=1)


def _vectors(items: Items) -> np.ndarray:
    vectors = getattr(items, "vectors", items)
    if not isinstance(vectors, np.ndarray):
        raise UserError("clips that each text pools for itself are no Gaussians")
    return vectors


class MeanGallery:
    """Clips of several models, of which one at least pools by text: a text's cosine is the mean over the models.

    `texts` are the models' text embeddings side by side, each divided by the root of the number of models, as
    `ensemble` makes them.
    """

    def __init__(self, galleries: Sequence[Gallery], dimensions: Sequence[int]) -> None:
        self.galleries, self.dimensions = list(galleries), list(dimensions)

    def __len__(self) -> int:
        return len(self.galleries[0])

    def take(self, rows: Sequence[int] | np.ndarray) -> MeanGallery:
        """Return the clips of these rows, in this order."""
        return MeanGallery([gallery.take(rows) for gallery in self.galleries], self.dimensions)

    def cosines(self, texts: np.ndarray) -> np.ndarray:
        """Return the mean cosines `(n, clips)`, float32."""
        count = len(self.galleries)
        parts = np.split(texts * np.sqrt(count), np.cumsum(self.dimensions)[:-1], axis=1)
        each = [gallery.cosines(part.astype(np.float32)) for gallery, part in zip(self.galleries, parts, strict=True)]
        return np.mean([scores.astype(np.float64) for scores in each], axis=0).astype(np.float32)

    def check(self, name: str, rows: int) -> None:
        """Raise UserError when the clips of a model cannot be ranked."""
        for gallery in self.galleries:
            gallery.check(name, rows)


def ensemble(clips: Sequence[Side], texts: Sequence[Side]) -> tuple[Side, Side]:
    """Return clips and texts whose similarity is the mean of the models' similarities.

    Vectors stand side by side, divided by the root of the number of models, so that they are unit vectors again; the
    total variance is the mean, that of points being 0.
    """
    words = side_by_side(texts)
    if all(isinstance(getattr(side.items, "vectors", side.items), np.ndarray) for side in clips):
        return side_by_side(clips), words
    if any(side.total_variance is not None for side in (*clips, *texts)):
        raise UserError("an ensemble cannot hold a model that pools by text and one of Gaussians scored by distance")
    dimensions = [_vectors(side.items).shape[1] for side in texts]
    return Side(MeanGallery([_gallery(side.items) for side in clips], dimensions)), words


def side_by_side(sides: Sequence[Side]) -> Side:
    """Return texts (or clips that are vectors) of several models as one, whose products are the mean of theirs."""
    vectors = np.concatenate([_vectors(side.items) for side in sides], axis=1) / np.sqrt(len(sides))
    if all(side.total_variance is None for side in sides):
        return Side(vectors.astype(np.float32))
    each = [np.zeros(len(side)) if side.total_variance is None else side.total_variance for side in sides]
    return Side(vectors.astype(np.float32), np.mean(each, axis=0))


def _gallery(items: Items) -> Gallery:
    if isinstance(items, np.ndarray):
        raise UserError("an ensemble needs galleries of clips")
    return items
