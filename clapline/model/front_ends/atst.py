"""The features of ATST-Frame (Li et al. 2024): decibels with a floor below the segment's own loudest value, scaled."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from clapline.model.front_ends.base import FrontEnd
from clapline.model.front_ends.spectrum import MelBank
from clapline.params.features import Features

POWER_FLOOR = 1e-10
RANGE_DB = 80.0
LOWEST_DB, HIGHEST_DB = -50.0, 80.0
MINIMUM, MAXIMUM = -79.6482, 50.6842


class AtstFrontEnd(FrontEnd):
    """Mel power in dB, at least 80 dB below the segment's maximum, within [-50, 80], scaled from (min, max) to [-1, 1].

    Equal to torchaudio's MelSpectrogram and AmplitudeToDB(top_db=80) fed one item at a time, as ATST's authors do. Fed
    a batch `(clips, samples)`, AmplitudeToDB takes the maximum of the whole batch (pytorch/audio#3448), so that a loud
    clip changes a quiet one beside it. The last frame (of 1001 in 10 s) counts for the maximum and is dropped.
    """

    def __init__(self, settings: Features) -> None:
        super().__init__(settings, torch.hann_window(settings.window_samples), settings.window_samples)

    def mel_filters(self, minimum_hz: float, maximum_hz: float) -> Tensor:
        """Return the mel filters `(fft_samples // 2 + 1, bands)`."""
        rate_hz = self.settings.sample_rate_hz
        return melscale_fbanks(self.fft_samples // 2 + 1, minimum_hz, maximum_hz, self.bands, rate_hz)

    @property
    def frames(self) -> int:
        """Frames of a segment: the last one is dropped."""
        return self.segment_samples // self.settings.hop_samples

    def features(self, segments: Tensor, bank: MelBank, valid_samples: Tensor | None) -> Tensor:
        """Return scaled decibels `(segments, frames, bands)`."""
        decibels = self.mel_power(segments, bank).clamp_(min=POWER_FLOOR).log10_().mul_(10)
        floor = decibels.amax(dim=(1, 2), keepdim=True) - RANGE_DB
        decibels = torch.maximum(decibels, floor).clamp_(LOWEST_DB, HIGHEST_DB)
        return decibels.sub_(MINIMUM).mul_(2 / (MAXIMUM - MINIMUM)).sub_(1)[:, :-1]
