"""Killed with SIGKILL wherever it stands and run again, a run ends with the bytes of one that was never broken."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
# Validations at 5, 10 and 14; rows of the curve at 4, 8, 12 and 14; the clock saves after every step, or never.
SETTINGS = {"steps": 14, "validate_every_steps": 5, "log_every_steps": 4}
OFTEN, NEVER = {"save_every_s": 1e-9}, {"save_every_s": 1e9}


def deaths(seed: int, count: int, most: int) -> list[dict]:
    """Return where `count` attempts die: each at a step of its own life, before or after the weights move."""
    drawn = random.Random(seed)
    return [{"where": drawn.choice(["before", "after"]), "step": drawn.randint(1, most)} for _ in range(count)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    plans = {
        "whole": (SETTINGS, NEVER, []),
        # Saved after each step: an attempt goes on where the one before died.
        "five": (SETTINGS, OFTEN, deaths(0, 5, 4)),
        # Saved at validations only: an attempt begins again at the last of them.
        "seldom": (SETTINGS, NEVER, deaths(1, 2, 9)),
        "writing": (SETTINGS, OFTEN, [{"where": "saving", "step": step} for step in (1, 4, 3)]),
        "whole, accumulated": (SETTINGS | {"accumulation": 2}, NEVER, []),
        "accumulated": (SETTINGS | {"accumulation": 2}, OFTEN, deaths(2, 2, 6)),
        "read ahead": (SETTINGS, OFTEN | {"loaders": 2}, deaths(3, 1, 12)),
    }
    file = folder / "plans.json"
    file.write_text(
        json.dumps(
            [
                {"name": name, "home": str(folder / name), "settings": settings, "machine": machine, "deaths": places}
                for name, (settings, machine, places) in plans.items()
            ]
        )
    )
    command = [sys.executable, "-m", "tests.stages.train.killed_runs", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert list(found) == list(plans), done.stderr
    return found


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("five", "whole"),
        ("seldom", "whole"),
        ("writing", "whole"),
        ("accumulated", "whole, accumulated"),
        ("read ahead", "whole"),
    ],
)
def test_killed_runs_end_with_the_same_bytes(runs, name, like):
    assert runs[like]["codes"] == [0]
    *killed, last = runs[name]["codes"]
    assert killed == [-9] * len(killed)
    assert killed
    assert last == 0
    assert runs[name]["digest"] == runs[like]["digest"]


def test_another_setting_gives_other_bytes(runs):
    """The digests are no constant."""
    assert runs["whole"]["digest"] != runs["whole, accumulated"]["digest"]
