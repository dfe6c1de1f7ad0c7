"""What goes into a Clap and comes out of its encoders: typed bundles of tensors, the same for every encoder family."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Inputs = dict[str, Tensor]  # what a text encoder's `prepare` makes of captions; every tensor has the captions first


@dataclass(frozen=True)
class AudioInputs:
    """A batch of clips as one of: waveforms, spectrogram features, or states of a frozen encoder."""

    valid: Tensor  # (clips,) float32 in (0, 1]: the share of the heard duration, from its start, that is no padding
    features: Tensor | None = None  # (clips, segments, bands, frames)
    waveforms: Tensor | None = None  # (clips, samples) float32 in [-1, 1]
    states: Tensor | None = None  # (clips, positions, width)
    tags: Inputs | None = None  # metadata sentences, as the text encoder's `prepare` made them
    has_tags: Tensor | None = None  # (clips,) boolean

    def __len__(self) -> int:
        return len(self.valid)

    def to(self, device: torch.device | str) -> AudioInputs:
        """Return the same on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def rows(self, chosen: slice | Tensor) -> AudioInputs:
        """Return some of the clips: a slice of them, or those at places `(clips,)`."""
        return self._each(lambda tensor: tensor[chosen])

    def repeated(self, times: int) -> AudioInputs:
        """Return all clips so many times, one after the other."""
        return self._each(lambda tensor: torch.cat([tensor] * times))

    def _each(self, change: Callable[[Tensor], Tensor]) -> AudioInputs:
        changed = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, dict):
                value = {name: change(tensor) for name, tensor in value.items()}
            elif value is not None:
                value = change(value)
            changed[field.name] = value
        return AudioInputs(**changed)


@dataclass(frozen=True)
class States:
    """States along an axis, and which of them count: frames of a clip, tokens of a caption."""

    states: Tensor  # (batch, positions, width)
    mask: Tensor  # (batch, positions) boolean, True where there is something; at least one True per row


@dataclass(frozen=True)
class Embeddings:
    """Points on the unit sphere, or Gaussians around them."""

    mean: Tensor  # (batch, dimension), rows of length 1, float32
    log_variance: Tensor | None = None  # (batch, dimension) float32; None for points
    projected: Tensor | None = None  # (batch, dimension) float32, before the length was set to 1


def valid_positions(valid: Tensor, positions: int) -> Tensor:
    """Return the mask `(clips, positions)` of which the first ceil(valid · positions), at least one, are True.

    The mask of the thesis' code. The slack holds the rounding of float32 shares: a third of 750 positions is 250.
    """
    count = torch.ceil(valid.double() * positions - 1e-4).clamp(1, positions)
    return torch.arange(positions, device=valid.device) < count[:, None]
