"""The door embed killed with SIGKILL at any moment: no shard is encoded twice, and bytes are as without a break."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stages.curate.tiny_teacher import outputs, write_params, written_workspace

ROOT = Path(__file__).resolve().parents[3]
# Batches of 128: shards of 100 begin and end inside them.
CLIPS, SHARDS, EMBED = 420, 5 + 3, {"clips_per_shard": 100, "captions_per_shard": 4}
SAID = re.compile(
    r"embed: 420 clips, \d+ captions \(11 distinct\)(; (\d+) of 8 shards were finished by a run before)?\n"
)


CASES = {
    "unbroken": ([], None),
    "laying-rows": ([{"where": "laying rows", "call": 2}], None),
    "first-batch": ([{"where": "hearing", "call": 1}], None),
    # The second of the three batches that hold clips of the fourth shard.
    "inside-a-shard": ([{"where": "hearing", "call": 6}], 3),
    "between-shards": ([{"where": "before writing", "call": 3}], 2),
    "half-a-file": (
        [{"where": "writing", "call": 1}, {"where": "writing", "call": 2}, {"where": "hearing", "call": 3}],
        2,
    ),
    "texts": ([{"where": "writing", "call": 7}, {"where": "writing", "call": 2}], 7),
    "at-the-end": (
        [{"where": "linking", "call": 3}, {"where": "counting", "call": 1}, {"where": "discarding", "call": 1}],
        SHARDS,
    ),
}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory) -> Path:
    folder = written_workspace(tmp_path_factory.mktemp("untouched") / "workspace", CLIPS)
    write_params(folder, **EMBED)
    return folder


@pytest.fixture(scope="module")
def ended(untouched, tmp_path_factory) -> Path:
    """A folder with a workspace for each of the cases, in which the door was killed, and then ran to its end."""
    folder = tmp_path_factory.mktemp("ended")
    for name in CASES:
        shutil.copytree(untouched, folder / name)
    deaths = {str(folder / name): deaths for name, (deaths, _) in CASES.items()}
    command = [sys.executable, "-m", "tests.stages.curate.killed_embeds", json.dumps(deaths)]
    subprocess.run(command, env=environment(folder), cwd=ROOT, timeout=300, check=True)
    return folder


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    return kept | {"CLAPLINE_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def taken_over(said: str) -> int | None:
    found = SAID.search(said)
    assert found, said
    return found[2] and int(found[2])


@pytest.mark.parametrize("case", CASES)
def test_no_shard_is_encoded_twice(ended, case):
    folder, (deaths, before) = ended / case, CASES[case]
    said = (folder / "said").read_text()
    assert json.loads((folder / "exits").read_text()) == [9] * len(deaths) + [0], said
    assert taken_over(said) == before
    assert outputs(folder) == outputs(ended / "unbroken")
    encoded = (folder / "encoded").read_text().splitlines()
    assert len(encoded) == len(set(encoded)) == SHARDS
    assert not list((folder / "home/work/embed").iterdir())
    assert sorted(path.name for path in (folder / "data").iterdir()) == ["captioned", "clips", "embeddings", "roles"]


def finished(folder: Path) -> dict[int, Path]:
    """Return the finished shards of unfinished work by their inodes."""
    return {path.stat().st_ino: path for path in folder.glob("home/work/embed/*/[at]*.safetensors")}


def started(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "stages.curate.embed"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment(folder), text=True, **pipes)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [{"processes": 1}, {"processes": 2}, {"engine": "ray"}], ids=str)
def test_the_door_is_killed_from_outside_and_goes_on(untouched, tmp_path, machine):
    if "engine" in machine:
        pytest.importorskip("ray", reason="the extra `ray` is not installed")
    many = {"clips_per_shard": 7, "captions_per_shard": 4}
    folders = [Path(shutil.copytree(untouched, tmp_path / name)) for name in ("unbroken", "killed")]
    for folder in folders:
        write_params(folder, machine, **many)
    run = started(folders[0])
    assert taken_over(run.communicate(timeout=300)[0].replace(" of 63 ", " of 8 ")) is None
    assert run.returncode == 0
    folder, drawn = folders[1], random.Random(0)
    for enough in (1, 40):
        process = started(folder)
        while len(finished(folder)) < enough:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.002)
        time.sleep(drawn.uniform(0, 0.1))
        process.kill()
        process.stdout.read()  # ends when the last process of it has
        assert process.wait() == -9
    kept = finished(folder)
    assert len(kept) >= 40
    process = started(folder)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    found = taken_over(said.replace(" of 63 ", " of 8 "))
    # Tasks of Ray outlive the door by a moment: what they end then is taken over too.
    assert found == len(kept) or ("engine" in machine and len(kept) < found <= len(kept) + 2)
    assert outputs(folder) == outputs(folders[0])
    # Shards of clips become outputs as they are: those that were finished are the very files.
    now = {path.stat().st_ino for path in folder.glob("data/embeddings/audio/*.safetensors")}
    assert {inode for inode, path in kept.items() if path.name.startswith("audio")} <= now


def workers(process: subprocess.Popen) -> list[int]:
    """Return the processes that a process's own children started: those of a pool, by its fork server."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(one) for of in children for one in Path(f"/proc/{of}/task/{of}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_a_process_of_several_that_is_killed_is_named_and_what_is_finished_stays(untouched, tmp_path):
    folder = Path(shutil.copytree(untouched, tmp_path / "killed"))
    write_params(folder, {"processes": 2}, clips_per_shard=7, captions_per_shard=4)
    process = started(folder)
    while len(finished(folder)) < 5:
        assert process.poll() is None, "the run ended before its process could be killed"
        time.sleep(0.002)
    os.kill(workers(process)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert said == (
        "error: embed: a process was killed (out of memory?); try fewer machine.processes: finished shards are kept\n"
    )
    kept = len(finished(folder))
    assert 5 <= kept < 63
    process = started(folder)
    assert taken_over(process.communicate(timeout=300)[0].replace(" of 63 ", " of 8 ")) == kept


@pytest.mark.slow
def test_two_runs_of_the_same_wait_for_each_other(untouched, ended, tmp_path):
    """Two working folders share a store, as temporary experiments do."""
    folders = [Path(shutil.copytree(untouched, tmp_path / name)) for name in ("one", "two")]
    runs = []
    for folder in folders:
        command = [sys.executable, "-m", "stages.curate.embed"]
        shared = environment(folder) | {"CLAPLINE_HOME": str(tmp_path / "home")}
        runs.append(subprocess.Popen(command, cwd=folder, env=shared, stderr=subprocess.PIPE, text=True))
    said = [run.communicate(timeout=300)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(said) in (["", ""], ["", "embed: waiting for another run of the same\n"])
    assert outputs(folders[0]) == outputs(folders[1]) == outputs(ended / "unbroken")
