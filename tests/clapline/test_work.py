"""Unfinished work is held by one run at a time, found again by the next one, and cleared away by others."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clapline.work import discard, held_work

ROOT = Path(__file__).resolve().parents[2]


def test_work_is_held_by_one_run_and_other_work_is_cleared(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path))
    with held_work("stage some", 1) as folder:
        (folder / "00000.tar").touch()
    with held_work("stage some", 1) as again:
        assert again == folder
        assert (folder / "00000.tar").exists()
        with (folder / "lock").open("ab") as second, pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with held_work("stage some", 2) as other:
            assert other != folder
            assert folder.exists()  # somebody holds it
        with held_work("stage another", 1):
            assert other.exists()  # another run's work is its own business
    with held_work("stage some", 2):
        assert not folder.exists()  # nobody holds it


def test_a_run_waits_for_another_of_the_same_and_finds_the_folder_anew(tmp_path):
    code = (
        "import time\n"
        "from clapline.work import discard, held_work\n"
        "with held_work('stage some', 1) as folder:\n"
        "    assert not (folder / 'mark').exists()\n"
        "    (folder / 'mark').touch()\n"
        "    time.sleep(0.5)\n"
        "    discard(folder)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CLAPLINE_HOME": str(tmp_path)}
    runs = [subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT) for _ in range(3)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0, 0]


def test_a_folder_on_its_way_out_is_nobodys_work(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path))
    remove = shutil.rmtree

    def another_run_comes_first(path, **more):
        monkeypatch.setattr(shutil, "rmtree", remove)
        with held_work("stage some", 2) as other:
            assert [found.name for found in other.parent.iterdir()] == [other.name]
            discard(other)
        shutil.rmtree(path, **more)

    with held_work("stage some", 1) as folder:
        (folder / "00000.tar").touch()
        monkeypatch.setattr(shutil, "rmtree", another_run_comes_first)
        discard(folder)
    assert not list(folder.parent.iterdir())


def test_a_run_that_waits_says_so(tmp_path):
    code = "from clapline.work import held_work\nwith held_work('stage some', 1): input()\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CLAPLINE_HOME": str(tmp_path)}
    files = [tmp_path / "first", tmp_path / "second"]
    runs = []
    for file in files:
        with file.open("w") as said:
            command = [sys.executable, "-c", code]
            runs.append(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=said))
    until = time.monotonic() + 60
    while not any(file.read_text() for file in files) and time.monotonic() < until:
        time.sleep(0.05)
    for run in runs:
        run.stdin.write(b"\n")
        run.stdin.close()
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert sorted(file.read_text() for file in files) == ["", "stage some: waiting for another run of the same\n"]
