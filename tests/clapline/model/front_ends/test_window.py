from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import ClapFeatureExtractor

from clapline.errors import UserError
from clapline.model.front_ends.window import fit
from clapline.params.features import Features
from clapline.randomness import generator

RAMP = np.arange(1, 11, dtype=np.float32)


def settings(samples: int, **others) -> Features:
    return Features(duration_s=samples / 16000, **others)


def test_short_clips_repeat_to_the_end():
    samples, valid = fit(RAMP, settings(25))
    assert samples.tolist() == [*range(1, 11), *range(1, 11), *range(1, 6)]
    assert valid == 1.0


def test_whole_repeats_and_then_silence_that_is_heard():
    samples, valid = fit(RAMP, settings(25, short="repeat_pad"))
    assert samples.tolist() == [*range(1, 11), *range(1, 11), 0, 0, 0, 0, 0]
    assert valid == 1.0


@pytest.mark.parametrize("length", [1, 1599, 4801, 239999, 240000, 479999, 480000])
def test_under_clap_the_waveform_is_the_extractors(length, monkeypatch):
    extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    heard = []
    monkeypatch.setattr(extractor, "_np_extract_fbank_features", lambda waveform, _: heard.append(waveform) or waveform)
    waveform = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    extractor(waveform, sampling_rate=48000)
    samples, valid = fit(waveform, Features(kind="clap"))
    assert np.array_equal(samples, heard[0])
    assert valid == 1.0


def test_zeros_fill_what_a_short_clip_leaves():
    samples, valid = fit(RAMP, settings(25, short="zero"))
    assert samples.tolist() == [*range(1, 11), *[0] * 15]
    assert valid == 10 / 25


@pytest.mark.parametrize("kind", ["log_mel", "clap", "passt", "atst", "ast"])
def test_long_clips_are_cut_in_their_middle(kind):
    features = Features(kind=kind, sample_rate_hz=32000, duration_s=0.1, maximum_hz=8000.0)
    waveform = np.arange(features.samples + 7, dtype=np.float32)
    samples, valid = fit(waveform, features)
    assert np.array_equal(samples, waveform[3 : 3 + features.samples])
    assert valid == 1.0


def test_random_crops_come_from_the_generator_and_reach_both_ends():
    features = settings(8)
    starts = [int(fit(RAMP, features, generator(0, "teacher", clip))[0][0]) for clip in range(60)]
    assert starts == [int(fit(RAMP, features, generator(0, "teacher", clip))[0][0]) for clip in range(60)]
    assert set(starts) == {1, 2, 3}


@given(length=st.integers(1, 90), short=st.sampled_from(["repeat", "zero"]))
def test_length_type_and_share_are_kept_and_nothing_is_made_up(length, short):
    features = Features(sample_rate_hz=4000, duration_s=0.01, short=short, maximum_hz=2000.0)
    waveform = np.random.default_rng(length).uniform(0.1, 1, length)
    samples, valid = fit(waveform, features, np.random.default_rng(0))
    assert samples.dtype == np.float32
    assert len(samples) == features.samples == 40
    assert np.count_nonzero(samples) == round(valid * 40)
    assert not samples[round(valid * 40) :].any()
    assert set(samples[samples > 0]) <= set(waveform.astype(np.float32))


def test_an_empty_clip_is_refused():
    with pytest.raises(UserError, match="without samples"):
        fit(RAMP[:0], settings(4))


@pytest.mark.parametrize("shape", [(), (1, 10), (10, 1), (2, 10), (10, 2), (0, 2)])
def test_only_one_channel_is_heard(shape):
    with pytest.raises(UserError, match="mix down first"):
        fit(np.zeros(shape, dtype=np.float32), settings(25))


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8, np.bool_, np.complex64])
def test_only_numbers_scaled_to_one_are_heard(kind):
    with pytest.raises(UserError, match=rf"got {np.dtype(kind)}: scale to \[-1, 1\] first"):
        fit(RAMP.astype(kind), settings(25))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("values", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]])
def test_a_value_that_is_no_number_is_refused_wherever_it_stands(kind, values):
    for place in (0, 5, 10 - len(values)):
        waveform = RAMP.astype(kind)
        waveform[place : place + len(values)] = values
        with pytest.raises(UserError, match="not a number"):
            fit(waveform, settings(4))


def test_finite_values_with_a_sum_beyond_all_numbers_are_heard():
    loud = np.full(10, np.finfo(np.float32).max)
    assert np.array_equal(fit(loud, settings(10))[0], loud)


def test_a_double_that_single_precision_cannot_hold_is_refused():
    with pytest.raises(UserError, match="infinite"):
        fit(np.full(10, 1e300), settings(10))
