"""Log-mel front end, in batches on any device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from clapline.errors import UserError
from clapline.params.model import Features


def fit_duration(waveform: np.ndarray, samples: int) -> np.ndarray:
    """Repeat a short clip, or cut a long one in its middle, to exactly `samples`: the same clip, the same result.

    Raises:
        UserError: the clip is empty.
    """
    if len(waveform) == 0:
        raise UserError("a clip without samples cannot be encoded")
    if len(waveform) < samples:
        return np.resize(waveform, samples)
    start = (len(waveform) - samples) // 2
    return waveform[start : start + samples]


class LogMel(nn.Module):
    """Waveforms `(batch, samples)` in [-1, 1] → log(mel power + floor), `(batch, bands, frames)`.

    Each clip is treated alone: no value depends on its batch mates. Frames are centred, `samples // hop + 1` of them.
    """

    def __init__(self, settings: Features) -> None:
        super().__init__()
        self.settings = settings
        self.fft_samples = 1 << (settings.window_samples - 1).bit_length()
        self.register_buffer("window", torch.hann_window(settings.window_samples), persistent=False)
        filters = melscale_fbanks(
            self.fft_samples // 2 + 1,
            settings.minimum_hz,
            settings.maximum_hz,
            settings.mel_bands,
            settings.sample_rate_hz,
        )
        self.register_buffer("filters", filters, persistent=False)

    @property
    def samples(self) -> int:
        """Length in samples of the clips it expects."""
        return round(self.settings.duration_s * self.settings.sample_rate_hz)

    @property
    def frames(self) -> int:
        """Number of frames of a clip."""
        return self.samples // self.settings.hop_samples + 1

    def frames_of(self, duration_s: float) -> int:
        """Number of frames that cover `duration_s`."""
        return max(1, round(duration_s * self.settings.sample_rate_hz / self.settings.hop_samples))

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return log-mel features `(batch, bands, frames)`."""
        spectrum = torch.stft(
            waveforms,
            self.fft_samples,
            self.settings.hop_samples,
            self.settings.window_samples,
            self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        mel = (power.transpose(1, 2) @ self.filters).transpose(1, 2)
        return torch.log(mel + self.settings.power_floor)
