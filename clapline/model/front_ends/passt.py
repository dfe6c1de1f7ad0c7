"""The features of PaSST (Koutini et al. 2022) and EfficientAT (Schmid et al. 2023).

Formulas: section 1 of the methods of "Text-to-audio retrieval"; the mel filters are Kaldi's, of torchaudio, as in both.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clapline.model.front_ends.base import FrontEnd
from clapline.model.front_ends.spectrum import MelBank, kaldi_filters
from clapline.params.features import Features

PRE_EMPHASIS = 0.97
POWER_FLOOR = 1e-5


def jittered_edges(settings: Features, random: np.random.Generator) -> tuple[float, float]:
    """Return random edges of the mel filters in Hz: minimum + U{0..9}, and maximum + 1000 - U{0..1999}.

    With the published maximum of 15 kHz the upper edge is 16000 - U{0..1999} Hz, never above half the sample rate.
    """
    low = settings.minimum_hz + int(random.integers(10))
    high = settings.maximum_hz + 1000 - int(random.integers(2000))
    return low, min(high, settings.sample_rate_hz / 2)


class PasstFrontEnd(FrontEnd):
    """(log(mel power + 1e-5) + 4.5) / 5 of the waveform after pre-emphasis x[t] - 0.97 x[t - 1], which is one shorter.

    Symmetric Hann window in the middle of a longer transform; 10 s at 32 kHz are 1000 frames.
    """

    def __init__(self, settings: Features) -> None:
        fft_samples = 1 << (settings.window_samples - 1).bit_length()
        window = torch.hann_window(settings.window_samples, periodic=False)
        super().__init__(settings, window, fft_samples)

    def mel_filters(self, minimum_hz: float, maximum_hz: float) -> Tensor:
        """Return the mel filters `(fft_samples // 2 + 1, bands)`."""
        rate_hz = self.settings.sample_rate_hz
        return kaldi_filters(self.bands, self.fft_samples, rate_hz, minimum_hz, maximum_hz)

    @property
    def frames(self) -> int:
        """Frames of a segment: pre-emphasis takes one sample."""
        return (self.segment_samples - 1) // self.settings.hop_samples + 1

    def features(self, segments: Tensor, bank: MelBank, valid_samples: Tensor | None) -> Tensor:
        """Return scaled log-mel powers `(segments, frames, bands)`."""
        emphasised = torch.add(segments[:, 1:], segments[:, :-1], alpha=-PRE_EMPHASIS)
        return self.mel_power(emphasised, bank).add_(POWER_FLOOR).log_().add_(4.5).div_(5)
