"""The features of AST (Gong et al. 2021): Kaldi's log-mel filter bank, scaled.

Equal to transformers' ASTFeatureExtractor, which computes one clip at a time on the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clapline.model.front_ends.base import FrontEnd
from clapline.model.front_ends.spectrum import MelBank, kaldi_filters
from clapline.params.features import Features

PRE_EMPHASIS = 0.97
POWER_FLOOR = 1.1920928955078125e-07  # the float32 epsilon
MEAN, DEVIATION = -4.2677393, 4.5689974


class AstFrontEnd(FrontEnd):
    """(log(max(mel power, ε)) + 4.2677393) / (2 · 4.5689974).

    In each frame: its mean is taken away, then 0.97 of the sample before (of itself, at the first), then a symmetric
    Hann window; no frame reaches over an end, no dither. The extractor pads in the spectrogram, with zeros before they
    are scaled, and so do frames here that begin after the sound (`valid`), or run over its end: a segment of 10.24 s
    has 1024 frames, of which the last two are padding.
    """

    def __init__(self, settings: Features) -> None:
        fft_samples = 1 << (settings.window_samples - 1).bit_length()
        window = torch.hann_window(settings.window_samples, periodic=False)
        super().__init__(settings, window, fft_samples, centred=False)

    def mel_filters(self, minimum_hz: float, maximum_hz: float) -> Tensor:
        """Return the mel filters `(fft_samples // 2 + 1, bands)`."""
        rate_hz = self.settings.sample_rate_hz
        return kaldi_filters(self.bands, self.fft_samples, rate_hz, minimum_hz, maximum_hz)

    @property
    def frames(self) -> int:
        """Frames of a segment, padding at its end among them."""
        return round(self.segment_samples / self.settings.hop_samples)

    def condition(self, frames: Tensor) -> Tensor:
        """Return frames without their mean, and after pre-emphasis within the frame."""
        centred = frames - frames.mean(dim=-1, keepdim=True)
        before = torch.cat([centred[..., :1], centred[..., :-1]], dim=-1)
        return torch.add(centred, before, alpha=-PRE_EMPHASIS)

    def features(self, segments: Tensor, bank: MelBank, valid_samples: Tensor | None) -> Tensor:
        """Return scaled log-mel powers `(segments, frames, bands)`."""
        found = self.mel_power(segments, bank).clamp_(min=POWER_FLOOR).log_()[:, : self.frames]
        features = found.new_zeros(len(found), self.frames, self.bands)
        features[:, : found.shape[1]] = found
        if valid_samples is not None:
            starts = self.settings.hop_samples * torch.arange(self.frames, device=features.device)
            padding = starts + self.settings.window_samples > valid_samples[:, None]
            features.masked_fill_(padding[..., None], 0)
        return features.sub_(MEAN).div_(2 * DEVIATION)
