"""The small default: a convolutional network from scratch."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features


class SmallCnn(nn.Module):
    """Convolutional blocks, each halving both axes, then the mean over what is left of the mel axis.

    `(batch, bands, frames)` → frame states `(batch, frames / 2^blocks, width)`. The first block is a 5×5 convolution of
    stride 2, the others 3×3 with 2×2 mean pooling; all with batch norm and ReLU. The features are first scaled by the
    mean and deviation of the training clips, which belong to the weights.
    """

    def __init__(self, channels: list[int], frames: int) -> None:
        super().__init__()
        self.width = channels[-1]
        self.positions = _halved(frames, len(channels))
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

    @classmethod
    def from_settings(cls, settings: AudioEncoder, features: Features) -> SmallCnn:
        """Return an untrained network."""
        return cls(settings.channels, features.segment_samples // features.hop_samples + 1)

    @classmethod
    def from_config(cls, settings: AudioEncoder, features: Features, config: dict[str, Any]) -> SmallCnn:
        """Return the network of a saved model; the settings say it all."""
        return cls.from_settings(settings, features)

    def encoder_config(self) -> dict[str, Any]:
        """Return what the settings do not say: nothing."""
        return {}

    def set_scale(self, mean: float, deviation: float) -> None:
        """Take over the statistics of the training features."""
        self.feature_mean.fill_(mean)
        self.feature_deviation.fill_(max(deviation, 1e-6))

    def forward(self, features: Tensor) -> Tensor:
        """Return frame states `(batch, frames', width)`."""
        scaled = (features - self.feature_mean) / self.feature_deviation
        return self.blocks(scaled.unsqueeze(1)).mean(dim=2).transpose(1, 2)


def _halved(frames: int, times: int) -> int:
    for _ in range(times):
        frames = (frames + 1) // 2
    return frames
