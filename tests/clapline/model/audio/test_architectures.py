"""Folders of transformers: every form of their weight files, and configurations that survive a round trip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clapline.errors import UserError
from clapline.model.audio.architectures import heard_frames, plain, read_config, read_folder, restored, sized
from clapline.model.front_ends import build_front_end
from clapline.params.features import Features


def test_weights_in_shards_and_as_bin_are_read_alike(tmp_path: Path):
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    whole, shards, pickled = (tmp_path / name for name in ("whole", "shards", "bin"))
    for folder in (whole, shards, pickled):
        folder.mkdir()
    save_file(tensors, whole / "model.safetensors")
    save_file({"a": tensors["a"]}, shards / "model-00001-of-00002.safetensors")
    save_file({"b": tensors["b"]}, shards / "model-00002-of-00002.safetensors")
    torch.save(tensors, pickled / "pytorch_model.bin")
    for folder in (whole, shards, pickled):
        found = read_folder(folder)
        assert sorted(found) == ["a", "b"]
        assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    with pytest.raises(UserError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        read_folder(tmp_path)


def test_a_configuration_survives_json():
    config = sized("resnet", {"depths": [1, 2, 1, 1]}, {"num_channels": 1})
    again = restored(json.loads(json.dumps(plain(config))))
    assert plain(again) == plain(config)
    assert (again.num_channels, again.depths) == (1, [1, 2, 1, 1])


def test_folders_of_another_kind_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"has no config\.json"):
        read_config(tmp_path, ("clap",))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UserError, match="of type 'bert'; allowed: clap, resnet"):
        read_config(tmp_path, ("clap", "resnet"))


@pytest.mark.parametrize("kind", ["clap", "passt", "ast", "log_mel"])
def test_frames_are_those_of_the_front_end(kind: str):
    features = Features(kind=kind, duration_s=2.0, segment_s=1.0)
    waveforms = torch.zeros(1, features.samples)
    assert build_front_end(features)(waveforms).shape[1:] == (2, features.mel_bands, heard_frames(features))
