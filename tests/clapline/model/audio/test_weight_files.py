from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clapline.errors import UserError
from clapline.model.audio.weight_files import find_weight_file, read_tensors

STATE = {"a": torch.arange(4.0), "b.weight": torch.ones(2, 3)}


class Trap:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def same(given: dict[str, torch.Tensor]) -> bool:
    return set(given) == set(STATE) and all(torch.equal(given[name], STATE[name]) for name in STATE)


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    assert same(read_tensors(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.ckpt"])
@pytest.mark.parametrize("inside", [None, "state_dict", "model"])
def test_pickled_files_bare_and_inside_a_checkpoint(tmp_path, name, inside):
    torch.save(STATE if inside is None else {inside: STATE, "epoch": 3}, tmp_path / name)
    assert same(read_tensors(tmp_path / name))


def test_values_without_behaviour_beside_the_weights(tmp_path):
    beside = {"hyper_parameters": argparse.Namespace(lr=0.1), "best": np.float64(0.5), "state_dict": STATE}
    torch.save(beside, tmp_path / "w.ckpt")
    assert same(read_tensors(tmp_path / "w.ckpt"))


def test_nothing_in_a_file_is_run(tmp_path):
    torch.save({"state_dict": STATE, "trap": Trap(tmp_path / "sprung")}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="nothing pickled is run here"):
        read_tensors(tmp_path / "w.pt")
    assert not (tmp_path / "sprung").exists()
    torch.load(tmp_path / "w.pt", weights_only=False)  # the same file, trusted: the trap is real
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_damaged_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"not weights")
    with pytest.raises(UserError, match=r"damaged|no safetensors"):
        read_tensors(tmp_path / name)


def test_a_file_without_tensors_and_one_of_another_kind(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="holds no tensors; its keys: epoch"):
        read_tensors(tmp_path / "w.pt")
    torch.save([1, 2], tmp_path / "l.pt")
    with pytest.raises(UserError, match="holds a list"):
        read_tensors(tmp_path / "l.pt")
    (tmp_path / "w.npz").touch()
    with pytest.raises(UserError, match=r"\.safetensors, \.pt"):
        read_tensors(tmp_path / "w.npz")


def test_where_a_file_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAPLINE_MIRROR", str(tmp_path))
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "run"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(UserError, match=r"no file 'w\.pt'.*published: https://example\.org"):
        find_weight_file("w.pt", "https://example.org")
    # Each place goes before those looked at before it.
    for folder in (tmp_path / "torch/hub/checkpoints", tmp_path / "models", tmp_path / "run", tmp_path / "here"):
        folder.mkdir(parents=True)
        (folder / "w.pt").touch()
        monkeypatch.chdir(tmp_path / "here" if folder.name == "here" else tmp_path)
        found = find_weight_file("w.pt", "")
        assert found.resolve() == folder / "w.pt"
