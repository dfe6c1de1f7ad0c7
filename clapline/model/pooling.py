"""Pooling of states along time: one state per clip or caption that no other input has a say in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clapline.model.inputs import States
from clapline.model.text_aware import TextAwarePooling

__all__ = ["Pooling", "TextAwarePooling", "masked_maximum", "masked_mean", "pool_tokens"]


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the valid positions, float32: `(batch, positions, width)` → `(batch, width)`."""
    kept = states.float().masked_fill(~mask.unsqueeze(-1), 0.0)
    return kept.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def masked_maximum(states: Tensor, mask: Tensor) -> Tensor:
    """Return the largest value of each channel over the valid positions, float32, `(batch, width)`."""
    return states.float().masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(dim=1)


class Pooling(nn.Module):
    """Frame states → clip states `(batch, width)` over valid positions: their mean, or mean plus maximum."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        if kind not in ("mean", "mean_max"):
            raise ValueError(f"pooling {kind!r}; allowed: mean, mean_max")
        self.kind = kind

    def forward(self, states: States) -> Tensor:
        """Return clip states `(batch, width)`, float32."""
        mean = masked_mean(states.states, states.mask)
        return mean + masked_maximum(states.states, states.mask) if self.kind == "mean_max" else mean


def pool_tokens(states: States, kind: str) -> Tensor:
    """Return one state per caption, `(batch, width)`, float32.

    `mean`: of the valid tokens; `first`: of the first valid one ([CLS], <s>), `last`: of the last valid one (GPT-2,
    which has read everything by then); `pooler`: the encoder gives a single position already.

    Raises ValueError on another kind, or when `pooler` meets more than one position.
    """
    if kind == "mean":
        return masked_mean(states.states, states.mask)
    if kind == "pooler":
        if states.states.shape[1] != 1:
            raise ValueError(f"pooling pooler needs one position, found {states.states.shape[1]}")
        return states.states[:, 0].float()
    valid = states.mask.int()
    if kind == "first":
        position = valid.argmax(dim=1)
    elif kind == "last":
        position = states.mask.shape[1] - 1 - valid.flip(1).argmax(dim=1)
    else:
        raise ValueError(f"pooling {kind!r}; allowed: mean, first, last, pooler")
    return states.states[torch.arange(len(position), device=position.device), position].float()
