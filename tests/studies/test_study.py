"""A whole study by DVC: killed in the middle it goes on, repeats nothing, and leaves the workspace as it was."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_reruns import Copy

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = """\
title: Steps
paper: none
recipes: [tiny]
control: one
arms:
  one: {says: the recipe}
  two: {says: fewer steps, set: {student.steps: 3}}
columns: [{title: mAP@10, part: t2a, measure: map10}]
claims: [{says: Fewer steps are enough, arm: two, against: one, part: t2a, measure: map10, above: -0.5}]
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_killed_study_goes_on_where_it_stopped(tmp_path):
    repository = Copy(tmp_path)
    shutil.copy(ROOT / "tests/tiny.yaml", tmp_path / "recipes/tiny.yaml")
    (tmp_path / "studies/definitions/tiny.yaml").write_text(DEFINITION)
    repository.commit("a study")
    params = (tmp_path / "params.yaml").read_bytes()
    study = [sys.executable, "-m", "studies", "tiny", "--seeds", "0"]

    said = tmp_path.parent / "said.txt"
    with said.open("w") as file:
        first = subprocess.Popen(study, cwd=tmp_path, env=repository.environment, stderr=file, stdout=file)
        deadline = time.monotonic() + 900
        while "tiny.one.0: finished" not in said.read_text():
            assert first.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(3)  # the second has begun: it goes on without the one that began it
        first.kill()
        first.wait()

    second = repository.run(*study)
    assert "2 trials, 1 finished already, 1 to run" in second.stderr
    assert re.findall(r"^(\S+): finished", second.stderr, re.MULTILINE) == ["tiny.two.0"]
    revisions = dict(line.split("\t") for line in repository.run(*study, "--list").stdout.splitlines())
    assert all(re.fullmatch(r"[0-9a-f]{40}", revision) for revision in revisions.values())
    third = repository.run(*study)
    assert "2 trials, 2 finished already, 0 to run" in third.stderr
    assert dict(line.split("\t") for line in repository.run(*study, "--list").stdout.splitlines()) == revisions

    # Another trial under a name that is taken: the old experiment gives way, and what it shares is not run again.
    definition = tmp_path / "studies/definitions/tiny.yaml"
    definition.write_text(DEFINITION.replace("student.steps: 3", "student.steps: 4"))
    fourth = repository.run(*study)
    assert "2 trials, 1 finished already, 1 to run" in fourth.stderr
    changed = dict(line.split("\t") for line in repository.run(*study, "--list").stdout.splitlines())
    assert changed["tiny.one.0"] == revisions["tiny.one.0"]
    assert changed["tiny.two.0"] not in {revisions["tiny.two.0"], "to do"}
    definition.write_text(DEFINITION)

    text = (tmp_path / "reports/studies/tiny.md").read_text()
    assert "Held: Fewer steps are enough" in text
    assert re.search(r"^\| two − one \| [+−]0\.\d{3}", text, re.MULTILINE)
    shown = repository.run("dvc", "exp", "show", "--md").stdout
    assert {"tiny.one.0", "tiny.two.0"} <= set(re.findall(r"tiny\.\w+\.0", shown))
    # The teacher is the same in both arms: DVC trained it once.
    logs = [(tmp_path / f".work/studies/tiny/{arm}.0.log").read_text() for arm in ("one", "two")]
    assert ["Running stage 'teacher'" in log for log in logs] == [True, False]
    # And it lies in the repository's own cache, where a run of the workspace finds it.
    assert (tmp_path / ".dvc/cache/runs").is_dir()
    assert not (tmp_path / ".dvc/cache/files/md5/files").exists()
    assert (tmp_path / "params.yaml").read_bytes() == params
    assert repository.run("git", "status", "--porcelain").stdout == ""
