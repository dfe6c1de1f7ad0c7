from __future__ import annotations

import numpy as np
import pytest
import torch

from clapline.model.front_ends import spectrum
from clapline.model.front_ends.spectrum import kaldi_filters, mel_bank, mel_power


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def powers(waveforms, window, filters, centred=True, hop=100, fft=256, **others):
    return mel_power(
        waveforms, window, mel_bank(filters), fft_samples=fft, hop_samples=hop, centred=centred, **others
    )  # fmt: skip


def reference(waveform, window, filters, centred, hop, fft):
    """Frame by frame in float64: the sum over the definition of the Fourier transform, no FFT."""
    samples = waveform.double().numpy()
    if centred:
        samples = np.pad(samples, fft // 2, mode="reflect")
    length = len(window)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(fft // 2 + 1), np.arange(length)) / fft)
    starts = range(0, len(samples) - length + 1, hop)
    frames = np.stack([samples[start : start + length] * window.double().numpy() for start in starts])
    return np.abs(frames @ turns.T) ** 2 @ filters.double().numpy()


@pytest.mark.parametrize(("centred", "window", "samples"), [(True, 256, 1000), (False, 200, 1000), (False, 256, 257)])
def test_equals_the_definition(centred, window, samples):
    waveforms, filters = noise(2, samples), noise(129, 7).abs()
    found = powers(waveforms, torch.hann_window(window), filters, centred)
    for row, waveform in zip(found, waveforms, strict=True):
        expected = reference(waveform, torch.hann_window(window), filters, centred, 100, 256)
        np.testing.assert_allclose(row.numpy(), expected, rtol=2e-5)


@pytest.mark.parametrize("block", [1, 3, 10, 11, 500])
def test_blocks_change_nothing_but_rounding(block, monkeypatch):
    waveforms, filters = noise(2, 1000), noise(129, 7).abs()
    whole = powers(waveforms, torch.hann_window(256), filters)
    monkeypatch.setattr(spectrum, "BLOCK_FRAMES", block)
    torch.testing.assert_close(powers(waveforms, torch.hann_window(256), filters), whole, rtol=1e-5, atol=0)


@pytest.mark.parametrize("together", [1, 2, 3, 5])
def test_waveforms_together_as_on_a_gpu_give_the_same(together, monkeypatch):
    waveforms, filters, window = noise(5, 1000), noise(129, 7).abs(), torch.hann_window(200)

    def condition(frames):
        return frames - frames.mean(dim=-1, keepdim=True)

    alone = powers(waveforms, window, filters, False, condition=condition)
    monkeypatch.setattr(spectrum, "portions", lambda device, count, frames: (together, frames))
    found = powers(waveforms, window, filters, False, condition=condition)
    torch.testing.assert_close(found, alone, rtol=1e-5, atol=0)


def test_portions_are_one_waveform_on_the_cpu_and_whole_ones_elsewhere():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert spectrum.portions(cpu, 100, 1001) == (1, spectrum.BLOCK_FRAMES)
    assert spectrum.portions(cpu, 100, 3) == (1, 3)
    assert spectrum.portions(gpu, 100, 1001) == (32, 1001)
    assert spectrum.portions(gpu, 4, 1001) == (4, 1001)
    assert spectrum.portions(gpu, 0, 1001) == (1, 1001)
    assert spectrum.portions(gpu, 4, 10**6) == (1, 10**6)


def test_a_bank_holds_the_run_of_bins_that_some_filter_uses():
    filters = torch.zeros(9, 2)
    filters[3, 0], filters[5, 1] = 1, 2
    bins, used = mel_bank(filters)
    assert (bins.start, bins.stop) == (3, 6)
    assert used.tolist() == [[1, 0], [0, 0], [0, 2]]
    assert mel_bank(torch.zeros(9, 2)).filters.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("bands", "fft", "rate", "low", "high"),
    [(128, 1024, 32000, 0.0, 15000.0), (128, 512, 16000, 20.0, 8000.0), (40, 512, 16000, 37.0, 7123.0)],
)
def test_kaldi_filters_are_triangles_on_the_mel_scale(bands, fft, rate, low, high):
    def mel(hz):
        return 1127 * np.log1p(np.asarray(hz) / 700)

    corners = np.linspace(mel(low), mel(high), bands + 2)
    at = mel(np.arange(fft // 2) * rate / fft)[:, None]
    rising = (at - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - at) / (corners[2:] - corners[1:-1])
    expected = np.maximum(0, np.minimum(rising, falling))
    found = kaldi_filters(bands, fft, rate, low, high).numpy()
    assert found.shape == (fft // 2 + 1, bands)
    np.testing.assert_allclose(found[:-1], expected, atol=2e-4)
    assert not found[-1].any()
