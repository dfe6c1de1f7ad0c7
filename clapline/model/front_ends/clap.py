"""The features of CLAP: decibels of mel power, for LAION-CLAP (HTSAT), MS-CLAP (CNN14, HTSAT) and PANNs.

Equal to transformers' ClapFeatureExtractor (truncation rand_trunc: Slaney's mel scale and norm), which stands for
LAION-CLAP's own code, and to torchlibrosa's Spectrogram and LogmelFilterBank with ref 1, amin 1e-10 and top_db None,
which LAION-CLAP's HTSAT, MS-CLAP and PANNs have inside their models: a periodic Hann window as long as the transform,
the waveform reflected at its ends, 10 · log10(max(power, 1e-10)), no floor below the loudest value. Other numbers,
the same formulas: MS-CLAP hears 44.1 kHz with hop 320, 50-14000 Hz (2022) or 50-8000 Hz (2023).

CLAPs with feature fusion hear `mel_scale: htk`, the HTK scale without a norm, which is truncation "fusion" of the same
extractor for a clip no longer than the input. A longer one is cut to its middle here as everywhere; there it would
become four images, of the whole clip and of three crops.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from clapline.model.front_ends.base import FrontEnd
from clapline.model.front_ends.spectrum import MelBank
from clapline.params.features import Features

POWER_FLOOR = 1e-10


class ClapFrontEnd(FrontEnd):
    """10 · log10(max(mel power, 1e-10)) of centred frames, in dB."""

    def __init__(self, settings: Features) -> None:
        super().__init__(settings, torch.hann_window(settings.window_samples), settings.window_samples)

    def mel_filters(self, minimum_hz: float, maximum_hz: float) -> Tensor:
        """Return the mel filters `(fft_samples // 2 + 1, bands)`."""
        scale = self.settings.mel_scale
        return melscale_fbanks(
            self.fft_samples // 2 + 1,
            minimum_hz,
            maximum_hz,
            self.bands,
            self.settings.sample_rate_hz,
            norm="slaney" if scale == "slaney" else None,
            mel_scale=scale,
        )

    def features(self, segments: Tensor, bank: MelBank, valid_samples: Tensor | None) -> Tensor:
        """Return mel powers in dB `(segments, frames, bands)`."""
        return self.mel_power(segments, bank).clamp_(min=POWER_FLOOR).log10_().mul_(10)
