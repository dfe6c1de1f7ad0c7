"""Parity with ClapFeatureExtractor, whose transform is float64.

In float32 a band far below the loudest one of its frame carries the rounding of the loud one: within 80 dB of it the
difference is below 0.005 dB (0.003 measured on a sweep, 0.0001 on noise); below that, powers agree within 1e-5 of the
frame's largest. Filters of the HTK scale are float32 too: their smallest weights, 1e-5 of the largest, are up to 0.33
dB off, and a band that a sweep touches with such a weight alone by 0.03 dB.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ClapFeatureExtractor

from clapline.model.front_ends import build_front_end
from clapline.model.front_ends.window import fit
from clapline.params.features import Features

RATE_HZ = 48000
RANDOM = np.random.default_rng(0)
TIME = np.arange(12 * RATE_HZ) / RATE_HZ
CLIPS = {
    "noise": 0.1 * RANDOM.standard_normal(10 * RATE_HZ),
    "quiet": 1e-4 * RANDOM.standard_normal(10 * RATE_HZ),
    "tone over faint noise": 0.9 * np.sin(2 * np.pi * 1000 * TIME[:480000]) + 1e-3 * RANDOM.standard_normal(480000),
    "sweep": 0.5 * np.sin(2 * np.pi * (50 * TIME + 600 * TIME**2))[:480000],
    "silence": np.zeros(480000),
    "click": np.eye(1, 480000, 240000)[0],
    "short": 0.1 * RANDOM.standard_normal(130001),
    "very short": 0.1 * RANDOM.standard_normal(100),
}


def assert_same(found: np.ndarray, expected: np.ndarray, tolerance_db: float = 5e-3) -> None:
    """Compare decibels `(bands, frames)`."""
    assert found.shape == expected.shape
    loudest = expected.max(axis=0)
    near = expected >= loudest - 80
    np.testing.assert_allclose(found[near], expected[near], rtol=0, atol=tolerance_db)
    difference = 10 ** (found / 10) - 10 ** (expected / 10)
    assert np.abs(difference / 10 ** (loudest / 10)).max() < 1e-5


@pytest.mark.parametrize("name", CLIPS)
def test_equals_the_extractor(name):
    waveform = CLIPS[name].astype(np.float32)
    extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    expected = extractor(waveform, sampling_rate=RATE_HZ, return_tensors="np")["input_features"][0, 0].T
    features = Features(kind="clap")
    found = build_front_end(features)(torch.from_numpy(fit(waveform, features)[0])[None])
    assert_same(found[0, 0].numpy(), expected)


@pytest.mark.parametrize("name", CLIPS)
def test_htk_equals_the_extractor_for_fusion(name):
    waveform = CLIPS[name].astype(np.float32)
    extractor = ClapFeatureExtractor(truncation="fusion", padding="repeatpad")
    images = extractor(waveform, sampling_rate=RATE_HZ, return_tensors="np")["input_features"][0]
    features = Features(kind="clap", mel_scale="htk")
    found = build_front_end(features)(torch.from_numpy(fit(waveform, features)[0])[None])
    assert_same(found[0, 0].numpy(), images[0].T, tolerance_db=0.05)
    assert np.array_equal(images[0], images[3])  # so that the first image is all there is of a clip of this length


def test_a_longer_clip_is_the_extractors_of_its_middle():
    waveform = (0.1 * RANDOM.standard_normal(12 * RATE_HZ)).astype(np.float32)
    extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    middle = waveform[RATE_HZ : 11 * RATE_HZ]
    expected = extractor(middle, sampling_rate=RATE_HZ, return_tensors="np")["input_features"][0, 0].T
    features = Features(kind="clap")
    found = build_front_end(features)(torch.from_numpy(fit(waveform, features)[0])[None])
    assert_same(found[0, 0].numpy(), expected)


@pytest.mark.parametrize(("duration_s", "maximum_hz"), [(5.0, 14000.0), (7.0, 8000.0)])
def test_serves_ms_clap_with_its_numbers(duration_s, maximum_hz):
    """2022: CNN14, 5 s, 50-14000 Hz; 2023: HTSAT, 7 s, 50-8000 Hz; both 44.1 kHz, window 1024, hop 320, 64 bands."""
    features = Features(
        kind="clap", sample_rate_hz=44100, hop_samples=320, minimum_hz=50.0, maximum_hz=maximum_hz,
        duration_s=duration_s,
    )  # fmt: skip
    extractor = ClapFeatureExtractor(
        sampling_rate=44100, hop_length=320, frequency_min=50, frequency_max=maximum_hz, max_length_s=int(duration_s),
        truncation="rand_trunc", padding="repeatpad",
    )  # fmt: skip
    waveform = (0.1 * RANDOM.standard_normal(features.samples)).astype(np.float32)
    expected = extractor(waveform, sampling_rate=44100, return_tensors="np")["input_features"][0, 0].T
    found = build_front_end(features)(torch.from_numpy(waveform)[None])
    assert_same(found[0, 0].numpy(), expected)


def test_nothing_lies_below_minus_100_db():
    features = Features(kind="clap", duration_s=0.1)
    found = build_front_end(features)(torch.zeros(1, features.samples))
    assert torch.equal(found, torch.full_like(found, -100.0))
