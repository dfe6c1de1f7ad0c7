"""The doors as users run them, killed from outside at random moments and run again: the very bytes of an unbroken run.

The teacher is a PaSST with patchout that hears its clips from their shards, through effects. The student pools by text,
has soft targets and paraphrases, adds up the gradients of two batches, and has its batches read by another process.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from clapline.tables.pairs import PAIRS
from tests.stages.train.conftest import NAMES
from tests.stages.train.test_mixed_source import rows_of, sound

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
STEPS, LATEST_DEATH = 60, 44  # a process that is to die must not be done first
TEXT = {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 200, "maximum_tokens": 16}
SMALL = {"sample_rate_hz": 8000, "maximum_hz": 3500.0, "duration_s": 0.5}
PASST = {
    "features": {"kind": "passt", "window_samples": 256, "hop_samples": 64, "mel_bands": 32, **SMALL},
    "audio": {
        "kind": "passt",
        "config": {"patch": [8, 8], "width": 16, "depth": 2, "heads": 2, "hidden": 32},
        "patchout_bands": 1,
        "patchout_frames": 2,
    },
    "text": TEXT,
    "head": {"dimension": 16},
}
TEXT_AWARE = {
    "features": {"mel_bands": 16, **SMALL},
    "audio": {"channels": [4, 8], "pooling": "tap", "tap": {"dimension": 16}},
    "text": TEXT,
    "head": {"dimension": 16},
}
# A row of the curve after each step tells where a run stands.
BOTH = {"steps": STEPS, "validate_every_steps": 17, "log_every_steps": 1, "batch_size": 6}
SECTIONS = {
    "teacher": {
        **BOTH,
        "model": PASST,
        "inputs": "streamed",
        "augmentation": {"effects": {"gaussian_noise": 0.5, "time_stretch": 0.4, "pitch_shift": 0.4}, "gain": 0.3},
    },
    "student": {
        **BOTH,
        "init": "scratch",
        "model": TEXT_AWARE,
        "objective": {"contrastive": {"targets": "soft"}, "paraphrase": {"weight": 1.0}},
        "accumulation": 2,
        "augmentation": {"time_mask_frames": 3},
    },
}
LOADERS = {"teacher": 0, "student": 1}
DEATHS = {"teacher": 3, "student": 2}


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with all that both doors read; shards are named relative to it."""
    folder = tmp_path / "whole"
    folder.mkdir()
    monkeypatch.chdir(folder)
    kinds = [k % 8 for k in range(24)]
    captions = [[f"a {NAMES[kind]} sounds"] for kind in kinds]
    rows = rows_of("data/clips/toy", "toy", captions, [sound([kind], k) for k, kind in enumerate(kinds)], val=8)
    CLIPS.write("data/captioned/paired.parquet", CLIPS.frame(rows))
    CLIPS.write("data/roles/unpaired.parquet", CLIPS.frame())
    CLIPS.write("data/mixed/clips.parquet", CLIPS.frame())
    PAIRS.write("data/curated/pairs.parquet", PAIRS.frame())
    SYNTHETIC.write("data/captions/synthetic.parquet", SYNTHETIC.frame())
    written = {"model": "builtin", "prompt_version": "p", "attempts": 1, "similarity": 1.0, "similarity_measure": "l"}
    told = [
        {"dataset": "toy", "clip_id": f"toy{k}", "caption_index": 0, "text": f"there is a {NAMES[kinds[k]]}"}
        | {**written, "level": level, "purpose": "train", "original": captions[k][0]}
        for k in range(8, 24)
        for level in (1, 2)
    ]
    PARAPHRASES.write("data/captions/paraphrases_train.parquet", PARAPHRASES.frame(told))
    return folder


def started(stage: str, folder: Path) -> subprocess.Popen:
    machine = {"device": "cpu", "progress": False, "loaders": LOADERS[stage], "save_every_s": 0.2}
    (folder / "params.yaml").write_text(yaml.safe_dump({"seed": 0, "machine": machine, **SECTIONS}))
    shutil.rmtree(folder / "reports/live" / stage, ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    environment |= {"CLAPLINE_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"stages.train.{stage}"]
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)


def finish(stage: str, folder: Path) -> bytes:
    process = started(stage, folder)
    try:
        assert process.wait(timeout=120) == 0, (folder / "said").read_text()
    finally:
        process.kill()
    return (folder / "models" / stage / "model.safetensors").read_bytes()


def step_of(stage: str, folder: Path) -> int:
    try:
        return int(json.loads((folder / "reports/live" / stage / "metrics.json").read_text())["step"])
    except (OSError, ValueError, KeyError):  # not there yet, or half written
        return 0


def kill_at(step: int, wait_s: float, stage: str, folder: Path) -> None:
    """Start a door, and kill it with SIGKILL a moment after it has made so many steps."""
    process = started(stage, folder)
    try:
        end = time.monotonic() + 120
        while step_of(stage, folder) < step and process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(wait_s)
    finally:
        process.kill()
    assert process.wait(timeout=60) == -9, (folder / "said").read_text()
    assert not (folder / "models" / stage).exists()


def test_doors_that_are_killed_five_times_write_the_bytes_of_unbroken_ones(tables: Path) -> None:
    killed = tables.with_name("killed")
    shutil.copytree(tables, killed)
    whole = {stage: finish(stage, tables) for stage in ("teacher", "student")}
    drawn = random.Random(0)
    for stage, deaths in DEATHS.items():
        for step in sorted(drawn.sample(range(1, LATEST_DEATH), deaths)):
            kill_at(step, drawn.uniform(0, 0.05), stage, killed)
        assert finish(stage, killed) == whole[stage]
        assert (killed / "said").read_text().count(f"{stage}: resumed at step") >= deaths - 1
        assert f"{stage}: resumed" not in (tables / "said").read_text()
