"""The folder of embeddings: what is written is read, by any rows; a damaged folder is refused in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file

from clapline.embeddings import read_embeddings, write_embeddings, write_matrix
from clapline.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
CLIPS, CAPTIONS, DIMENSION = 11, 7, 6


def unit(rows: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, DIMENSION)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


AUDIO, TEXT = unit(CLIPS, 0), unit(CAPTIONS, 1)
AUDIO_IDS = pa.table({"dataset": ["toy"] * CLIPS, "clip_id": [f"{row:02d}" for row in range(CLIPS)]})
TEXT_IDS = pa.table(
    {
        "dataset": ["toy"] * CAPTIONS,
        "clip_id": [f"{row // 2:02d}" for row in range(CAPTIONS)],
        "caption_index": pa.array([row % 2 for row in range(CAPTIONS)], pa.int32()),
        "text": [f"sound {row}" for row in range(CAPTIONS)],
    }
)


def written(folder: Path, precision: str = "fp32", rows_per_shard: int = 4, clips: int = CLIPS) -> Path:
    with write_embeddings(folder, precision) as writer:
        for start in range(0, clips, rows_per_shard):
            ids = AUDIO_IDS.slice(start, rows_per_shard)
            writer.add("audio", ids, AUDIO[start : start + len(ids)])
        for start in range(0, CAPTIONS, rows_per_shard):
            ids = TEXT_IDS.slice(start, rows_per_shard)
            writer.add("text", ids, TEXT[start : start + len(ids)])
    return folder


@pytest.mark.parametrize("rows_per_shard", [1, 4, 100])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_any_rows_are_those_of_the_whole_matrix(tmp_path, precision, rows_per_shard):
    folder = written(tmp_path / "e", precision, rows_per_shard)
    stored = np.float16 if precision == "fp16" else np.float32
    for side, expected, ids in (("audio", AUDIO, AUDIO_IDS), ("text", TEXT, TEXT_IDS)):
        expected = expected.astype(stored).astype(np.float32)
        found = read_embeddings(folder, side)
        assert found.shape == expected.shape
        assert len(found) == len(expected)
        assert found.matrix().dtype == np.float32
        assert (found.matrix() == expected).all()
        assert found.ids().equals(ids)
        for start in range(-2, len(expected) + 2):
            for stop in range(-2, len(expected) + 3):
                assert np.array_equal(found[start:stop], expected[start:stop])
        drawn = np.random.default_rng(2)
        for count in (0, 1, 5, 40):
            places = drawn.integers(0, len(expected), count)
            assert np.array_equal(found[places], expected[places])
    assert load_file(folder / "audio/00000.safetensors")["embeddings"].dtype == stored


def test_places_that_are_no_rows_are_refused(tmp_path):
    found = read_embeddings(written(tmp_path / "e"), "audio")
    for places in ([-1], [CLIPS], [0.5], [[0]]):
        with pytest.raises(IndexError):
            found[np.array(places)]
    with pytest.raises(ValueError, match="steps of 1"):
        found[::2]


def test_without_clips_the_dimension_is_that_of_the_captions(tmp_path):
    folder = written(tmp_path / "e", clips=0)
    found = read_embeddings(folder, "audio")
    assert found.shape == found.matrix().shape == (0, DIMENSION)
    assert found[np.array([], int)].shape == (0, DIMENSION)
    assert found.ids().equals(AUDIO_IDS.slice(0, 0))
    assert json.loads((folder / "embeddings.json").read_text()) == {
        "dimension": DIMENSION,
        "precision": "fp32",
        "audio": {"rows": 0, "shards": 0},
        "text": {"rows": CAPTIONS, "shards": 2},
    }


def test_a_file_becomes_a_shard_and_stays_what_it_was(tmp_path):
    write_matrix(tmp_path / "some", AUDIO, "fp16")
    before = (tmp_path / "some").read_bytes()
    with write_embeddings(tmp_path / "e", "fp16") as writer:
        writer.add_file("audio", AUDIO_IDS, tmp_path / "some")
    assert (read_embeddings(tmp_path / "e", "audio").matrix() == AUDIO.astype(np.float16)).all()
    written(tmp_path / "e")
    assert (tmp_path / "some").read_bytes() == before


def test_ids_that_do_not_fit_are_never_written(tmp_path):
    wrong = {
        "11 ids for 10": (AUDIO_IDS, AUDIO[1:]),
        "0 ids for 0": (AUDIO_IDS.slice(0, 0), AUDIO[:0]),
        "not sorted by dataset, clip_id": (AUDIO_IDS.take(pa.array([1, 0])), AUDIO[:2]),
    }
    for match, (ids, embeddings) in wrong.items():
        with pytest.raises(ValueError, match=match), write_embeddings(tmp_path / "e", "fp32") as writer:
            writer.add("audio", ids, embeddings)
    with pytest.raises(ValueError), write_embeddings(tmp_path / "e", "fp32") as writer:
        writer.add("audio", AUDIO_IDS.slice(0, 1), AUDIO[:1])
        writer.add("audio", AUDIO_IDS.slice(1, 1), AUDIO[:1, 1:])
    assert not list(tmp_path.iterdir())


def refused(folder: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        read_embeddings(folder, "audio").ids()
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_what_is_missing_is_named_with_the_stage_that_makes_it(tmp_path):
    refused(tmp_path / "e", r"embeddings\.json: no such file; run the stage embed")
    for name in ("embeddings.json", "audio/00001.safetensors", "audio/00001.parquet"):
        folder = written(tmp_path / "e")
        (folder / name).unlink()
        refused(folder, rf"{name}: no such file; run the stage embed")


@pytest.mark.parametrize("suffix", ["safetensors", "parquet"])
def test_a_file_cut_short_is_refused_wherever_the_cut(tmp_path, suffix):
    folder = written(tmp_path / "e")
    file = folder / f"audio/00001.{suffix}"
    whole = file.read_bytes()
    for kept in {*range(0, len(whole), 7), len(whole) - 1}:
        file.write_bytes(whole[:kept])
        refused(folder, rf"00001\.{suffix} is damaged")
    if suffix == "safetensors":
        file.write_bytes(whole + b"0")
        refused(folder, "is damaged")


def test_a_damaged_byte_of_the_ids_or_of_a_header_is_refused(tmp_path):
    folder = written(tmp_path / "e")
    ids = folder / "audio/00001.parquet"
    data = bytearray(ids.read_bytes())
    data[8] ^= 255
    ids.write_bytes(data)
    refused(folder, r"00001\.parquet is no Parquet table")
    folder = written(tmp_path / "e")
    matrix = folder / "audio/00001.safetensors"
    whole = matrix.read_bytes()
    for place, byte in ((2, 255), (7, 255), (8, 0), (12, 255), (20, ord("9"))):
        data = bytearray(whole)
        data[place] = byte
        matrix.write_bytes(data)
        refused(folder, "is damaged")


def test_shards_that_do_not_fit_each_other_are_refused(tmp_path):
    folder = written(tmp_path / "e")
    file = folder / "audio/00001.safetensors"
    write_matrix(file, AUDIO[:3], "fp32")
    refused(folder, "differ in number: 3 and 4")
    write_matrix(file, AUDIO[:4, 1:], "fp32")
    refused(folder, "5 dimensions, but .* says 6")
    save_file({"audio": AUDIO[:4]}, file)
    refused(folder, "no shard of embeddings")
    save_file({"embeddings": AUDIO[:4].astype(np.float64)}, file)
    refused(folder, "no shard of embeddings")
    folder = written(tmp_path / "e")
    index = folder / "embeddings.json"
    counts = json.loads(index.read_text())
    index.write_text(json.dumps(counts | {"audio": {"rows": CLIPS, "shards": 2}}))
    refused(folder, "8 rows, but .* says 11")
    for damaged in ("{", "[]", "{}", json.dumps(counts | {"dimension": "6"}), json.dumps(counts | {"audio": 3})):
        index.write_text(damaged)
        refused(folder, r"embeddings\.json is damaged")


MEASURED = """
import sys
import numpy as np
from clapline.embeddings import read_embeddings

def private():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

found = read_embeddings(sys.argv[1], "audio")
before = private()
for start in range(0, len(found), 1000):
    found[start : start + 1000]
found[np.arange(0, len(found), 100)]
print(private() - before, "torch" in sys.modules)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is of Linux")
def test_memory_holds_what_is_asked_for_and_reading_needs_no_torch(tmp_path):
    rows, dimension = 60_000, 256
    big = np.zeros((rows // 3, dimension), np.float32)
    with write_embeddings(tmp_path / "e", "fp32") as writer:
        for shard in range(3):
            ids = [f"{row:06d}" for row in range(shard * len(big), (shard + 1) * len(big))]
            writer.add("audio", pa.table({"dataset": ["toy"] * len(ids), "clip_id": ids}), big)
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "e")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    held, torch = run.stdout.split()
    assert int(held) < rows * dimension * 4 / 5  # the whole matrix is 61 MB
    assert torch == "False"
    shutil.rmtree(tmp_path / "e")
