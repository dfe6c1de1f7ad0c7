"""Edits change what they name and nothing else: level, duration, pitch; joining clips nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.audio import mixing

RATE = 16000


def tone(hz: float, seconds: float, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def dominant_hz(audio: np.ndarray, rate: int = RATE) -> float:
    middle = audio[len(audio) // 8 : -len(audio) // 8]
    return float(np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))))) * rate / len(middle)


def rms_db(audio: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(audio, dtype=np.float64)))


@pytest.mark.parametrize("decibels", [-12.0, -3.0, 0.0, 6.0, 20.0])
def test_volume_changes_the_rms_by_so_many_decibels(decibels: float) -> None:
    audio = noise(0.5)
    louder = mixing.changed_volume(audio, decibels)
    assert louder.dtype == np.float32
    assert rms_db(louder) - rms_db(audio) == pytest.approx(decibels, abs=1e-4)


@pytest.mark.parametrize("semitones", [-7.0, -4.0, -1.0, 1.0, 3.5, 4.0, 12.0])
def test_pitch_moves_a_tone_and_keeps_the_duration(semitones: float) -> None:
    audio = tone(440.0, 2.0)
    shifted = mixing.changed_pitch(audio, semitones, RATE)
    assert len(shifted) == len(audio)
    assert dominant_hz(shifted) == pytest.approx(440.0 * 2 ** (semitones / 12), abs=1.5)


@pytest.mark.parametrize("ratio", [1 / 3, 0.667, 0.87, 1.15, 1.5, 3.0])
def test_speed_changes_the_duration_and_keeps_the_pitch(ratio: float) -> None:
    audio = tone(440.0, 3.0)
    changed = mixing.changed_speed(audio, ratio, RATE)
    assert len(changed) == round(len(audio) / ratio)
    assert dominant_hz(changed) == pytest.approx(440.0, abs=2.0)


def test_speed_moves_a_stroke_to_its_new_time() -> None:
    audio = noise(2.0, 1e-4)
    audio[RATE : RATE + 400] += tone(1000.0, 0.025, 0.8)
    changed = mixing.changed_speed(audio, 2.0, RATE)
    assert np.argmax(np.abs(changed)) / RATE == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_edits_hold_at_other_rates(rate: int) -> None:
    audio = (0.3 * np.sin(2 * np.pi * 330 * np.arange(2 * rate) / rate)).astype(np.float32)
    assert dominant_hz(mixing.changed_pitch(audio, 4.0, rate), rate) == pytest.approx(330 * 2 ** (1 / 3), abs=2)
    assert dominant_hz(mixing.changed_speed(audio, 0.8, rate), rate) == pytest.approx(330, abs=2)


@pytest.mark.parametrize("audio", [noise(2.0), tone(440.0, 2.0)], ids=["noise", "tone"])
def test_pitch_and_speed_leave_the_level_alone(audio: np.ndarray) -> None:
    for changed in (
        mixing.changed_pitch(audio, 4.0, RATE),
        mixing.changed_pitch(audio, -4.0, RATE),
        mixing.changed_speed(audio, 1.5, RATE),
        mixing.changed_speed(audio, 0.667, RATE),
    ):
        assert rms_db(changed) == pytest.approx(rms_db(audio), abs=1e-3)


def test_silence_stays_silence() -> None:
    silence = np.zeros(RATE, np.float32)
    assert not mixing.changed_volume(silence, 12.0).any()
    assert not mixing.changed_pitch(silence, 3.0, RATE).any()
    assert not mixing.changed_speed(silence, 1.5, RATE).any()
    assert not mixing.mixed(silence, silence, 6.0).any()
    audio = noise(1.0)
    assert np.array_equal(mixing.mixed(audio, silence, 6.0), audio)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(0, 3000),
    semitones=st.floats(-12, 12),
    ratio=st.floats(0.34, 3),
    seed=st.integers(0, 9),
)
def test_clips_of_any_length_give_finite_samples(samples: int, semitones: float, ratio: float, seed: int) -> None:
    audio = np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)
    shifted, changed = mixing.changed_pitch(audio, semitones, RATE), mixing.changed_speed(audio, ratio, RATE)
    assert len(shifted) == samples
    assert len(changed) == round(samples / ratio)
    for made in (shifted, changed, mixing.concatenated(shifted, changed, RATE), mixing.mixed(shifted, changed, 3.0)):
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
    assert np.array_equal(shifted, mixing.changed_pitch(audio, semitones, RATE))
    assert np.array_equal(changed, mixing.changed_speed(audio, ratio, RATE))


@pytest.mark.parametrize("ratio_db", [-12.0, 0.0, 5.0])
def test_balanced_clips_differ_by_the_ratio(ratio_db: float) -> None:
    one, other = mixing.balanced(noise(1.0, 0.01), tone(300.0, 2.0), ratio_db)
    assert rms_db(one) - rms_db(other) == pytest.approx(ratio_db, abs=1e-4)
    assert mixing.level_difference_db(one, other) == pytest.approx(ratio_db, abs=1e-4)


def test_a_mixture_is_the_scaled_sum_and_never_clips() -> None:
    one, other = noise(1.0, 0.4), tone(500.0, 2.0, 0.9)
    for share, start in ((0.0, 0), (0.5, RATE // 2), (1.0, RATE)):
        total = mixing.mixed(one, other, 0.0, share)
        assert len(total) == len(other)
        assert np.abs(total).max() <= 1.0 + 1e-6
        a, b = mixing.balanced(one, other, 0.0)
        expected = b.copy()
        expected[start : start + len(one)] += a
        # One factor for all of it: the balance of the two survives the guard.
        assert np.allclose(total * (np.abs(expected).max() / np.abs(total).max()), expected, atol=1e-5)
    quiet = mixing.mixed(noise(1.0, 0.01), noise(1.0, 0.01, 1), 0.0)
    assert rms_db(quiet) == pytest.approx(rms_db(noise(1.0, 0.01)) + 3, abs=0.3)  # within full scale nothing is scaled


def test_one_clip_follows_the_other() -> None:
    one, other = tone(300.0, 1.0), tone(2000.0, 1.5)
    joined = mixing.concatenated(one, other, RATE, crossfade_s=0.05)
    assert len(joined) == len(one) + len(other) - round(0.05 * RATE)
    assert dominant_hz(joined[: RATE - 800]) == pytest.approx(300, abs=2)
    assert dominant_hz(joined[RATE:]) == pytest.approx(2000, abs=2)
    assert np.array_equal(joined[: RATE - 800], one[: RATE - 800])
    loud = mixing.concatenated(one * 5, other, RATE)
    assert np.abs(loud).max() == pytest.approx(1.0, abs=1e-6)


def test_a_crossfade_keeps_the_power() -> None:
    joined = mixing.concatenated(noise(1.0, seed=1), noise(1.0, seed=2), RATE, crossfade_s=0.5)
    assert rms_db(joined[RATE // 2 : RATE]) == pytest.approx(rms_db(joined[: RATE // 2]), abs=0.3)


def test_the_loudest_stretch_holds_the_event() -> None:
    audio = noise(4.0, 0.01)
    audio[3 * RATE : 3 * RATE + 800] += tone(700.0, 0.05, 0.9)
    kept = mixing.loudest_stretch(audio, 2 * RATE)
    assert len(kept) == 2 * RATE
    assert np.abs(kept).max() == np.abs(audio).max()
    assert mixing.loudest_stretch(audio, 9 * RATE) is audio
