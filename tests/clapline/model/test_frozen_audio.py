"""States of a frozen encoder: computed once, found again, whatever happened in between."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

from clapline.model import frozen_audio
from clapline.model.frozen_audio import FrozenStates, frozen_states, mapped_tensors, weights_key
from clapline.model.inputs import AudioInputs, States, valid_positions
from clapline.params.machine import Machine

MACHINE = Machine(device="cpu", progress=False)
CLIPS = pd.DataFrame(
    {
        "sha256": [hashlib.sha256(str(number).encode()).hexdigest() for number in (0, 1, 2, 1, 3)],
        "number": [0, 1, 2, 1, 3],
    }
)


class Encoder:
    """Three positions of width 2 per clip; remembers which clips it met, and dies after some."""

    def __init__(self, dies_after: int = 1000) -> None:
        self.met: list[int] = []
        self.dies_after = dies_after

    def __call__(self, inputs: AudioInputs) -> States:
        numbers = inputs.waveforms[:, 0]
        self.met += numbers.int().tolist()
        if len(self.met) > self.dies_after:
            raise KeyboardInterrupt
        states = numbers[:, None, None] + torch.arange(6.0).reshape(3, 2) / 10
        return States(states, valid_positions(inputs.valid, 3))


def read(rows: Sequence[Any]) -> AudioInputs:
    numbers = torch.tensor([float(row.number) for row in rows])
    return AudioInputs(valid=(numbers + 1) / 4, waveforms=numbers[:, None].expand(-1, 5))


def states_of(encoder: Encoder, clips: pd.DataFrame = CLIPS, key: str = "key", **more) -> FrozenStates:
    return frozen_states(encoder, [key], clips, read, more.pop("machine", MACHINE), "states", **more)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_states_come_by_row_and_equal_clips_are_encoded_once():
    encoder = Encoder()
    found = states_of(encoder)
    assert encoder.met == [0, 1, 2, 3]
    assert len(found) == 5
    rows = found[[4, 1, 3]]
    assert rows.dtype == torch.float16
    wanted = torch.tensor([3.0, 1.0, 1.0])[:, None, None] + torch.arange(6.0).reshape(3, 2) / 10
    assert torch.equal(rows, wanted.half())
    assert torch.equal(found.valid, torch.tensor([0.25, 0.5, 0.75, 0.5, 1.0]))


def test_what_is_in_the_store_is_not_encoded_again():
    first = states_of(Encoder())
    again = Encoder()
    found = states_of(again)
    assert again.met == []
    assert torch.equal(found[range(5)], first[range(5)])
    more = pd.concat([CLIPS, pd.DataFrame({"sha256": [hashlib.sha256(b"9").hexdigest()], "number": [9]})])
    states_of(again, more)
    assert again.met == [9]
    other = Encoder()
    states_of(other, key="another encoder")
    assert other.met == [0, 1, 2, 3]


def test_pooled_states_are_the_mean_of_those_that_count_and_kept_apart():
    frames = states_of(Encoder())
    pooled = states_of(Encoder(), pooled=True)
    assert pooled[range(5)].shape == (5, 1, 2)
    mask = valid_positions(frames.valid, 3)[..., None].float()
    mean = (frames[range(5)].float() * mask).sum(dim=1) / mask.sum(dim=1)
    assert torch.allclose(pooled[range(5)][:, 0].float(), mean, atol=2e-3)
    assert torch.equal(pooled.valid, torch.ones(5))
    assert torch.equal(states_of(Encoder(dies_after=0))[range(5)], frames[range(5)])


def test_a_killed_run_goes_on_where_it_was():
    often = Machine(device="cpu", progress=False, save_every_s=1e-9)
    with pytest.raises(KeyboardInterrupt):
        states_of(Encoder(dies_after=2), machine=often)
    later = Encoder()
    found = states_of(later)
    assert later.met == [2, 3]
    whole = states_of(Encoder(), key="unbroken")
    assert torch.equal(found[range(5)], whole[range(5)])
    assert torch.equal(found.valid, whole.valid)


def test_parts_are_written_as_they_fill(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(frozen_audio, "_PART_BYTES", 24)  # two clips of 3 · 2 half-precision values
    found = states_of(Encoder())
    assert len(found.parts) == 2
    assert found[range(5)][:, 0, 0].tolist() == [0.0, 1.0, 2.0, 1.0, 3.0]


@pytest.mark.parametrize("left", [0, 5, 8, 40, -1])
def test_a_part_that_is_not_whole_is_passed_over(left: int):
    (part,) = states_of(Encoder()).parts
    whole = part.read_bytes()
    part.write_bytes(whole[:left])
    again = Encoder()
    found = states_of(again)
    assert again.met == [0, 1, 2, 3]
    assert found[range(5)][:, 0, 0].tolist() == [0.0, 1.0, 2.0, 1.0, 3.0]


def test_a_file_of_something_else_and_a_part_under_way_are_passed_over():
    (part,) = states_of(Encoder()).parts
    save_file({"other": np.zeros(3, np.float32)}, part.with_name("0.safetensors"))
    part.with_name(f".{part.name}.1.part").write_bytes(b"half")
    again = Encoder()
    states_of(again)
    assert again.met == []


def write_in_process(home: str, ready: Any) -> None:
    import os

    os.environ["CLAPLINE_HOME"] = home
    ready.wait(60)
    often = Machine(device="cpu", progress=False, save_every_s=1e-9)
    assert states_of(Encoder(), machine=often)[range(5)][:, 0, 0].tolist() == [0.0, 1.0, 2.0, 1.0, 3.0]


def test_two_writers_at_a_time_are_both_right(home: Path):
    context = multiprocessing.get_context("forkserver")
    ready = context.Barrier(2)
    writers = [context.Process(target=write_in_process, args=(str(home), ready)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert states_of(Encoder(dies_after=0))[range(5)][:, 0, 0].tolist() == [0.0, 1.0, 2.0, 1.0, 3.0]


def test_states_are_handed_over_as_names_of_files(monkeypatch: pytest.MonkeyPatch):
    found = states_of(Encoder())
    expected = found[range(5)]
    handed = pickle.dumps(found)
    assert len(handed) < 2000
    assert torch.equal(pickle.loads(handed)[range(5)], expected)


def test_maps_are_what_the_library_reads(tmp_path: Path):
    from safetensors.numpy import load_file

    random = np.random.default_rng(0)
    tensors = {
        "a": random.normal(size=(3, 4)).astype(np.float16),
        "b": random.integers(255, size=(5, 2)).astype(np.uint8),
        "c": random.normal(size=7).astype(np.float32),
    }
    save_file(tensors, tmp_path / "x.safetensors")
    mapped = mapped_tensors(tmp_path / "x.safetensors")
    read_back = load_file(tmp_path / "x.safetensors")
    assert mapped.keys() == read_back.keys()
    assert all(np.array_equal(mapped[name], read_back[name]) for name in mapped)
    assert mapped_tensors(tmp_path / "none.safetensors") is None


def test_the_key_of_weights_tells_them_apart():
    torch.manual_seed(0)
    one, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    assert weights_key(one) != weights_key(other)
    other.load_state_dict(one.state_dict())
    assert weights_key(one) == weights_key(other)
    with torch.no_grad():
        other.bias[0] += 1e-6
    assert weights_key(one) != weights_key(other)
    norm = torch.nn.BatchNorm1d(3)
    before = weights_key(norm)
    norm(torch.randn(4, 3))
    assert weights_key(norm) != before  # its moving averages and its count are part of what it computes
