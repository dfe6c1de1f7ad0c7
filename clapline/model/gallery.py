"""What evaluation searches: clips as vectors, or as frames that every text pools for itself (text-aware pooling).

Both are galleries of `clapline.metrics.similarity`: how many clips, some of them, their cosines with texts, and whether
they can be ranked at all. torch is imported by the frames alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clapline.errors import UserError
from clapline.metrics.sanity import check_embeddings, check_variances
from clapline.metrics.similarity import Gallery, similarities

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from clapline.model.text_aware import TextAwarePooling

__all__ = ["FrameGallery", "Gallery", "VectorGallery"]

_NUMBERS_AT_ONCE = 2**27  # of frames on the device: 256 MiB in half precision


@dataclass(frozen=True)
class VectorGallery:
    """Clips as unit vectors `(clips, dim)`, float32; of Gaussians the means, with their `log_variance` beside them."""

    vectors: np.ndarray
    log_variance: np.ndarray | None = None  # (clips, dim) float32

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: Sequence[int] | np.ndarray) -> VectorGallery:
        """Return the clips of these rows, in this order."""
        chosen = np.asarray(rows, dtype=np.int64)
        return VectorGallery(self.vectors[chosen], None if self.log_variance is None else self.log_variance[chosen])

    def cosines(self, texts: np.ndarray) -> np.ndarray:
        """Return `(n, clips)`: summed in float64 and rounded to float32, so that equal embeddings tie exactly."""
        return similarities(texts, self.vectors)(0, len(texts))

    def check(self, name: str, rows: int) -> None:
        """Raise UserError on another number of rows, none, NaN, lengths that are not 1, or rows all alike."""
        check_embeddings(name, self.vectors, rows)
        if self.log_variance is not None:
            check_variances(name, self.log_variance)


class FrameGallery:
    """Clips as frames of the shared dimension, in half precision, with the pooling that a text scores them by.

    `frames` is `(clips, positions, dim)`, `mask` `(clips, positions)`; both stay where they are, and a part at a time
    goes to `device`, where the pooling's weights are. Scores are in float32, without dropout, and depend on the clip
    and the text alone (but for the last bits, which the shapes of blocks may move).
    """

    def __init__(
        self,
        frames: Tensor,
        mask: Tensor,
        pooling: TextAwarePooling,
        device: torch.device | str = "cpu",
        rows: np.ndarray | None = None,
    ) -> None:
        self.frames, self.mask, self.pooling, self.device = frames, mask, pooling, device
        self.rows = np.arange(len(frames)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Sequence[int] | np.ndarray) -> FrameGallery:
        """Return the clips of these rows, in this order; the frames are shared, not copied."""
        chosen = self.rows[np.asarray(rows, dtype=np.int64)]
        return FrameGallery(self.frames, self.mask, self.pooling, self.device, chosen)

    def cosines(self, texts: np.ndarray) -> np.ndarray:
        """Return `(n, clips)` float32."""
        import torch

        from clapline.model.inputs import States

        similarity = np.empty((len(texts), len(self)), dtype=np.float32)
        part = max(1, _NUMBERS_AT_ONCE // max(1, self.frames[0].numel())) if len(self) else 1
        training = self.pooling.training
        self.pooling.eval()
        with torch.inference_mode(), torch.autocast(torch.device(self.device).type, enabled=False):
            asked = torch.from_numpy(np.ascontiguousarray(texts, dtype=np.float32)).to(self.device)
            for start in range(0, len(self), part):
                rows = torch.from_numpy(self.rows[start : start + part])
                states = States(self.frames[rows].to(self.device), self.mask[rows].to(self.device))
                # One order of products whatever the number of texts: one asked for alone scores as it does in a set.
                scores = self.pooling.cosines(asked, states, values_first=True)
                similarity[:, start : start + part] = scores.cpu().numpy()
        self.pooling.train(training)
        return similarity

    def check(self, name: str, rows: int) -> None:
        """Raise UserError on another number of clips, none, frames that are not finite, or clips all alike."""
        if len(self) != rows:
            raise UserError(f"{name}: frames of {len(self)} clips for {rows} items; ids and rows do not match")
        if rows == 0:
            raise UserError(f"{name}: there is nothing to evaluate")
        bad, alike, first, known = 0, True, self.frames[self.rows[0]].float(), self.mask[self.rows[0]]
        for row in self.rows:
            clip, mask = self.frames[row], self.mask[row]
            bad += not bool(clip[mask].isfinite().all())
            both = mask & known
            # Half precision knows a frame to about 1 in 1,000.
            difference, size = (clip[both].float() - first[both]).abs().sum(), first[both].abs().sum()
            alike = alike and bool(difference <= 1e-3 * size)
        if bad:
            raise UserError(f"{name}: the frames of {bad} of {rows} clips hold NaN or inf; the model is broken")
        if rows > 1 and alike:
            raise UserError(f"{name}: the frames of all {rows} clips are equal; the model has collapsed")
