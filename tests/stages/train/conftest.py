"""A toy world: eight sounds, each a band of the mel axis with its own rhythm, and captions that name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from clapline.audio.decode import flac_bytes
from clapline.audio.shards import ShardWriter
from clapline.model.text.tokenizer import CaptionTokenizer, train_tokenizer
from clapline.params.machine import Machine
from clapline.params.model import Model
from stages.train.clip_inputs import CachedFeatures
from stages.train.data import Source, TrainingData

NAMES = ("dog", "rain", "bell", "train", "bird", "saw", "horn", "clock")
MODEL = Model.model_validate(
    {
        "features": {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0},
        "audio": {"channels": [8, 16]},
        "text": {"width": 32, "layers": 1, "attention_heads": 2, "vocabulary": 200, "maximum_tokens": 16},
        "head": {"dimension": 16},
    }
)
MACHINE = Machine(device="cpu", progress=False)


def features_of(kinds: list[int], seed: int, frames: int = 13) -> torch.Tensor:
    """Return features `(clips, 1, bands, frames)` in half precision."""
    random = np.random.default_rng(seed)
    features = random.normal(-6, 0.5, (len(kinds), 16, frames))
    for row, kind in enumerate(kinds):
        features[row, 2 * kind : 2 * kind + 2] += 4.0 + random.normal()
    return torch.from_numpy(features).half().unsqueeze(1)


def cached(features: torch.Tensor, valid: torch.Tensor | None = None) -> CachedFeatures:
    return CachedFeatures(features, torch.ones(len(features)) if valid is None else valid)


def clips_of(count: int) -> CachedFeatures:
    """Return clips of which nothing is looked at but their number."""
    return cached(torch.zeros(count, 1, 2, 2))


def words_of(texts: Sequence[str]) -> SimpleNamespace:
    """Return what a feeder takes of a text encoder: its tokenizer."""
    tokens = CaptionTokenizer(train_tokenizer(texts, 300), padding=0, maximum_tokens=16, plain=False)
    return SimpleNamespace(tokens=tokens, tokenise=tokens.tokenise, collate=tokens.collate)


def written_clips(folder: Path, waveforms: Sequence[np.ndarray], rate_hz: int = 8000) -> pd.DataFrame:
    """Write clips into a shard and return what of their table is read; shards are named from the root of the disk."""
    rows = []
    with ShardWriter(folder / "00000.tar") as writer:
        for place, samples in enumerate(waveforms):
            at = writer.add(f"clip{place}", flac_bytes(np.asarray(samples, dtype=np.float32), rate_hz))
            rows.append(
                {"dataset": "toy", "clip_id": f"clip{place}", "shard": str(folder / at.shard), "offset": at.offset}
                | {"nbytes": at.nbytes, "sha256": at.sha256, "sample_rate_hz": rate_hz}
                | {"duration_s": len(samples) / rate_hz}
            )
    return pd.DataFrame(rows)


@pytest.fixture
def toy():
    """32 training clips with their captions; a validation table; its clips."""
    kinds = [row % 8 for row in range(32)]
    captions = [[f"a {NAMES[kind]} number {row}", f"the sound of a {NAMES[kind]}"] for row, kind in enumerate(kinds)]
    source = Source("paired", 1.0, list(range(32)), captions, [[("toy", str(row))] * 2 for row in range(32)])
    data = TrainingData(cached(features_of(kinds, 0)), [source])
    val = pd.DataFrame({"captions": [[f"the sound of a {name}"] for name in NAMES]})
    return data, val, cached(features_of(list(range(8)), 1))


@pytest.fixture
def new_clap():
    from clapline.model.clap import Clap  # takes seconds, and most tests of batches need none

    def make(data: TrainingData) -> Clap:
        torch.manual_seed(0)
        clap = Clap.new(MODEL, data.texts())
        clap.audio.set_scale(-5.5, 1.5)
        return clap

    return make


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
