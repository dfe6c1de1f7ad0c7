"""What every front end shares: segments, shapes, and a spectrum that treats each segment alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model.front_ends.spectrum import MelBank, mel_bank, mel_power
from clapline.params.features import Features


class FrontEnd(nn.Module):
    """Waveforms `(clips, samples)` in [-1, 1] → features `(clips, segments, bands, frames)`, float32.

    A clip is cut into windows of `segment_samples` that do not overlap, and each window is treated alone: no value
    depends on the other clips of a batch, and on the CPU not one bit does. In memory the bands of a frame lie side by
    side, so that `features.transpose(-1, -2)`, the layout of transformers, is contiguous.

    There are no parameters, no gradient flows to the waveforms, and autocast changes nothing; on a GPU where matrix
    products may use TF32 the mel powers carry its relative rounding of at most 2⁻¹⁰ (0.004 dB).
    """

    def __init__(self, settings: Features, window: Tensor, fft_samples: int, *, centred: bool = True) -> None:
        """Take the numbers of a kind.

        Args:
            settings: the `features` part of a model.
            window: analysis window, at most `fft_samples` long; zeros fill the rest, on both sides where frames are
                centred, as in torch.stft, and else on the right.
            fft_samples: length of the Fourier transform.
            centred: frame t has its middle at sample t · hop, the waveform reflected at its ends; else frame t starts
                there and none reaches over an end.

        Raises:
            UserError: a segment is too short for one analysis window.
        """
        super().__init__()
        self.settings = settings
        self.samples = settings.samples
        self.segments = settings.segments
        self.segment_samples = settings.segment_samples
        self.bands = settings.mel_bands
        self.fft_samples = fft_samples
        self.centred = centred
        shortest = max(fft_samples, settings.hop_samples) + 1
        if self.segment_samples < shortest:
            raise UserError(
                f"features: {self.segment_samples} samples at once (duration_s {settings.duration_s:g}, segment_s "
                f"{settings.segment_s}) are too few for a window; allowed: {shortest} samples or more"
            )
        if centred:
            left = (fft_samples - len(window)) // 2
            window = nn.functional.pad(window, (left, fft_samples - len(window) - left))
        bank = mel_bank(self.mel_filters(settings.minimum_hz, settings.maximum_hz))
        self.bins = bank.bins
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", bank.filters, persistent=False)

    @property
    def frames(self) -> int:
        """Frames of a segment."""
        return self.segment_samples // self.settings.hop_samples + 1

    def frames_of(self, duration_s: float) -> int:
        """Return the number of frames that cover `duration_s`."""
        return max(1, round(duration_s * self.settings.sample_rate_hz / self.settings.hop_samples))

    def forward(
        self, waveforms: Tensor, valid: Tensor | None = None, edges_hz: tuple[float, float] | None = None
    ) -> Tensor:
        """Return the features `(clips, segments, bands, frames)`.

        Args:
            waveforms: `(clips, samples)`, as `window.fit` makes them.
            valid: `(clips,)`, the share of each clip, from its start, that is no padding; AST's features alone differ.
            edges_hz: lowest and highest edge of the mel filters for this call alone, which training may draw.
        """
        clips, samples = waveforms.shape
        if samples != self.samples:
            raise ValueError(f"waveforms of {samples} samples where {self.samples} are heard: see window.fit")
        bank = MelBank(self.bins, self.filters)
        if edges_hz is not None:
            bins, filters = mel_bank(self.mel_filters(*edges_hz))
            bank = MelBank(bins, filters.to(waveforms.device))
        with torch.no_grad(), torch.autocast(waveforms.device.type, enabled=False):
            segments = waveforms.float().reshape(clips * self.segments, self.segment_samples)
            features = self.features(segments, bank, None if valid is None else self._valid_samples(valid))
            return features.unflatten(0, (clips, self.segments)).transpose(2, 3)

    def mel_filters(self, minimum_hz: float, maximum_hz: float) -> Tensor:
        """Return the mel filters `(fft_samples // 2 + 1, bands)` between two edges: what a kind must define."""
        raise NotImplementedError

    def features(self, segments: Tensor, bank: MelBank, valid_samples: Tensor | None) -> Tensor:
        """Return features `(segments, frames, bands)` of `(segments, samples)`: what a kind must define.

        `valid_samples` `(segments,)` are those that are no padding; None: all.
        """
        raise NotImplementedError

    def condition(self, frames: Tensor) -> Tensor:
        """Return frames `(…, window)` as they are windowed; a kind may change them, each alone."""
        return frames

    def mel_power(self, segments: Tensor, bank: MelBank) -> Tensor:
        """Return mel powers `(segments, frames, bands)`."""
        return mel_power(
            segments,
            self.window,
            bank,
            fft_samples=self.fft_samples,
            hop_samples=self.settings.hop_samples,
            centred=self.centred,
            condition=self.condition,
        )

    def _valid_samples(self, valid: Tensor) -> Tensor:
        heard = torch.round(valid.double() * self.samples)
        starts = torch.arange(self.segments, device=valid.device) * self.segment_samples
        return (heard[:, None] - starts).clamp(0, self.segment_samples).flatten().long()
