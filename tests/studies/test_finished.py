"""Finished trials: told from git's refs by name, params and code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from clapline.errors import UserError
from studies.finished import code_paths, finished, reference, refuse_uncommitted_code
from studies.trials import Trial
from tools.stage_deps import stages

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = {
    "one": {"foreach": "x", "do": {"cmd": "a", "deps": ["clapline/kinds/${item.kind}", "stages/one/a.py"],
                                   "outs": [{"data/one/${key}": {"cache": True}}]}},
    "two": {"cmd": "b", "deps": ["data/one", "stages/two/b.py"], "outs": ["data/two"]},
    "evaluate": {"cmd": "c", "deps": ["data/two/x.parquet", "stages/evaluate/c.py"], "outs": ["reports/evaluate"]},
    "richness": {"cmd": "d", "deps": ["stages/analyse/d.py"], "outs": []},
    "report": {"cmd": "e", "deps": ["reports/evaluate", "stages/report/e.py"], "outs": ["reports/site"]},
}  # fmt: skip


def test_the_code_of_a_study_is_that_of_its_stages_and_of_all_before_them():
    assert code_paths(PIPELINE) == [
        "clapline/kinds",
        "stages/analyse/d.py",
        "stages/evaluate/c.py",
        "stages/one/a.py",
        "stages/two/b.py",
    ]
    assert code_paths(PIPELINE, ["two"]) == ["clapline/kinds", "stages/one/a.py", "stages/two/b.py"]


def test_of_the_real_pipeline_that_is_all_but_the_report_and_topics():
    paths = code_paths(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert {"clapline/datasets", "stages/train/loop.py", "stages/curate/choose.py", "stages/evaluate/walks.py"} <= set(
        paths
    )
    assert not [path for path in paths if path.startswith(("stages/report", "stages/analyse/topic"))]
    assert all((ROOT / path).exists() for path in paths)
    assert len(stages(yaml.safe_load((ROOT / "dvc.yaml").read_text()))) > 15


class Repository:
    """A git repository with a pipeline of two stages, and what DVC's experiments leave in it: refs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q")
        self.git("config", "user.email", "test@example.org")
        self.git("config", "user.name", "test")
        for name, text in {
            "dvc.yaml": yaml.safe_dump({"stages": PIPELINE}),
            "stages/two/b.py": "1\n",
            "stages/report/e.py": "1\n",
            "params.yaml": "seed: 0\nrate: 0.1\n",
        }.items():
            self.write(name, text)
        self.commit("start")

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def experiment(self, name: str, params: str) -> str:
        """Record an experiment of HEAD as DVC does, and come back to HEAD."""
        head = self.git("rev-parse", "HEAD")
        self.write("params.yaml", params)
        revision = self.commit("dvc: experiment")
        self.git("update-ref", reference(head, name), revision)
        self.git("reset", "-q", "--hard", head)
        return revision


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Repository:
    made = Repository(tmp_path / "repository") if (tmp_path / "repository").mkdir() is None else None
    monkeypatch.chdir(made.folder)
    return made


TRIAL = Trial("s", "arm", 1, {"seed": 1, "rate": 4e-6, "machine": {"threads": 1}})
WRITTEN = "seed: 1\nrate: 4e-06\nmachine: {threads: 8}\n"  # as DVC writes them; the machine changes no result


def test_an_experiment_with_the_params_and_the_code_is_finished(repository):
    assert finished([TRIAL], "HEAD") == {}
    revision = repository.experiment("s.arm.1", WRITTEN)
    assert finished([TRIAL], "HEAD") == {"s.arm.1": revision}
    assert finished([Trial("s", "arm", 2, TRIAL.params)], "HEAD") == {}


@pytest.mark.parametrize("params", ["seed: 1\nrate: 0.2\n", "seed: 2\nrate: 4e-06\n", WRITTEN + "more: 1\n"])
def test_other_params_under_its_name_are_not_it(repository, params):
    repository.experiment("s.arm.1", params)
    assert finished([TRIAL], "HEAD") == {}


def test_an_experiment_of_an_earlier_commit_counts_until_its_code_changes(repository):
    revision = repository.experiment("s.arm.1", WRITTEN)
    repository.write("stages/report/e.py", "2\n")
    repository.commit("another report")
    assert finished([TRIAL], "HEAD") == {"s.arm.1": revision}
    later = repository.experiment("s.arm.1", WRITTEN)
    repository.git("commit", "--amend", "-qm", "another report", "--date", "2001-01-01T00:00:00")
    assert finished([TRIAL], "HEAD")["s.arm.1"] in {revision, later}
    repository.write("stages/two/b.py", "2\n")
    repository.commit("another stage")
    assert finished([TRIAL], "HEAD") == {}


def test_the_code_of_the_commit_asked_for_counts_whatever_became_of_head(repository):
    start, revision = repository.git("rev-parse", "HEAD"), repository.experiment("s.arm.1", WRITTEN)
    repository.write("stages/two/b.py", "2\n")
    repository.commit("another stage")
    assert finished([TRIAL], start) == {"s.arm.1": revision}
    assert finished([TRIAL], "HEAD") == {}
    repository.git("checkout", "-q", start)
    repository.write("dvc.yaml", yaml.safe_dump({"stages": {**PIPELINE, "two": {**PIPELINE["two"], "cmd": "other"}}}))
    repository.commit("another command")
    assert finished([TRIAL], "HEAD") == {}


def test_code_that_is_not_committed_is_refused_and_params_may_differ(repository):
    refuse_uncommitted_code()
    repository.write("params.yaml", "seed: 5\n")
    repository.write("stages/new.py", "")  # not tracked: no trial has it
    refuse_uncommitted_code()
    repository.write("stages/two/b.py", "2\n")
    with pytest.raises(UserError, match=r"stages/two/b\.py is not committed"):
        refuse_uncommitted_code()
