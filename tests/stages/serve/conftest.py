"""A workspace with a tiny model of any kind, six clips to search in, and paraphrases of some of their captions."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from clapline.audio.decode import flac_bytes
from clapline.audio.shards import ShardWriter
from clapline.model.clap import Clap
from clapline.params.machine import Machine
from clapline.params.model import Model
from clapline.tables.captions import PARAPHRASES
from clapline.tables.clips import CLIPS
from stages.serve.answers import Answers
from stages.serve.gallery import embed_gallery, read_gallery
from stages.serve.model import ServedModel

RATE_HZ = 8000
SECONDS = 1.0
SOUNDS = ("dog", "rain", "siren", "bell", "saw", "clock")
MODEL = {
    "features": {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": RATE_HZ, "maximum_hz": 3500.0},
    "audio": {"channels": [8, 16]},
    "text": {"width": 32, "layers": 1, "attention_heads": 2, "vocabulary": 200, "maximum_tokens": 16},
    "head": {"dimension": 16},
}
KINDS = {
    "point": {},
    "gaussian": {"head": {"dimension": 16, "distribution": "gaussian", "initial_log_variance": -3.0}},
    "tap": {"audio": {"channels": [8, 16], "pooling": "tap", "tap": {"dimension": 16}}},
}


def tone(number: int, seconds: float = SECONDS) -> np.ndarray:
    moments = np.arange(round(RATE_HZ * seconds)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * (200 + 300 * number) * moments)).astype(np.float32)


def sound_file(samples: np.ndarray, kind: str = "WAV", rate_hz: int = RATE_HZ, subtype: str | None = None) -> bytes:
    data = io.BytesIO()
    soundfile.write(data, samples, rate_hz, format=kind, subtype=subtype)
    return data.getvalue()


def captions_of(name: str) -> list[str]:
    return [f"The {name} sounds.", f"somewhere a {name} is heard"]


def write_clips(path: str = "data/captioned/retrieval.parquet", **columns: Callable[[str], object]) -> None:
    """Write a shard and a clip table; a column given is made of each clip's sound."""
    shard = Path("data/clips/toy") / f"{Path(path).stem}.tar"
    shard.parent.mkdir(parents=True, exist_ok=True)
    shard.unlink(missing_ok=True)
    rows = []
    with ShardWriter(shard) as writer:
        for number, name in enumerate(SOUNDS):
            at = writer.add(name, flac_bytes(tone(number), RATE_HZ))
            row = dict.fromkeys(CLIPS.schema.names) | {
                "dataset": "toy", "clip_id": name, "split": "test", "shard": shard.as_posix(), "offset": at.offset,
                "nbytes": at.nbytes, "sha256": at.sha256, "sample_rate_hz": RATE_HZ, "duration_s": SECONDS,
                "captions": captions_of(name), "caption_tree": [], "tags": [], "source_id": f"freesound:{number}",
                "licence": "CC0-1.0",
            }  # fmt: skip
            rows.append(row | {column: made(name) for column, made in columns.items()})
    CLIPS.write(path, CLIPS.frame(rows))


def write_paraphrases() -> None:
    written = dict.fromkeys(PARAPHRASES.schema.names) | {
        "dataset": "toy", "caption_index": 0, "model": "builtin", "prompt_version": "1", "attempts": 1,
        "similarity": 0.9, "similarity_measure": "jaccard",
    }  # fmt: skip
    rows = [
        written | {
            "clip_id": name, "original": f"The {name} sounds.", "text": f"{words} a {name}", "level": level,
            "purpose": purpose,
        }
        for name in SOUNDS[:3]
        for level, words, purpose in ((1, "one hears", "test"), (2, "there goes", "test"), (1, "not shown", "train"))
    ]  # fmt: skip
    PARAPHRASES.write("data/captions/paraphrases_test.parquet", PARAPHRASES.frame(rows))


def save_model(kind: str = "point", seed: int = 0) -> None:
    torch.manual_seed(seed)
    texts = [caption for name in SOUNDS for caption in captions_of(name)]
    Clap.new(Model.model_validate(MODEL | KINDS[kind]), texts).save("models/student", "a tiny one")


def answers_of(gallery: str = "retrieval") -> Answers:
    clap = Clap.from_pretrained("models/student")
    read = read_gallery(gallery)
    embedded = embed_gallery(clap, "models/student", read, Machine(progress=False))
    paraphrases = PARAPHRASES.read("data/captions/paraphrases_test.parquet")
    return Answers(ServedModel(clap), read, embedded, paraphrases)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """Chdir into a folder with params, model, clips and paraphrases, and with stores of its own; return it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "stores"))
    Path("params.yaml").write_text(
        yaml.safe_dump({"seed": 1, "machine": {"progress": False, "device": "cpu"}, "prepare": {}}), encoding="utf-8"
    )
    write_clips()
    write_paraphrases()
    save_model()
    return tmp_path
