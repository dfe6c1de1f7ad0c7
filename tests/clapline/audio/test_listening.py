"""Copies to listen to: light, and of short clips the clips themselves."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from clapline.audio.decode import flac_bytes
from clapline.audio.listening import listening_copy


def noise(seconds: float, rate_hz: int) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.1, size=int(seconds * rate_hz)).astype(np.float32)


def test_a_short_clip_is_itself():
    data = flac_bytes(noise(4, 16000), 16000)
    assert listening_copy(data) is data


@pytest.mark.parametrize(("seconds", "rate_hz"), [(30.0, 32000), (10.0, 48000), (12.0, 16000)])
def test_long_and_fine_clips_are_cut_and_light(seconds, rate_hz):
    data = flac_bytes(noise(seconds, rate_hz), rate_hz)
    copy = listening_copy(data)
    told = soundfile.info(io.BytesIO(copy))
    assert told.samplerate == min(rate_hz, 24000)
    assert told.duration == pytest.approx(10.0, abs=0.01)
    assert len(copy) < min(len(data), 500_000)
    assert listening_copy(data) == copy


def test_the_middle_is_kept():
    rate_hz, samples = 16000, noise(30, 16000) * 0.01
    samples[14 * rate_hz : 16 * rate_hz] += 0.5
    heard, _ = soundfile.read(io.BytesIO(listening_copy(flac_bytes(samples, rate_hz))))
    assert np.abs(heard[4 * rate_hz : 6 * rate_hz]).mean() > 0.4
    assert np.abs(heard[: 3 * rate_hz]).mean() < 0.1
