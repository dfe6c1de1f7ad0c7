"""Damaged model folders: one clear line that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from clapline import Clap
from clapline.errors import UserError
from clapline.params.model import Model

FEATURES = {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0}
TEXT = {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 100, "maximum_tokens": 12}
TINY = {"features": FEATURES, "audio": {"channels": [4, 8]}, "text": TEXT, "head": {"dimension": 8}}
VIT = {"width": 8, "depth": 1, "heads": 2, "hidden": 8}
ATST = {
    "features": {"kind": "atst", "duration_s": 0.5},
    "audio": {"kind": "atst", "config": VIT},
    "text": TEXT,
    "head": {"dimension": 8},
}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def made(settings: dict[str, Any] = TINY) -> Path:
        torch.manual_seed(0)
        Clap.new(Model.model_validate(settings), ["a dog barks", "rain falls"]).save(tmp_path / "model", "")
        return tmp_path / "model"

    return made


def refused(folder: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        Clap.from_pretrained(folder)
    assert str(folder) in str(error.value)
    assert len(str(error.value)) < 1000


def changed(path: Path, *keys: str, to: Any) -> None:
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_weights_cut_short(saved, kept: int):
    weights = saved() / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    refused(weights.parent, r"model\.safetensors is no safetensors file")


def test_no_weights(saved):
    weights = saved() / "model.safetensors"
    weights.unlink()
    refused(weights.parent, r"it has no model\.safetensors")


def test_weights_of_another_size(saved):
    folder = saved()
    changed(folder / "config.json", "model", "head", "dimension", to=6)
    refused(folder, r"model\.safetensors does not fit Clap: missing .*\(8, 8\) instead of \(6, 8\)")


def test_a_weight_too_few_and_one_too_many(saved):
    folder = saved()
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"audio.blocks.99.weight": torch.zeros(1)}, folder / "model.safetensors")
    refused(folder, r"no place for audio\.blocks\.99\.weight")
    scale = tensors.pop("log_scale")
    save_file(tensors, folder / "model.safetensors")
    refused(folder, "missing log_scale")
    save_file(tensors | {"log_scale": scale}, folder / "model.safetensors")
    Clap.from_pretrained(folder)


def test_counted_tables_of_another_version_of_transformers_are_passed_over(saved):
    folder = saved()
    tensors = load_file(folder / "model.safetensors")
    tensors["text.encoder.embeddings.position_ids"] = torch.arange(12)[None]
    save_file(tensors, folder / "model.safetensors")
    Clap.from_pretrained(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no JSON"),
        (b'{"model": ', "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[1]", "found a list"),
        (b"null", "found a NoneType"),
        (b"{}", "neither a clapline model nor a ClapModel"),
        (b'{"model": [1]}', "config.json: model"),
        (b'{"model_type": "clap"}', "config.json|no tokenizer"),
    ],
)
def test_a_broken_config(saved, content: bytes, reason: str):
    folder = saved()
    (folder / "config.json").write_bytes(content)
    refused(folder, reason)


@pytest.mark.parametrize("audio", [[1], None, {}, {"width": 3}, "atst"])
def test_an_audio_encoder_that_is_not_described(saved, audio: Any):
    folder = saved(ATST)
    changed(folder / "config.json", "audio", to=audio)
    with pytest.raises(UserError):
        Clap.from_pretrained(folder)


@pytest.mark.parametrize("size", [0, -4, 3, "8", None, [8]])
def test_sizes_of_the_audio_encoder_that_are_none(saved, size: Any):
    folder = saved(ATST)
    changed(folder / "config.json", "audio", "heads", to=size)
    with pytest.raises(UserError):
        Clap.from_pretrained(folder)


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"model_type": "bert", "hidden_size": "wide"}'])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_a_broken_text_folder(saved, file: str, content: str):
    settings = {**TINY, "text": {"kind": "architecture", "architecture": "bert", "config": {}, "vocabulary": 100}}
    settings["text"]["config"] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    folder = saved(settings)
    Clap.from_pretrained(folder)
    (folder / "text" / file).write_text(content)
    with pytest.raises(UserError):
        Clap.from_pretrained(folder)
