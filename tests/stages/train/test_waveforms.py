from __future__ import annotations

import numpy as np
import pytest

from clapline.params.training import Augmentation
from stages.train.waveforms import Plan, changed, planned, with_background

RATE = 8000
TONE = (0.3 * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)).astype(np.float32)


def plans(settings: dict, count: int = 400, m: int = 0, seed: int = 0) -> list[Plan]:
    values = Augmentation.model_validate(settings)
    return [planned(values, seed, "student", m, place, count) for place in range(count)]


def make(plan: Plan, waveform: np.ndarray = TONE, seed: int = 0) -> np.ndarray:
    return changed(waveform, plan, RATE, np.random.default_rng(seed))


def loudest_hz(waveform: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(waveform)).argmax() * RATE / len(waveform))


def test_everything_off_is_no_change():
    assert set(plans({})) == {Plan()}
    assert make(Plan()) is TONE


@pytest.mark.parametrize(
    ("settings", "field", "low", "high", "share"),
    [
        ({"effects": {"gaussian_noise": 0.5}}, "noise", 0.001, 0.015, 0.5),
        ({"effects": {"time_stretch": 0.3}}, "speed", 0.8, 1.25, 0.3),
        ({"effects": {"pitch_shift": 1.0}}, "semitones", -4.0, 4.0, 1.0),
        ({"time_shift_s": 0.5}, "shift_s", -0.5, 0.5, 1.0),
    ],
)
def test_each_knob_draws_within_its_bounds_as_often_as_it_says(settings, field, low, high, share):
    drawn = [getattr(plan, field) for plan in plans(settings)]
    moved = np.array([value for value in drawn if value != getattr(Plan(), field)])
    assert len(moved) / len(drawn) == pytest.approx(share, abs=0.08)
    assert moved.min() >= low
    assert moved.max() <= high
    assert np.ptp(moved) > 0.8 * (high - low)
    others = {name for plan in plans(settings) for name in vars(plan) if getattr(plan, name) != getattr(Plan(), name)}
    assert others == {field}


def test_a_background_is_another_clip_of_the_batch():
    drawn = plans({"mixing": 0.4})
    mixed = {place: plan.background for place, plan in enumerate(drawn) if plan.background is not None}
    assert len(mixed) / len(drawn) == pytest.approx(0.4, abs=0.08)
    assert all(0 <= other < 400 and other != place for place, other in mixed.items())


def test_draws_depend_on_seed_step_and_place_and_on_no_other_knob():
    effects = {"effects": {"pitch_shift": 1.0}}
    assert plans(effects) == plans(effects)
    assert plans(effects) != plans(effects, m=1)
    assert plans(effects) != plans(effects, seed=1)
    more = {"effects": {"pitch_shift": 1.0, "gaussian_noise": 1.0}, "mixing": 1.0}
    assert [plan.semitones for plan in plans(effects)] == [plan.semitones for plan in plans(more)]


def test_pitch_moves_and_the_length_stays():
    made = make(Plan(semitones=4.0))
    assert len(made) == len(TONE)
    assert loudest_hz(made) == pytest.approx(1000 * 2 ** (4 / 12), rel=0.02)


def test_speed_changes_the_length_and_the_pitch_stays():
    made = make(Plan(speed=1.25))
    assert len(made) == round(len(TONE) / 1.25)
    assert loudest_hz(made) == pytest.approx(1000, rel=0.02)


def test_noise_has_its_amplitude():
    made = make(Plan(noise=0.01)) - TONE
    assert made.std() == pytest.approx(0.01, rel=0.05)
    assert made.dtype == np.float32
    assert not np.array_equal(make(Plan(noise=0.01), seed=1), make(Plan(noise=0.01), seed=2))


def test_a_shift_in_time_wraps_round():
    ramp = np.arange(RATE, dtype=np.float32)
    assert np.array_equal(make(Plan(shift_s=0.25), ramp), np.roll(ramp, 2000))


def test_a_background_lies_as_far_below_as_it_says_and_the_clip_keeps_its_level():
    random = np.random.default_rng(0)
    background = random.normal(0, 0.2, RATE).astype(np.float32)
    made = with_background(TONE[:RATE], background, 10.0)
    added = made - TONE[:RATE]
    ratio = np.sqrt(np.mean(TONE[:RATE] ** 2) / np.mean(added**2))
    assert 20 * np.log10(ratio) == pytest.approx(10.0, abs=0.01)
    short = with_background(TONE, background, 10.0)
    assert np.array_equal(short[RATE:], TONE[RATE:])


def test_silence_takes_no_background_and_gives_none():
    silence = np.zeros(RATE, dtype=np.float32)
    assert np.array_equal(with_background(silence, TONE, 10.0), silence)
    assert np.array_equal(with_background(TONE, silence, 10.0), TONE)


def test_a_sum_beyond_full_scale_is_scaled_down():
    loud = np.sign(TONE) * np.float32(0.99)
    made = with_background(loud, TONE[::-1].copy(), 3.0)
    assert np.abs(made).max() == pytest.approx(1.0)
