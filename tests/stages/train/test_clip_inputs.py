from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from clapline.errors import UserError
from clapline.model.front_ends import build_front_end
from clapline.model.front_ends.window import fit
from clapline.model.inputs import valid_positions
from clapline.params.features import Features
from clapline.params.training import Augmentation
from stages.train.augment import ready
from stages.train.clip_inputs import CachedFeatures, StreamedWaveforms, cut_to
from tests.stages.train.conftest import written_clips

RATE = 8000
SMALL = {"duration_s": 1.0, "sample_rate_hz": RATE, "maximum_hz": 3500.0, "mel_bands": 16, "short": "zero"}
FEATURES = Features.model_validate(SMALL)
EVERYTHING = {"mixing": 0.5, "time_shift_s": 0.3, "effects": {"gaussian_noise": 0.5, "pitch_shift": 0.5}}


def sounds(lengths_s: list[float], rate_hz: int = RATE) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(0, 0.1, round(seconds * rate_hz)).clip(-1, 1) for seconds in lengths_s]


@pytest.fixture
def clips(tmp_path: Path) -> pd.DataFrame:
    return written_clips(tmp_path, sounds([0.4, 1.0, 0.7, 2.5, 0.2, 1.8]))


def streamed(clips: pd.DataFrame, changes: dict | None = None, features: Features = FEATURES) -> StreamedWaveforms:
    return StreamedWaveforms(clips, features, Augmentation.model_validate(changes or {}), 0, "student")


def test_without_augmentation_streamed_clips_are_the_cached_ones(clips: pd.DataFrame):
    """Of clips that are no longer than what is heard: a longer one is cropped at random, as the next test has it."""
    front_end = build_front_end(FEATURES)
    rows = [0, 1, 2, 4]
    fitted = [fit(sound.astype(np.float32), FEATURES) for sound in sounds([0.4, 1.0, 0.7, 2.5, 0.2, 1.8])]
    waveforms = torch.from_numpy(np.stack([samples for samples, _ in fitted]))
    valid = torch.tensor([share for _, share in fitted], dtype=torch.float32)
    cached = CachedFeatures(front_end(waveforms).half(), valid, cut=True)
    read = streamed(clips)
    for batch in (rows, [0, 4]):
        one = ready(cached.inputs(batch, 3), front_end, Augmentation(), None, 0.0, 0, "student", 3)
        other = read.inputs(batch, 3)
        heard = read.heard(batch, 3)
        assert heard == pytest.approx(cached.heard(batch, 3))
        other = ready(other, front_end, Augmentation(), None, 0.0, 0, "student", 3, heard=heard)
        assert one.features.shape == other.features.shape
        assert torch.allclose(one.valid, other.valid, atol=1e-6)
        # 16 bits of FLAC, half precision of the cache.
        assert torch.allclose(one.features, other.features, atol=0.03)


def test_long_clips_are_cropped_at_random_in_training_and_in_the_middle_without(clips: pd.DataFrame):
    made = [streamed(clips).inputs([3, 5], m).waveforms for m in (0, 0, 1)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    twice = streamed(clips).inputs([3, 3], 0).waveforms
    assert not torch.equal(twice[0], twice[1])
    still = StreamedWaveforms(clips, FEATURES).inputs([3], 0).waveforms
    wanted, _ = fit(sounds([0.4, 1.0, 0.7, 2.5])[3].astype(np.float32), FEATURES)
    assert torch.allclose(still[0], torch.from_numpy(wanted), atol=1e-4)
    assert torch.equal(still, StreamedWaveforms(clips, FEATURES).inputs([1, 3], 5).waveforms[1:])


def test_a_long_clip_that_is_sped_up_is_still_heard_to_the_end(clips: pd.DataFrame):
    faster = streamed(clips, {"effects": {"time_stretch": 1.0}})
    for m in range(10):
        made = faster.inputs([3], m)
        assert made.valid.tolist() == [1.0]
        assert made.waveforms[0, -100:].any()


@pytest.mark.parametrize("changes", [{}, EVERYTHING, {"mixing": 1.0}, {"effects": {"time_stretch": 1.0}}])
def test_shares_of_a_batch_make_the_batch(clips: pd.DataFrame, changes: dict):
    rows = [3, 0, 2, 5, 4, 1, 3, 3]
    whole = streamed(clips, changes).inputs(rows, 2)
    for world in (2, 4):
        parts = [streamed(clips, changes).inputs(rows, 2, first, 8 // world) for first in range(0, 8, 8 // world)]
        assert torch.equal(torch.cat([part.waveforms for part in parts]), whole.waveforms)
        assert torch.equal(torch.cat([part.valid for part in parts]), whole.valid)


def test_a_reader_in_another_process_reads_the_same(clips: pd.DataFrame):
    one = streamed(clips, EVERYTHING)
    expected = one.inputs([0, 3], 1)
    other = pickle.loads(pickle.dumps(one)).inputs([0, 3], 1)
    assert torch.equal(expected.waveforms, other.waveforms)


@pytest.mark.parametrize(
    "changes",
    [
        {"mixing": 1.0},
        {"time_shift_s": 0.3},
        {"effects": {"gaussian_noise": 1.0}},
        {"effects": {"pitch_shift": 1.0}},
        {"effects": {"time_stretch": 1.0}},
    ],
)
def test_every_knob_changes_something_and_padding_stays_silent(clips: pd.DataFrame, changes: dict):
    rows = [0, 2, 4, 2]
    plain, made = streamed(clips).inputs(rows, 0), streamed(clips, changes).inputs(rows, 0)
    assert not torch.equal(plain.waveforms, made.waveforms)
    assert torch.equal(made.waveforms, streamed(clips, changes).inputs(rows, 0).waveforms)
    for samples, valid in zip(made.waveforms, made.valid.tolist(), strict=True):
        assert not samples[round(valid * RATE) :].any()
        assert samples[: round(valid * RATE)].any()
    assert streamed(clips, changes).heard(rows, 0) == pytest.approx(float(made.valid.max()), abs=1e-3)


def test_a_background_lies_as_far_below_as_it_says(clips: pd.DataFrame):
    rows, m = [1, 3, 5], 4
    plain = streamed(clips).inputs(rows, m).waveforms
    for below_db in (6.0, 20.0):
        made = streamed(clips, {"mixing": 1.0, "mixing_below_db": below_db}).inputs(rows, m).waveforms
        ratio = plain.square().mean(dim=1) / (made - plain).square().mean(dim=1)
        assert torch.allclose(10 * ratio.log10(), torch.full((3,), below_db), atol=0.05)


def test_a_background_of_the_same_clip_is_none(clips: pd.DataFrame):
    one = streamed(clips, {"mixing": 1.0}).inputs([1, 1], 0)
    assert torch.equal(one.waveforms, streamed(clips).inputs([1, 1], 0).waveforms)


def test_resampling_is_asked_for_or_refused(tmp_path: Path):
    tone = np.sin(2 * np.pi * 500 * np.arange(32000) / 16000)
    table = written_clips(tmp_path, [0.3 * tone], rate_hz=16000)
    with pytest.raises(UserError, match=r"16000.*expects 8000 Hz.*resample_from_hz"):
        streamed(table)
    asked = Features.model_validate({**SMALL, "resample_from_hz": 16000})
    waveform = streamed(table, features=asked).inputs([0], 0).waveforms[0].numpy()
    assert len(waveform) == RATE
    assert np.abs(np.fft.rfft(waveform)).argmax() == 500


def test_a_bad_clip_is_named(clips: pd.DataFrame):
    rotten = clips.copy()
    rotten.loc[1, "sha256"] = "0" * 64
    with pytest.raises(UserError, match="clip1"):
        streamed(rotten).inputs([0, 1], 0)
    noise = b"fLaC" + bytes(rotten.loc[2, "nbytes"] - 4)
    shard = Path(rotten.loc[2, "shard"])
    data = bytearray(shard.read_bytes())
    data[rotten.loc[2, "offset"] : rotten.loc[2, "offset"] + len(noise)] = noise
    shard.write_bytes(data)
    rotten.loc[2, "sha256"] = hashlib.sha256(noise).hexdigest()
    with pytest.raises(UserError, match=r"clip 'clip2' of toy is unreadable: File contains data"):
        streamed(rotten).inputs([2], 0)


def test_only_padding_is_cut_and_what_counts_stays():
    random = np.random.default_rng(0)
    for segments, frames in ((1, 101), (3, 40)):
        features = torch.from_numpy(random.normal(size=(5, segments, 4, frames))).float()
        valid = torch.from_numpy(random.uniform(0.05, 0.6, 5)).float()
        made, shares = cut_to(features, valid, float(valid.max()))
        assert made.shape[1] * made.shape[3] < segments * frames
        places = segments * frames
        kept = made.shape[1] * made.shape[3]
        assert torch.equal(valid_positions(valid, places).sum(dim=1), valid_positions(shares, kept).sum(dim=1))
        assert torch.equal(made, features[:, : made.shape[1], :, : made.shape[3]])
        whole, shares = cut_to(features, valid, 1.0)
        assert torch.equal(whole, features)
        assert torch.equal(shares, valid)


def test_cached_features_are_cut_only_when_asked():
    features, valid = torch.zeros(3, 3, 4, 10).half(), torch.tensor([0.2, 0.3, 1.0])
    assert CachedFeatures(features, valid).inputs([0, 1], 0).features.shape == (2, 3, 4, 10)
    cut = CachedFeatures(features, valid, cut=True)
    assert cut.inputs([0, 1], 0).features.shape == (2, 1, 4, 10)
    assert cut.inputs([0, 1, 2], 0, 0, 2).features.shape == (2, 3, 4, 10)  # the longest is another process's
