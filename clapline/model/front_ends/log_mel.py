"""The small default's features: log(mel power + floor)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from clapline.model.front_ends.base import FrontEnd
from clapline.model.front_ends.spectrum import MelBank
from clapline.params.features import Features


class LogMel(FrontEnd):
    """log(mel power + `power_floor`) of centred frames; HTK mel scale, filters of height 1, as torchaudio's default."""

    def __init__(self, settings: Features) -> None:
        fft_samples = 1 << (settings.window_samples - 1).bit_length()
        super().__init__(settings, torch.hann_window(settings.window_samples), fft_samples)

    def mel_filters(self, minimum_hz: float, maximum_hz: float) -> Tensor:
        """Return the mel filters `(fft_samples // 2 + 1, bands)`."""
        rate_hz = self.settings.sample_rate_hz
        return melscale_fbanks(self.fft_samples // 2 + 1, minimum_hz, maximum_hz, self.bands, rate_hz)

    def features(self, segments: Tensor, bank: MelBank, valid_samples: Tensor | None) -> Tensor:
        """Return log-mel powers `(segments, frames, bands)`."""
        return self.mel_power(segments, bank).add_(self.settings.power_floor).log_()
