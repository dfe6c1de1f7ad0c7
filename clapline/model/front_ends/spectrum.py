"""Mel powers of many waveforms, in blocks of frames that stay in the processor's cache.

Where the time goes, and what is done about it (CPU, one thread): a plain batched `torch.stft` writes gigabytes of
complex numbers to memory and reads them back. Here a block of frames is windowed, transformed, squared and multiplied
with the mel filters before the next one is touched, and only the bins that some filter uses leave the transform.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchaudio.compliance.kaldi import get_mel_banks

# Frames at a time on the CPU: a block of 1,024-point transforms takes 1-2 MB, the second-level cache of a core.
BLOCK_FRAMES = 256
# Frames at a time elsewhere: few, long kernels; 32,768 frames of 1,024 samples take 0.5 GB on the way.
DEVICE_FRAMES = 32768


class MelBank(NamedTuple):
    """Mel filters over the run of Fourier bins that they use, and over no other."""

    bins: slice
    filters: Tensor  # (used bins, bands)


def mel_bank(filters: Tensor) -> MelBank:
    """Return the bank of filters `(fft_samples // 2 + 1, bands)`."""
    used = torch.nonzero(filters.amax(dim=1))[:, 0]
    bins = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
    return MelBank(bins, filters[bins].contiguous())


def kaldi_filters(bands: int, fft_samples: int, sample_rate_hz: int, low_hz: float, high_hz: float) -> Tensor:
    """Return Kaldi's mel filters `(fft_samples // 2 + 1, bands)`: triangles on the mel scale, none at the last bin."""
    filters, _ = get_mel_banks(bands, fft_samples, float(sample_rate_hz), low_hz, high_hz, 100.0, -500.0, 1.0)
    return torch.nn.functional.pad(filters, (0, 1)).T


def portions(device: torch.device, count: int, frames: int) -> tuple[int, int]:
    """Return how many waveforms of `frames` frames are worked on together, and in blocks of how many frames.

    On the CPU one waveform, whatever else is in the batch; elsewhere as many whole ones as few kernels can take.
    """
    if device.type == "cpu":
        return 1, min(frames, BLOCK_FRAMES)
    return max(1, min(count, DEVICE_FRAMES // frames)), frames


def mel_power(
    waveforms: Tensor,
    window: Tensor,
    bank: MelBank,
    *,
    fft_samples: int,
    hop_samples: int,
    centred: bool,
    condition: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return mel powers `(waveforms, frames, bands)`: filters · |FFT(window · frame)|².

    Args:
        waveforms: `(waveforms, samples)`, float32.
        window: `(window,)`, at most `fft_samples`; the transform pads it with zeros on the right.
        bank: mel filters.
        fft_samples: length of the transform.
        hop_samples: step between frames.
        centred: reflect the waveform by half a transform at its ends.
        condition: changes frames `(waveforms, frames, window)` before they are windowed.
    """
    count, samples = waveforms.shape
    half = fft_samples // 2 if centred else 0
    frames = (samples + 2 * half - len(window)) // hop_samples + 1
    together, block = portions(waveforms.device, count, frames)
    used, bands = bank.filters.shape
    powers = waveforms.new_empty(count, frames, bands)
    # Room that every block writes anew: fresh memory costs more than the arithmetic.
    padded = waveforms.new_empty(together, samples + 2 * half)
    windowed = waveforms.new_zeros(together * block, fft_samples)
    squares = waveforms.new_empty(together * block, 2 * used)
    power = waveforms.new_empty(together * block, used)
    for first in range(0, count, together):
        some = waveforms[first : first + together]
        if centred:
            some = reflected(some, half, padded[: len(some)])
        framed = some.unfold(1, len(window), hop_samples)
        for start in range(0, frames, block):
            part = framed[:, start : start + block]
            rows = part.shape[0] * part.shape[1]
            if condition is not None:
                part = condition(part)
            torch.mul(part, window, out=windowed[:rows, : len(window)].view(part.shape))
            spectrum = torch.view_as_real(torch.fft.rfft(windowed[:rows])).flatten(1)
            spectrum = spectrum[:, 2 * bank.bins.start : 2 * bank.bins.stop]
            # The interleaved parts are squared in one pass, then added in pairs: a third of the time of |z|².
            torch.mul(spectrum, spectrum, out=squares[:rows])
            torch.add(squares[:rows, ::2], squares[:rows, 1::2], out=power[:rows])
            out = powers[first : first + together, start : start + block]
            torch.mm(power[:rows], bank.filters, out=out.view(rows, bands))
    return powers


def reflected(waveforms: Tensor, half: int, out: Tensor) -> Tensor:
    """Write waveforms `(waveforms, samples)`, reflected by `half` samples at both ends, to `out` and return it."""
    out[:, half:-half] = waveforms
    out[:, :half] = waveforms[:, 1 : half + 1].flip(1)
    out[:, -half:] = waveforms[:, -half - 1 : -1].flip(1)
    return out
