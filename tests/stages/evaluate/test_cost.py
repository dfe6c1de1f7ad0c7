"""What models cost: counted arithmetic of known layers, and student beside teacher."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from clapline.audio.shards import ShardWriter
from clapline.model.clap import Clap
from clapline.params.model import Model
from stages.evaluate.cost import _operations, cost_of, with_training


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = io.BytesIO()
    soundfile.write(data, np.random.default_rng(0).normal(size=16000) * 0.1, 16000, format="FLAC")
    with ShardWriter(tmp_path / "0.tar") as writer:
        place = writer.add("a", data.getvalue())
    return SimpleNamespace(
        dataset="toy", clip_id="a", shard="0.tar", offset=place.offset, nbytes=place.nbytes, sha256=place.sha256,
        sample_rate_hz=16000, tags=[],
    )  # fmt: skip


@pytest.fixture
def clap():
    torch.manual_seed(0)
    return Clap.new(Model(), ["a dog barks", "rain falls on a roof"]).eval()


def test_what_is_counted(clap, clip):
    cost = cost_of(clap, clip, "a dog barks")
    assert cost["parameters"]["all"] == sum(weight.numel() for weight in clap.parameters())
    assert cost["parameters"]["audio"] + cost["parameters"]["text"] < cost["parameters"]["all"]
    operations = cost["operations"]
    assert operations["clip"] > operations["caption"] > 0
    # Forward and backward: nearly three times the forward, less what the first layers need not pass on.
    assert 2 <= operations["pair_in_training"] / (operations["clip"] + operations["caption"]) <= 3.05
    for latency in cost["latency_ms"].values():
        assert 0 < latency["least"] <= latency["median"] <= latency["most"]
    assert cost["peak_memory_mib"]["process"] > 50
    json.dumps(cost)


def test_the_projection_is_counted_by_hand(clap, clip):
    """Twice the width, one more product of known size: 2 · width · dimension operations per clip."""
    before = cost_of(clap, clip, "a dog barks")["operations"]["clip"]

    class Twice(torch.nn.Module):
        def __init__(self, head, width):
            super().__init__()
            self.head, self.extra = head, torch.nn.Linear(width, width, bias=False)

        def forward(self, states):
            return self.head(self.extra(states))

    width = clap.audio.width
    clap.audio_head = Twice(clap.audio_head, width)
    assert cost_of(clap, clip, "a dog barks")["operations"]["clip"] - before == 2 * width * width


def test_attention_is_counted(clap):
    """Ten queries by ten keys by sixteen channels: two products forward, and five backward, one of them made again."""
    query = torch.zeros(1, 1, 10, 16, requires_grad=True)

    def work() -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(query, query, query).sum()

    assert _operations(work, clap, backward=False) == 2 * (2 * 10 * 10 * 16)
    assert _operations(work, clap, backward=True) == (2 + 5) * (2 * 10 * 10 * 16)


def test_student_over_teacher_and_what_training_wrote(tmp_path):
    def cost(parameters: int, clip: int) -> dict:
        return {
            "parameters": {"all": parameters}, "operations": {"clip": clip, "pair_in_training": 3 * clip},
            "latency_ms": {"clip": {"median": 2.0}, "query": {"median": 1.0}},
        }  # fmt: skip

    (tmp_path / "teacher.json").write_text(json.dumps({"seconds": 10.0, "steps": 5, "pairs_seen": 320}))
    costs = {"teacher": cost(100, 7), "student": cost(50, 14)}
    found = with_training(costs, tmp_path)
    assert found["teacher"]["training"]["operations"] == 320 * 21
    assert "training" not in found["student"]
    assert found["student_over_teacher"] == {
        "parameters": 0.5, "operations_per_clip": 2.0, "latency_per_clip": 1.0, "latency_per_query": 1.0,
    }  # fmt: skip
    (tmp_path / "student.json").write_text(json.dumps({"seconds": 5.0, "steps": 5, "pairs_seen": 160}))
    ratios = with_training(costs, tmp_path)["student_over_teacher"]
    assert ratios["training_seconds"] == 0.5
    assert ratios["training_operations"] == 1.0
    assert with_training({"both": cost(1, 1)}, tmp_path) == {"both": cost(1, 1)}
