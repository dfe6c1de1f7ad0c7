from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from clapline.errors import UserError
from clapline.params.machine import Machine
from stages.train import launch

ROOT = Path(__file__).resolve().parents[3]


def command(processes: int, action: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "tests.stages.train.launched", str(processes), action, str(folder)]


def launched(processes: int, action: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(processes, action, folder), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


def test_two_processes_work_and_one_speaks(tmp_path):
    done = launched(2, "work", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "process 0 is done\n"
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"first": "2", "rank0": "2", "rank1": "2"}


def test_an_error_of_all_is_said_once(tmp_path):
    done = launched(2, "wrong", tmp_path)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if "data/captioned" in line] == ["error: data/captioned is empty"]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_error_of_one_that_is_not_heard_is_shown(tmp_path):
    done = launched(2, "one-wrong", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("error: shard 7 is gone") == 1


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_the_processes_end_with_the_one_that_started_them(tmp_path, by):
    process = subprocess.Popen(command(2, "wait", tmp_path), cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        files = [tmp_path / "pid0", tmp_path / "pid1"]
        wait_until(lambda: all(file.exists() and file.read_text() for file in files))
        children = [int(file.read_text()) for file in files]
        process.send_signal(by)
        process.wait(timeout=60)
        wait_until(lambda: not any(map(alive, children)))
    finally:
        process.kill()
    assert process.returncode == (-9 if by == signal.SIGKILL else 128 + by)


def wait_until(holds) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_run_of_two_processes_is_that_of_one_but_for_rounding(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CLAPLINE_HOME": str(tmp_path / "home")}
    for processes in (1, 2):
        done = subprocess.run(
            command(processes, "train", tmp_path),
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    alone, first, second = (torch.load(tmp_path / name) for name in ("0-of-1.pt", "0-of-2.pt", "1-of-2.pt"))
    assert first["rows"] == second["rows"]
    for name, weight in alone["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name]), name
        torch.testing.assert_close(first["weights"][name], weight, rtol=1e-3, atol=1e-4)
    for row, wanted in zip(first["rows"], alone["rows"], strict=True):
        assert row == pytest.approx(wanted, rel=1e-3)
    assert (tmp_path / "live2/metrics.json").exists()


def test_one_process_is_not_launched():
    launch.launch_if_needed("no.such.module", Machine(device="cpu"))
    launch.launch_if_needed("no.such.module", Machine(device="cpu", processes=0))  # no GPU, so one


def test_what_torchrun_started_does_not_launch_again(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    launch.launch_if_needed("no.such.module", Machine(device="cpu", processes=2))


def test_several_machines_need_a_place_to_meet():
    with pytest.raises(UserError, match="rendezvous"):
        launch.launch_if_needed("no.such.module", Machine(device="cpu", nodes=2))


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert launch.process_count(Machine(processes=0)) == 2
    assert launch.process_count(Machine(processes=3, device="cpu")) == 3
    with pytest.raises(UserError, match="2 GPUs"):
        launch.process_count(Machine(processes=3))
