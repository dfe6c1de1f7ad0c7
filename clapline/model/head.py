"""Heads: the projection of either tower into the shared space, and what is said of its certainty."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from clapline.model.inputs import Embeddings
from clapline.params.model import Head


class EmbeddingHead(nn.Module):
    """States `(batch, width)` → embeddings of `dimension`: unit vectors, or Gaussians around them.

    A Gaussian's log variance is one linear layer of the states (ProLIP, after PCME++): weights drawn with variance
    1 / width, bias `initial_log_variance`, so that training starts near points. It is computed in float32 whatever the
    precision around it: at −10, bfloat16 knows steps of 0.06 only.
    """

    def __init__(self, width: int, settings: Head) -> None:
        super().__init__()
        self.width, self.dimension = width, settings.dimension
        self._build(width, settings)
        self.variance: nn.Linear | None = None
        if settings.distribution == "gaussian":
            self.variance = variance_layer(width, settings)

    def _build(self, width: int, settings: Head) -> None:
        """Make the layers of `project`, in the order in which their weights are drawn."""
        raise NotImplementedError

    def project(self, states: Tensor) -> Tensor:
        """Return `(..., width)` as `(..., dimension)`, of any length: what text-aware pooling takes of frames."""
        raise NotImplementedError

    def forward(self, states: Tensor) -> Embeddings:
        """Return embeddings of `(batch, width)`, float32."""
        projected = self.project(states).float()
        mean = functional.normalize(projected, dim=-1)
        if self.variance is None:
            return Embeddings(mean, projected=projected)
        with torch.autocast(states.device.type, enabled=False):
            return Embeddings(mean, self.variance(states.float()), projected)


class ResidualHead(EmbeddingHead):
    """e = W₁x, LayerNorm(e + Dropout(W₂ GELU(e))), both maps without bias (MS-CLAP 2022)."""

    def _build(self, width: int, settings: Head) -> None:
        self.first = nn.Linear(width, settings.dimension, bias=False)
        self.second = nn.Linear(settings.dimension, settings.dimension, bias=False)
        self.dropout = nn.Dropout(settings.dropout)
        self.norm = nn.LayerNorm(settings.dimension)

    def project(self, states: Tensor) -> Tensor:
        """Return `(..., dimension)`."""
        first = self.first(states)
        second = self.dropout(self.second(functional.gelu(first)))
        return self.norm(first + second)


class LinearHead(EmbeddingHead):
    """Wx + b (the thesis)."""

    def _build(self, width: int, settings: Head) -> None:
        self.projection = nn.Linear(width, settings.dimension)

    def project(self, states: Tensor) -> Tensor:
        """Return `(..., dimension)`."""
        return self.projection(states)


class MlpHead(EmbeddingHead):
    """W₂ ReLU(W₁x + b₁) + b₂ (LAION-CLAP)."""

    def _build(self, width: int, settings: Head) -> None:
        self.first = nn.Linear(width, settings.dimension)
        self.second = nn.Linear(settings.dimension, settings.dimension)

    def project(self, states: Tensor) -> Tensor:
        """Return `(..., dimension)`."""
        return self.second(functional.relu(self.first(states)))


_KINDS: dict[str, type[EmbeddingHead]] = {"residual": ResidualHead, "linear": LinearHead, "mlp": MlpHead}


def variance_layer(width: int, settings: Head) -> nn.Linear:
    """Return the layer of a Gaussian's log variance, `(…, width)` → `(…, dimension)`, newly drawn."""
    layer = nn.Linear(width, settings.dimension)
    nn.init.normal_(layer.weight, std=width**-0.5)
    nn.init.constant_(layer.bias, settings.initial_log_variance)
    return layer


def build_head(width: int, settings: Head) -> EmbeddingHead:
    """Return the head that the settings name, for states of `width` channels."""
    return _KINDS[settings.kind](width, settings)
