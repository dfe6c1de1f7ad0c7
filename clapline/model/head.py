"""Heads: the projection of either tower into the shared space."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class PointHead(nn.Module):
    """Residual projection to unit vectors: e = W₁x, LayerNorm(e + Dropout(W₂ GELU(e))), L2 (MS-CLAP 2022).

    `(batch, width)` → `(batch, dimension)`, each row of length 1.
    """

    def __init__(self, width: int, dimension: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(width, dimension, bias=False)
        self.second = nn.Linear(dimension, dimension, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(dimension)

    def forward(self, states: Tensor) -> Tensor:
        """Return unit embeddings `(batch, dimension)`."""
        first = self.first(states)
        second = self.dropout(self.second(functional.gelu(first)))
        return functional.normalize(self.norm(first + second).float(), dim=-1)
