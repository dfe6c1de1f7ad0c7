"""A toy world: eight sounds, each a band of the mel axis with its own rhythm, and captions that name them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from clapline.model.clap import Clap
from clapline.params.machine import Machine
from clapline.params.model import Model
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
    random = np.random.default_rng(seed)
    features = random.normal(-6, 0.5, (len(kinds), 16, frames))
    for row, kind in enumerate(kinds):
        features[row, 2 * kind : 2 * kind + 2] += 4.0 + random.normal()
    return torch.from_numpy(features).half()


@pytest.fixture
def toy():
    kinds = [row % 8 for row in range(32)]
    captions = [[f"a {NAMES[kind]} number {row}", f"the sound of a {NAMES[kind]}"] for row, kind in enumerate(kinds)]
    source = Source("paired", 1.0, list(range(32)), captions, [[("toy", str(row))] * 2 for row in range(32)])
    data = TrainingData(features_of(kinds, 0), [source])
    val = pd.DataFrame({"captions": [[f"the sound of a {name}"] for name in NAMES]})
    return data, val, features_of(list(range(8)), 1)


@pytest.fixture
def new_clap():
    def make(data: TrainingData) -> Clap:
        torch.manual_seed(0)
        clap = Clap.new(MODEL, data.texts())
        clap.audio.set_scale(-5.5, 1.5)
        return clap

    return make


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
