"""A run that is killed in mid-prepare: the next one takes over what was finished, and ends with the same bytes."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clapline.datasets.card import RawClip
from clapline.params.machine import Machine
from clapline.params.prepare import Prepare
from stages.prepare.items import list_items
from stages.prepare.pack import packed
from stages.prepare.shard import Job, make_part
from stages.prepare.work import held_work, state_of

ROOT = Path(__file__).resolve().parents[3]


def write_noise(path, seed, duration_s=0.5, rate_hz=16000):
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, round(duration_s * rate_hz))
    soundfile.write(path, samples, rate_hz)


def workspace(folder, recordings, workers, duration_s):
    """Make a folder with params and a raw dataset of the kind `folder`, some items of which are bad."""
    audio = folder / "data/raw/mine/audio"
    audio.mkdir(parents=True)
    (folder / "params.yaml").write_text(
        "datasets: {mine: {kind: folder, path: x}}\n"
        f"prepare: {{clips_per_shard: 70}}\nmachine: {{workers: {workers}, progress: false}}\n"
    )
    (audio.parent / "left_out.json").write_text("{}")
    for number in range(recordings):
        write_noise(audio / f"{number:04d}.wav", number, duration_s, 44100)
    (audio / "0003.wav").write_bytes(b"")
    return audio


def started(folder, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CLAPLINE_HOME": str(folder / "stores")}
    command = [sys.executable, "-m", "stages.prepare", "mine"]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, **more)


def journaled(folder):
    """Return the entries of all journals of unfinished work, each item once.

    A kill between the joining of a shard's parts and their clearing leaves its items in two journals.
    """
    lines = []
    for journal in folder.glob("stores/work/prepare/mine/*/*.jsonl"):
        lines += [line for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    entries = [json.loads(line) for line in lines]
    return list({entry.get("clip_id") or entry["path"]: entry for entry in entries}.values())


def outputs(folder):
    paths = [*(folder / "data/clips").rglob("*"), *(folder / "data/index").rglob("*")]
    return {path.relative_to(folder): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_to_the_bytes_of_an_unbroken_one(tmp_path, workers):
    unbroken = started_to_end(tmp_path / "unbroken", 300, workers=2)
    folder = tmp_path / "broken"
    audio = workspace(folder, 300, workers, duration_s=5.0)
    finished = 0
    for enough in (40, 120):
        process = started(folder)
        while len(journaled(folder)) < enough:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.005)
        process.kill()
        process.stdout.read()  # ends when the last worker has
        process.wait()
        entries = journaled(folder)
        assert finished <= len(entries) < 300
        finished = len(entries)
    # What is finished is not decoded again: its recordings hold nothing any more, though nothing tells so from outside.
    for entry in entries:
        path = audio / f"{entry['clip_id']}.wav" if "clip_id" in entry else audio.parent / entry["path"]
        stat = path.stat()
        path.write_bytes(bytes(stat.st_size))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    # A kill tears a line of a journal, or leaves a clip that no line tells of.
    torn = next(folder.glob("stores/work/prepare/mine/*/*-*.jsonl"))
    with torn.open("ab") as journal:
        journal.write(b'{"dataset": "mine", "clip_id": "00')
    with torn.with_suffix(".tar").open("ab") as tar:
        tar.write(b"half a clip")
    process = started(folder)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    taken_over = int(re.search(r"; (\d+) of 300 items were finished by a run before", said)[1])
    assert taken_over == finished
    assert outputs(folder) == outputs(unbroken)
    assert len(outputs(folder)) == 5 + 4  # shards and tables
    assert not list(folder.glob("stores/work/prepare/mine/*"))


def started_to_end(folder, recordings, workers):
    workspace(folder, recordings, workers, duration_s=5.0)
    process = started(folder)
    said, _ = process.communicate(timeout=100)
    assert said.endswith("299 clips, 0.42 h; 1 items set aside\n"), said
    return folder


def test_clips_that_are_not_what_the_journal_says_are_made_again(tmp_path):
    raw, folder = tmp_path / "raw", tmp_path / "work"
    raw.mkdir()
    folder.mkdir()
    for number in range(40):
        write_noise(raw / f"{number:02d}.wav", number)
    items = [RawClip(clip_id=f"{number:02d}", path=Path(f"{number:02d}.wav")) for number in range(40)]
    whole = tmp_path / "whole"
    whole.mkdir()
    packed("some", items, raw, whole, "clips", Prepare(), Machine(workers=1))
    job = Job("some", raw, folder, "clips", Prepare(), 40)
    list_items("some", items, folder, 256)
    assert make_part(job, 0, 0) == (32, 0)
    assert make_part(job, 0, 0) == (32, 32)
    tar = job.part(0, 0, "tar")
    data = bytearray(tar.read_bytes())
    entry = json.loads(job.part(0, 0, "jsonl").read_bytes().splitlines()[20])
    data[entry["offset"] + 100] ^= 1
    tar.write_bytes(bytes(data))
    assert make_part(job, 0, 0) == (32, 20)
    done = packed("some", items, raw, folder, "clips", Prepare(), Machine(workers=1))
    assert done.finished_before == 32
    for name in ("00000.tar", "00000.jsonl"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_unfinished_work_is_of_one_dataset_and_what_decides_its_clips(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path))
    with held_work("some", 1) as folder:
        assert folder.parent == tmp_path / "work/prepare/some"
    with held_work("another", 2), held_work("some", 1) as again:
        assert again == folder
    with held_work("some", 2):
        assert not folder.exists()


def test_the_state_of_a_folder_follows_its_files(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/x").write_text("one")
    (tmp_path / "a").write_text("two")
    states = [state_of(tmp_path)]
    os.utime(tmp_path / "a", ns=(1, 1))
    states.append(state_of(tmp_path))
    (tmp_path / "b/x").rename(tmp_path / "b/y")
    states.append(state_of(tmp_path))
    (tmp_path / "a").write_text("three")
    os.utime(tmp_path / "a", ns=(1, 1))
    states.append(state_of(tmp_path))
    assert len(set(states)) == 4
    (tmp_path / ".hidden").touch()  # a manifest may name it
    states.append(state_of(tmp_path))
    assert len(set(states)) == 5
    (tmp_path / "b/back").symlink_to(tmp_path)
    assert state_of(tmp_path) == states[-1]


MEASURED = """
import resource, sys
from pathlib import Path
from clapline.datasets.card import RawClip
from clapline.params.machine import Machine
from clapline.params.prepare import Prepare
from stages.prepare import pack

folder, clips = Path(sys.argv[1]), int(sys.argv[2])
captions = lambda number: (f"the {number}th sound of a dog that barks",) * 2
items = (RawClip(f"clip {number}", Path("a.wav"), captions=captions(number)) for number in range(clips))
read_index = pack.read_index

def noting(*given):
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return read_index(*given)

pack.read_index = noting
done = pack.packed("some", items, folder, folder, "clips", Prepare(clips_per_shard=64), Machine(workers=1))
print(done.index.clips.nbytes)
"""


def memory(folder, clips):
    """Return the most memory a process had in use when all clips were packed, and the bytes of the table's columns."""
    folder.mkdir()
    write_noise(folder / "a.wav", 0, 0.1)
    command = [sys.executable, "-c", MEASURED, str(folder), str(clips)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [int(number) for number in said.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_memory_holds_neither_clips_nor_rows(tmp_path):
    (small, _), (large, columns) = memory(tmp_path / "small", 500), memory(tmp_path / "large", 8500)
    # A FLAC is 3,300 bytes here; rows that are kept as Python objects show as 660 beyond what importing took.
    assert (large - small) / 8000 < 400
    assert columns / 8500 < 400
