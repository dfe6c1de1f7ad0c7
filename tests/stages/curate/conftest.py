"""A small workspace on disk: clips in a shard, captions, truth, and a stand-in teacher that hears tags."""

from __future__ import annotations

import io
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from clapline.audio.shards import ShardWriter
from clapline.tables.clips import CLIPS, without_answers
from clapline.tables.labels import LABELS
from clapline.tables.truth import TRUTH

SOUNDS = ("dog", "rain", "siren", "bell")


def words_embedding(words: str, noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(words.encode()))
    row = np.array([float(name in words) for name in SOUNDS] + [0.05] * 4) + noise * rng.normal(size=8)
    return (row / np.linalg.norm(row)).astype(np.float32)


class StandIn:
    """Duck-typed Clap: a text is the sounds it names."""

    settings = types.SimpleNamespace(audio=types.SimpleNamespace(pooling="mean"), features=None)
    front_end = None

    @classmethod
    def from_pretrained(cls, folder):
        assert str(folder) == "models/teacher"
        return cls()

    def to(self, device):
        return self

    def encode_texts(self, texts):
        return np.stack([words_embedding(text) for text in texts])


def read_clip(reader, row, features):
    """What the stand-in hears of a clip is its embedding."""
    return words_embedding(row.clip_id, noise=0.1), 1.0


def clip_row(folder: Path, writer: ShardWriter, dataset: str, clip_id: str, split: str, captions: list[str]) -> dict:
    data = io.BytesIO()
    soundfile.write(data, np.random.default_rng(len(clip_id)).normal(size=800) * 0.1, 16000, format="FLAC")
    place = writer.add(clip_id, data.getvalue())
    return {
        "dataset": dataset, "clip_id": clip_id, "split": split, "shard": f"{folder.name}/{place.shard}",
        "offset": place.offset, "nbytes": place.nbytes, "sha256": place.sha256, "sample_rate_hz": 16000,
        "duration_s": 0.05, "captions": captions, "caption_tree": [], "tags": clip_id.split("-")[:-1], "label": None,
        "fold": None, "description": None, "source_id": None, "licence": None,
    }  # fmt: skip


@pytest.fixture
def curate_workspace(tmp_path, monkeypatch):
    """Chdir into a folder with params.yaml, roles and a stand-in teacher; return it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    shards = tmp_path / "shards"
    shards.mkdir()
    with ShardWriter(shards / "00000.tar") as writer:
        names = [f"{first}-{second}-{i}" for i, first in enumerate(SOUNDS) for second in SOUNDS if first < second]
        pool = [clip_row(shards, writer, "toy", f"{name}u", "pool", ["hidden"]) for name in names]
        paired = [
            clip_row(shards, writer, "toy", f"{name}-{i}p", "val" if i == 3 else "train", [f"a {name} sounds", "noise"])
            for i, name in enumerate(SOUNDS)
        ]
    CLIPS.write("data/roles/unpaired.parquet", without_answers(CLIPS.frame(pool)))
    CLIPS.write("data/captioned/paired.parquet", CLIPS.frame(paired))
    CLIPS.write("data/captioned/text.parquet", CLIPS.frame(paired))
    LABELS.write("data/roles/labels.parquet", pd.DataFrame({"dataset": "toy", "label": ["dog", "car_horn"]}))
    TRUTH.write("data/roles/truth.parquet", CLIPS.frame(pool + paired)[["dataset", "clip_id", "tags"]])
    modules = {
        "clap": {"Clap": StandIn, "ENCODE_BATCH": 128},
        "encode": {
            "read_clip": read_clip,
            "with_tags": lambda clap, inputs, tags: inputs,
            "gallery_of_inputs": lambda clap, batches: types.SimpleNamespace(vectors=batches[0].waveforms.numpy()),
            "encode_batch": lambda front_end: 4,
            "check_sample_rate": lambda clips, features: None,
        },
        "device": {"choose_device": lambda name: types.SimpleNamespace(type="cpu")},
    }
    for name, content in modules.items():
        module = types.ModuleType(f"clapline.model.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, f"clapline.model.{name}", module)
    write_params(tmp_path)
    return tmp_path


def write_params(folder: Path, **curate) -> None:
    curate = {"strategy": "du", "sigma_audio_text": 0.6, "sigma_text_text": 0.6, "examples": 3, **curate}
    (folder / "params.yaml").write_text(
        yaml.safe_dump({"seed": 1, "machine": {"progress": False}, "embed": {}, "curate": curate}), encoding="utf-8"
    )
