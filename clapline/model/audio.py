"""Audio encoders: log-mel features → frame states, and their pooling."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from clapline.params.model import AudioEncoder


class SmallCnn(nn.Module):
    """Convolutional blocks, each halving both axes, then the mean over what is left of the mel axis.

    `(batch, bands, frames)` → frame states `(batch, frames / 2^blocks, width)`. The first block is a 5×5 convolution of
    stride 2, the others 3×3 with 2×2 mean pooling; all with batch norm and ReLU. The features are first scaled by the
    mean and deviation of the training clips, which belong to the weights.
    """

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.width = channels[-1]
        self.register_buffer("feature_mean", torch.zeros(()))
        self.register_buffer("feature_deviation", torch.ones(()))
        blocks: list[nn.Module] = [
            nn.Conv2d(1, channels[0], 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
        ]
        for inputs, outputs in itertools.pairwise(channels):
            blocks += [
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
                nn.AvgPool2d(2, ceil_mode=True),
            ]
        self.blocks = nn.Sequential(*blocks)

    def set_scale(self, mean: float, deviation: float) -> None:
        """Take over the statistics of the training features."""
        self.feature_mean.fill_(mean)
        self.feature_deviation.fill_(max(deviation, 1e-6))

    def forward(self, features: Tensor) -> Tensor:
        """Return frame states `(batch, frames', width)`."""
        scaled = (features - self.feature_mean) / self.feature_deviation
        return self.blocks(scaled.unsqueeze(1)).mean(dim=2).transpose(1, 2)


class Pooling(nn.Module):
    """Frame states `(batch, frames, width)` → clip states `(batch, width)`: their mean, or mean plus maximum."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, states: Tensor) -> Tensor:
        """Return clip states `(batch, width)`."""
        mean = states.mean(dim=1)
        return mean + states.amax(dim=1) if self.kind == "mean_max" else mean


def build_audio_encoder(settings: AudioEncoder) -> SmallCnn:
    """Return the encoder that the settings name."""
    return SmallCnn(settings.channels)
