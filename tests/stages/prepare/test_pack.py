"""Packing a dataset: bad items are set aside with reasons, and neither bytes nor rows depend on the workers."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clapline.audio.shards import ShardReader
from clapline.datasets.card import BadItem, RawClip
from clapline.errors import UserError
from clapline.params.machine import Machine
from clapline.params.prepare import Prepare
from clapline.tables.clips import CLIPS, REJECTS
from stages.prepare.pack import packed

ROOT = Path(__file__).resolve().parents[3]


def tone(rate_hz, duration_s, frequency_hz=440, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(rate_hz * duration_s)) / rate_hz)


@pytest.fixture
def faulty(tmp_path):
    """A raw folder with one good item of each sort and one of each fault."""
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(0)
    soundfile.write(raw / "good.wav", tone(16000, 1.0), 16000)
    soundfile.write(raw / "stereo.flac", np.stack([tone(96000, 2.0, 1000), tone(96000, 2.0, 3000)], axis=1), 96000)
    soundfile.write(raw / "long.ogg", tone(22050, 30.0), 22050)
    soundfile.write(raw / "cut.flac", rng.uniform(-0.5, 0.5, 48000), 16000)
    data = (raw / "cut.flac").read_bytes()
    (raw / "cut.flac").write_bytes(data[: len(data) // 2])
    (raw / "zero.wav").touch()
    soundfile.write(raw / "nan.wav", np.array([0.1] * 8000 + [np.nan]), 16000, subtype="FLOAT")
    soundfile.write(raw / "silence.wav", np.zeros(16000), 16000)
    soundfile.write(raw / "short.wav", tone(16000, 0.05), 16000)
    soundfile.write(raw / "nothing.wav", np.zeros(0), 16000)
    (raw / "text.wav").write_text("no sound at all")
    return raw


def items_of(raw):
    files = sorted(path.name for path in raw.iterdir())
    yield from (RawClip(clip_id=name, path=Path(name), label="x", fold=3) for name in [*files, "missing.wav"])
    yield BadItem("meta.csv:7", "names no file")
    yield RawClip(clip_id="words", path=None, captions=("a dog barks",))


def test_faults_are_set_aside_and_good_items_go_on(faulty, tmp_path):
    (tmp_path / "clips").mkdir()
    rows, rejects = packed(
        "mixed", items_of(faulty), faulty, tmp_path / "clips", "clips", Prepare(), Machine(workers=1)
    )
    CLIPS.write(tmp_path / "clips.parquet", CLIPS.frame(rows))
    REJECTS.write(tmp_path / "rejects.parquet", REJECTS.frame(rejects))
    clips = CLIPS.read(tmp_path / "clips.parquet").set_index("clip_id", drop=False)
    assert list(clips.index) == ["good.wav", "long.ogg", "stereo.flac", "words"]
    assert clips["duration_s"].tolist() == [1.0, 10.0, 2.0, 0.0]
    reasons = {reject["path"]: reject["reason"].split(":")[0] for reject in rejects}
    assert reasons == {
        "cut.flac": "unreadable or truncated",
        "meta.csv:7": "names no file",
        "missing.wav": "missing file",
        "nan.wav": "samples that are not finite (NaN or infinite)",
        "nothing.wav": "too short",
        "short.wav": "too short",
        "silence.wav": "silence",
        "text.wav": "unreadable or truncated",
        "zero.wav": "empty file (0 bytes)",
    }
    words = clips.loc["words"]
    assert (words["shard"], words["nbytes"], words["captions"]) == ("", 0, ["a dog barks"])
    samples = ShardReader(tmp_path).read(next(clips[clips["clip_id"] == "stereo.flac"].itertuples()))
    spectrum = np.abs(np.fft.rfft(samples)) / len(samples) * 2
    assert spectrum[2000] == pytest.approx(0.25, rel=0.02)  # 1 kHz of the left channel at half its level
    assert spectrum[6000] == pytest.approx(0.25, rel=0.02)


def test_all_bad_is_an_error(faulty, tmp_path):
    items = [RawClip(clip_id="a", path=Path("zero.wav")), BadItem("b", "gone")]
    (tmp_path / "clips").mkdir()
    with pytest.raises(UserError, match=r"no usable clip: 2 items set aside; the first: zero\.wav"):
        packed("bad", items, faulty, tmp_path / "clips", "clips", Prepare(), Machine(workers=1))


def test_an_id_that_stands_there_twice_is_an_error(faulty, tmp_path):
    items = [RawClip(clip_id="a", path=Path("good.wav"))] * 2
    (tmp_path / "clips").mkdir()
    with pytest.raises(UserError, match="'a' stands there twice"):
        packed("twice", items, faulty, tmp_path / "clips", "clips", Prepare(), Machine(workers=1))


@pytest.mark.parametrize(
    "settings", [Prepare(shard_size_mb=1), Prepare(shard_size_mb=1, quantisation_bits=8, trim_silence_db=40.0)]
)
def test_workers_change_no_byte(tmp_path, settings):
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(3)
    for number in range(50):
        samples = rng.uniform(-0.5, 0.5, 30000 + 100 * number)
        soundfile.write(raw / f"{number:02d}.wav", samples, 22050 if number % 2 else 16000)
    (raw / "17.wav").write_bytes(b"")
    results = []
    for workers in (1, 2, 3):
        folder = tmp_path / f"workers{workers}"
        folder.mkdir()
        items = (RawClip(clip_id=path.stem, path=Path(path.name)) for path in sorted(raw.iterdir()))
        rows, rejects = packed("some", items, raw, folder, "data/clips/some", settings, Machine(workers=workers))
        results.append((rows, rejects, [path.read_bytes() for path in sorted(folder.iterdir())]))
    assert results[0] == results[1] == results[2]
    assert len(results[0][0]) == 49
    assert len(results[0][2]) > 1


def test_a_failed_run_leaves_the_old_clips_and_no_litter(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "datasets: {mine: {kind: folder, path: x}}\nprepare: {}\nmachine: {workers: 1}\n"
    )
    raw = tmp_path / "data/raw/mine"
    (raw / "audio").mkdir(parents=True)
    (raw / "left_out.json").write_text("[]")
    soundfile.write(raw / "audio/a.wav", tone(16000, 1.0), 16000)

    def prepare():
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "stages.prepare", "mine"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    # What a killed run leaves behind is swept away.
    (tmp_path / "data/clips/.mine.1.abc.part").mkdir(parents=True)
    done = prepare()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "prepare mine: 1 clips, 0.00 h; 0 items set aside\n"
    shard = tmp_path / "data/clips/mine/00000.tar"
    before = shard.read_bytes()
    (raw / "audio/a.wav").write_bytes(b"")
    failed = prepare()
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "no usable clip" in failed.stderr
    assert shard.read_bytes() == before
    assert [path.name for path in (tmp_path / "data/clips").iterdir()] == ["mine"]


def test_a_killed_run_loses_nothing_and_leaves_no_worker(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "datasets: {mine: {kind: folder, path: x}}\nprepare: {}\nmachine: {workers: 2}\n"
    )
    raw = tmp_path / "data/raw/mine"
    (raw / "audio").mkdir(parents=True)
    (raw / "left_out.json").write_text("[]")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 960000)
    soundfile.write(raw / "audio/000.flac", noise, 96000)
    for number in range(1, 400):
        os.link(raw / "audio/000.flac", raw / f"audio/{number:03d}.flac")
    old = tmp_path / "data/clips/mine/00000.tar"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"finished before")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Every process of the run holds the writing end of the pipe: reading ends when the last of them has ended.
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.prepare", "mine"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    )
    while not any(path.stat().st_size for path in tmp_path.glob("data/clips/.mine.*.part/*.tar")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    assert process.stdout.read() == b""
    process.wait()
    assert old.read_bytes() == b"finished before"
    assert not (tmp_path / "data/index").exists()
