from __future__ import annotations

import numpy as np
import pytest
import torch

from clapline.model.front_ends import build_front_end
from clapline.model.front_ends.passt import jittered_edges
from clapline.params.features import Features

SETTINGS = Features(kind="passt", duration_s=0.5)


def reference(waveform: np.ndarray, low_hz: float = 0.0, high_hz: float = 15000.0) -> np.ndarray:
    """The published formulas in float64: 32 kHz, window 800 in 1024, hop 320, 128 Kaldi bands."""
    emphasised = waveform[1:] - 0.97 * waveform[:-1]
    padded = np.pad(emphasised, 512, mode="reflect")
    window = np.zeros(1024)
    window[112:912] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 799)
    starts = range(0, len(padded) - 1023, 320)
    power = np.abs(np.fft.rfft(np.stack([padded[start : start + 1024] * window for start in starts]))) ** 2
    mel = 1127 * np.log1p(np.arange(512) * 31.25 / 700)[:, None]
    corners = np.linspace(1127 * np.log1p(low_hz / 700), 1127 * np.log1p(high_hz / 700), 130)
    rising = (mel - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - mel) / (corners[2:] - corners[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling))
    return (np.log(power[:, :512] @ filters + 1e-5).T + 4.5) / 5


@pytest.fixture
def waveforms():
    random = np.random.default_rng(0)
    time = np.arange(SETTINGS.samples) / 32000
    tone = 0.5 * np.sin(2 * np.pi * 3000 * time) + 1e-3 * random.standard_normal(SETTINGS.samples)
    return np.stack([0.1 * random.standard_normal(SETTINGS.samples), tone, np.zeros(SETTINGS.samples)])


def test_equals_the_formulas(waveforms):
    found = build_front_end(SETTINGS)(torch.from_numpy(waveforms).float())
    assert found.shape == (3, 1, 128, 50)
    for row, waveform in zip(found[:, 0].numpy(), waveforms, strict=True):
        np.testing.assert_allclose(row, reference(waveform), atol=2e-4)


def test_equals_the_formulas_with_other_edges(waveforms):
    found = build_front_end(SETTINGS)(torch.from_numpy(waveforms[:1]).float(), edges_hz=(7.0, 14321.0))
    np.testing.assert_allclose(found[0, 0].numpy(), reference(waveforms[0], 7.0, 14321.0), atol=2e-4)


def test_jittered_edges_cover_the_published_ranges():
    random = np.random.default_rng(0)
    drawn = [jittered_edges(Features(kind="passt"), random) for _ in range(20000)]
    low, high = (set(edges) for edges in zip(*drawn, strict=True))
    assert low == set(range(10))
    assert (min(high), max(high)) == (14001, 16000)
    assert len(high) > 1990


def test_jittered_edges_stay_below_half_the_sample_rate():
    features = Features(kind="passt", maximum_hz=16000.0)
    random = np.random.default_rng(0)
    assert max(jittered_edges(features, random)[1] for _ in range(100)) == 16000
