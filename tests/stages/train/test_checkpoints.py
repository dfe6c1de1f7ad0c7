from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stages.train.checkpoints import OTHERS_KEPT, PREVIOUS, STATE, Checkpoint

ROOT = Path(__file__).resolve().parents[3]
STATES = [{"step": step, "kept": None, "weights": torch.full((1000,), float(step))} for step in range(5)]


def test_the_latest_state_comes_back():
    with Checkpoint("student", 1) as checkpoint:
        assert checkpoint.load() is None
        for state in STATES[:3]:
            checkpoint.save(state)
    with Checkpoint("student", 1) as checkpoint:
        loaded = checkpoint.load()
    assert loaded["step"] == 2
    assert torch.equal(loaded["weights"], STATES[2]["weights"])


def test_another_key_starts_afresh():
    with Checkpoint("student", {"rate": 1}) as checkpoint:
        checkpoint.save(STATES[1])
    with Checkpoint("student", {"rate": 2}) as checkpoint:
        assert checkpoint.load() is None


@pytest.mark.parametrize("left", [0.0, 0.3, 0.999])
def test_a_state_cut_short_is_set_aside_for_the_one_before(capsys, left):
    with Checkpoint("student", 1) as checkpoint:
        checkpoint.save(STATES[1])
        checkpoint.save(STATES[2])
        cut(checkpoint.folder / STATE, left)
        assert checkpoint.load()["step"] == 1
        assert (checkpoint.folder / "state.broken").exists()
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1
        assert "set aside" in said[0]
        checkpoint.save(STATES[2])
        assert checkpoint.load()["step"] == 2


def cut(file: Path, left: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * left)])


def test_with_no_state_left_to_read_a_run_starts_afresh(capsys):
    with Checkpoint("student", 1) as checkpoint:
        checkpoint.save(STATES[1])
        checkpoint.save(STATES[2])
        for name in (STATE, PREVIOUS):
            (checkpoint.folder / name).write_bytes(b"no state")
        assert checkpoint.load() is None
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_state_whose_kept_weights_are_broken_is_not_taken(capsys):
    with Checkpoint("student", 1) as checkpoint:
        for step in (1, 2):
            checkpoint.keep(step, {"weight": torch.full((1000,), float(step))})
            checkpoint.save(STATES[step] | {"kept": step})
        cut(checkpoint.folder / "kept-2.pt", 0.5)
        state = checkpoint.load()
        assert state["kept"] == 1
        assert torch.equal(checkpoint.kept(1)["weight"], torch.ones(1000))
        # Kept by a step that the run has yet to make again.
        assert not (checkpoint.folder / "kept-2.pt").exists()
    assert "set aside" in capsys.readouterr().err


def test_kept_weights_that_no_state_names_are_removed():
    with Checkpoint("student", 1) as checkpoint:
        for step in (1, 2, 10):
            checkpoint.keep(step, {})
            checkpoint.save(STATES[0] | {"step": step, "kept": step})
        assert sorted(file.name for file in checkpoint.folder.glob("kept-*")) == ["kept-10.pt", "kept-2.pt"]


def test_a_write_that_was_killed_leaves_the_state_before_it(tmp_path, monkeypatch):
    with Checkpoint("student", 1) as checkpoint:
        checkpoint.save(STATES[1])
        (checkpoint.folder / ".state.pt.123.abc.part").write_bytes(b"half")
        # Killed between its two renames: the older state stands alone, under the other name.
        checkpoint.save(STATES[2])
        (checkpoint.folder / STATE).unlink()
    with Checkpoint("student", 1) as checkpoint:
        assert list(checkpoint.folder.glob(".*.part")) == []
        assert checkpoint.load()["step"] == 1


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A working folder, and the time in ns at which a run ended there."""
    monkeypatch.chdir(tmp_path)
    with Checkpoint("student", 1) as checkpoint:
        checkpoint.keep(1, {"weight": torch.ones(3)})
        checkpoint.save(STATES[1] | {"kept": 1})
        checkpoint.finish()
    return tmp_path, (checkpoint.folder / "finished").stat().st_mtime_ns


def recorded(folder: Path, time_ns: int) -> None:
    (folder / "dvc.lock").touch()
    os.utime(folder / "dvc.lock", ns=(time_ns, time_ns))


def test_a_finished_run_that_was_recorded_is_made_again_when_forced(finished):
    folder, ended_ns = finished
    recorded(folder, ended_ns + 1_000_000)
    with Checkpoint("student", 1) as checkpoint:
        assert checkpoint.load() is None


@pytest.mark.parametrize("lock", [None, -1_000_000])
def test_a_finished_run_that_was_not_recorded_is_taken_as_often_as_it_takes(finished, lock):
    folder, ended_ns = finished
    if lock is not None:
        recorded(folder, ended_ns + lock)
    for _ in range(2):
        with Checkpoint("student", 1) as checkpoint:
            assert checkpoint.load()["step"] == 1
            assert torch.equal(checkpoint.kept(1)["weight"], torch.ones(3))
            checkpoint.finish()
    recorded(folder, time.time_ns() + 1_000_000_000)
    with Checkpoint("student", 1) as checkpoint:
        assert checkpoint.load() is None


def test_finished_work_of_another_key_is_cleared_and_unfinished_work_is_not(tmp_path, monkeypatch, capsys):
    made = []
    for name in "done", "other":  # each in a working folder of its own: in one, the second would wait
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        made.append(Checkpoint("student", name))
    done, other = made
    done.save(STATES[1])
    other.save(STATES[2])
    done.finish()
    monkeypatch.chdir(tmp_path)
    with Checkpoint("student", 3):
        assert not done.folder.exists()
    assert other.load()["step"] == 2
    other.close()
    assert capsys.readouterr().err == ""


def unfinished(key: int, days_ago: float, stage: str = "student") -> Path:
    with Checkpoint(stage, key) as checkpoint:
        checkpoint.save(STATES[1])
    aged(checkpoint.folder, days_ago)
    return checkpoint.folder


def aged(folder: Path, days: float) -> None:
    moment = time.time() - days * 24 * 3600
    os.utime(folder, (moment, moment))


def test_old_unfinished_runs_are_removed_with_a_line_each(capsys):
    folders = [unfinished(key, days) for key, days in enumerate((13.9, 14.1, 200.0))]
    other_stage = unfinished(0, 200.0, "teacher")
    with Checkpoint("student", "new") as checkpoint:
        assert [folder.exists() for folder in folders] == [True, False, False]
        assert checkpoint.folder.exists()
    assert other_stage.exists()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert f"student: removed the unfinished run {folders[1]}, untouched for 14.1 days (kept for 14 days)" in said


def test_the_newest_unfinished_runs_stay_and_its_own_is_none_of_them(capsys):
    seen = []
    for key in range(OTHERS_KEPT + 2):  # the last one finds one too many
        for folder in seen:
            aged(folder, (time.time() - folder.stat().st_mtime) / (24 * 3600) + 1)
        seen.append(unfinished(key, 0.0))
    assert [folder.exists() for folder in seen] == [False] + [True] * (OTHERS_KEPT + 1)
    assert "3 newer ones stay" in capsys.readouterr().err
    with Checkpoint("student", 1) as checkpoint:  # the oldest of those left, gone on with
        assert checkpoint.load()["step"] == 1
    assert all(folder.exists() for folder in seen[1:])


def test_an_old_run_on_which_a_process_works_stays(tmp_path, monkeypatch, capsys):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    held = Checkpoint("student", 1)
    held.save(STATES[1])
    aged(held.folder, 30)
    monkeypatch.chdir(tmp_path)
    with Checkpoint("student", 2):
        assert held.folder.exists()
    assert capsys.readouterr().err == ""
    held.close()


def test_a_run_that_was_killed_before_its_first_state_takes_no_newer_ones_place(capsys):
    with Checkpoint("student", "empty") as empty:
        pass
    with Checkpoint("student", "new"):
        assert not empty.folder.exists()
    assert capsys.readouterr().err == ""


HOLDER = """
import sys, time
from stages.train.checkpoints import Checkpoint
checkpoint = Checkpoint("student", int(sys.argv[1]))
print("has it", flush=True)
sys.stdin.readline()
state = checkpoint.load() or {"step": 0, "kept": None}
checkpoint.save(state | {"step": state["step"] + 1})
print(state["step"], flush=True)
sys.stdin.readline()
checkpoint.finish()
"""


@pytest.fixture
def holder():
    started = []

    def start(key: int = 1, folder: Path = ROOT) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(key)],
            cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go_on(process: subprocess.Popen) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_second_process_waits_and_takes_what_the_first_one_finished(holder):
    first = holder()
    assert first.stdout.readline() == "has it\n"
    second = holder()
    assert second.stderr.readline() == f"student: process {first.pid} trains this already; waiting for it\n"
    go_on(first)
    assert first.stdout.readline() == "0\n"
    go_on(first)
    assert first.wait(timeout=60) == 0
    assert second.stdout.readline() == "has it\n"
    go_on(second)
    assert second.stdout.readline() == "1\n"  # the state that the first one left, though it was finished


def test_the_lock_of_a_dead_process_is_free_and_its_state_is_gone_on_with(holder):
    first = holder()
    assert first.stdout.readline() == "has it\n"
    go_on(first)
    assert first.stdout.readline() == "0\n"
    os.kill(first.pid, signal.SIGKILL)
    first.wait(timeout=60)
    second = holder()
    assert second.stdout.readline() == "has it\n"
    go_on(second)
    assert second.stdout.readline() == "1\n"


def test_another_run_of_the_stage_waits_in_the_same_folder_and_not_in_another(holder, tmp_path):
    """Both would write models/student: the later one to end would decide whose it is."""
    first = holder(1)
    assert first.stdout.readline() == "has it\n"
    elsewhere = holder(2, tmp_path)
    assert select.select([elsewhere.stdout], [], [], 60)[0], "it waits"
    assert elsewhere.stdout.readline() == "has it\n"
    second = holder(3)
    assert select.select([second.stderr], [], [], 60)[0], "it does not wait"
    assert second.stderr.readline() == f"student: process {first.pid} trains this already; waiting for it\n"
    go_on(first)
    assert first.stdout.readline() == "0\n"
    go_on(first)
    assert first.wait(timeout=60) == 0
    assert second.stdout.readline() == "has it\n"
    go_on(second)
    assert second.stdout.readline() == "0\n"  # a run of its own
