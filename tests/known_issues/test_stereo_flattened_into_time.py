"""Trap: a stereo file is flattened, so that its channels are heard one after the other; or a rate is taken on trust.

msclap reshapes `(channels, samples)` to one row: 6 s of stereo become 12 s, of which 7 s are then drawn at random. And
its reader names the rate that was asked for, also where nothing was resampled.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from clapline.audio.decode import read_mono
from clapline.audio.shards import ShardReader, ShardWriter
from clapline.datasets.card import RawClip
from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.model.encode import check_sample_rate, clip_features
from clapline.params.machine import Machine
from clapline.params.model import Model
from clapline.params.prepare import Prepare
from stages.prepare.clip import make_clip
from stages.train.clip_inputs import StreamedWaveforms

LEFT_HZ, RIGHT_HZ = 500, 2000
MODEL = {
    "features": {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0},
    "audio": {"channels": [4, 8]},
    "text": {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 100},
    "head": {"dimension": 8},
}


def tone(frequency_hz: float, rate_hz: int, duration_s: float = 2.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(rate_hz * duration_s)) / rate_hz)).astype("float32")


def level(samples: np.ndarray, frequency_hz: float, rate_hz: int) -> float:
    """Return the amplitude of a tone in the samples."""
    phases = np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz)
    return float(2 * abs(samples @ phases) / len(samples))


def flattened(path: Path) -> np.ndarray:
    """What msclap makes of a file: `(channels, samples)` as one row."""
    return soundfile.read(path, dtype="float32")[0].T.reshape(-1)


def made(path: Path, rate_hz: int) -> np.ndarray:
    """What the stage prepare makes of a file."""
    settings = Prepare(sample_rate_hz=rate_hz)
    clip = make_clip("toy", RawClip("a", Path(path.name)), path.parent, settings)
    samples, written_hz = soundfile.read(io.BytesIO(clip.flac), dtype="float32")
    assert written_hz == rate_hz
    assert clip.duration_s == pytest.approx(len(samples) / rate_hz)
    return samples


@pytest.mark.parametrize("ending", ["wav", "flac"])
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_both_channels_are_heard_at_once_and_for_as_long_as_they_last(tmp_path, ending, rate_hz):
    path = tmp_path / f"stereo.{ending}"
    soundfile.write(path, np.stack([tone(LEFT_HZ, rate_hz), tone(RIGHT_HZ, rate_hz)], axis=1), rate_hz)
    theirs, ours = flattened(path), made(path, 16000)
    assert len(theirs) == 4 * rate_hz
    first, second = np.split(theirs, 2)
    assert level(first, RIGHT_HZ, rate_hz) == pytest.approx(0, abs=0.01)
    assert level(second, LEFT_HZ, rate_hz) == pytest.approx(0, abs=0.01)

    assert ours.shape == (2 * 16000,)
    for half in np.split(ours, 2):
        assert level(half, LEFT_HZ, 16000) == pytest.approx(0.25, rel=0.02)  # a mean: each channel at half its level
        assert level(half, RIGHT_HZ, 16000) == pytest.approx(0.25, rel=0.02)


def test_six_channels_are_mixed_too(tmp_path):
    tones = [tone(500 + 250 * number, 16000) for number in range(6)]
    soundfile.write(tmp_path / "surround.wav", np.stack(tones, axis=1), 16000)
    samples = read_mono(tmp_path / "surround.wav", 16000, 10.0)
    np.testing.assert_allclose(samples, np.mean(tones, axis=0), atol=1e-4)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000])
def test_a_file_at_another_rate_is_resampled(tmp_path, rate_hz):
    """Taken as if it had the target's rate, 48 kHz would last three times as long, a third as high."""
    soundfile.write(tmp_path / "a.wav", tone(LEFT_HZ, rate_hz), rate_hz)
    samples = made(tmp_path / "a.wav", 16000)
    assert samples.shape == (2 * 16000,)
    assert level(samples, LEFT_HZ, 16000) == pytest.approx(0.5, rel=0.02)
    assert level(samples, LEFT_HZ * 16000 / rate_hz, 16000) == pytest.approx(0, abs=0.01)


def packed(folder: Path, rate_hz: int) -> pd.DataFrame:
    """Return a clip table of one clip, prepared at a rate."""
    soundfile.write(folder / "a.wav", tone(LEFT_HZ, rate_hz), rate_hz)
    clip = make_clip("toy", RawClip("a", Path("a.wav")), folder, Prepare(sample_rate_hz=rate_hz))
    with ShardWriter(folder / "00000.tar") as writer:
        place = writer.add("a", clip.flac)
    row = {"dataset": "toy", "clip_id": "a", "shard": str(folder / place.shard), "offset": place.offset}
    row |= {"nbytes": place.nbytes, "sha256": place.sha256, "sample_rate_hz": rate_hz, "duration_s": clip.duration_s}
    return pd.DataFrame([row])


@pytest.fixture(scope="module")
def clap() -> Clap:
    torch.manual_seed(0)
    return Clap.new(Model.model_validate(MODEL), ["a dog barks", "rain"])


def test_clips_prepared_at_another_rate_are_refused_by_a_model(tmp_path, clap):
    clips, machine = packed(tmp_path, 16000), Machine(device="cpu", progress=False)
    for hear in (
        lambda: check_sample_rate(clips, clap.settings.features),
        lambda: clip_features(clap.front_end, clips, machine, "clips"),
        lambda: StreamedWaveforms(clips, clap.settings.features),
    ):
        with pytest.raises(UserError, match=r"prepared at \[16000\] Hz but the model expects 8000 Hz"):
            hear()


def test_or_resampled_where_the_settings_say_so(tmp_path, clap):
    clips = packed(tmp_path, 16000)
    features = clap.settings.features.model_copy(update={"resample_from_hz": 16000})
    heard = StreamedWaveforms(clips, features).inputs([0], 0).waveforms[0].numpy()
    assert heard.shape == (4000,)  # half a second at 8 kHz
    assert level(heard, LEFT_HZ, 8000) == pytest.approx(0.5, rel=0.02)
    assert len(ShardReader().read(next(clips.itertuples()))) == 32000


def test_waveforms_in_memory_are_mono_and_at_the_models_rate_or_refused(clap):
    stereo = np.stack([tone(LEFT_HZ, 8000), tone(RIGHT_HZ, 8000)])
    for waveform in (stereo, stereo.T):
        with pytest.raises(UserError, match="must be mono"):
            clap.encode_waveforms([waveform], 8000)
    with pytest.raises(UserError, match="hears 8000 Hz, got 48000 Hz"):
        clap.encode_waveforms([stereo[0]], 48000)
    assert clap.encode_waveforms([stereo.mean(axis=0)], 8000).shape == (1, 8)
