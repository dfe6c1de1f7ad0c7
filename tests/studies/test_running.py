"""Running trials in clones: several at a time, failing, interrupted and left ones; what is fetched from them."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from studies import clones
from studies.clones import Clone
from studies.finished import finished, git, reference
from studies.running import run_all
from studies.trials import Trial
from tests.studies.test_finished import Repository

# What a trial runs here in place of DVC: it tells when it began and ended, and records an experiment as DVC does.
BODY = """
import os, pathlib, subprocess, sys, time
name, commit, here = sys.argv[1:4]
def say(*words):
    with open(here + "/said.txt", "a") as file:
        print(*words, file=file)
say("begin", name)
BETWEEN
say("end", name)
if "bad" in name:
    print("ERROR: broken")
    raise SystemExit(1)
git = lambda *words: subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()
git("-c", "user.name=t", "-c", "user.email=t@e", "commit", "-qam", name)
git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/{name}", "HEAD")
git("reset", "-q", "--hard", commit)
"""


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Repository:
    (tmp_path / "repository").mkdir()
    made = Repository(tmp_path / "repository")
    (made.folder / ".dvc").mkdir()
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(clones, "_cache_of", lambda root: str(tmp_path / "cache"))
    return made


def prepared(repository: Repository, count: int, tmp_path: Path) -> list[Clone]:
    commit = repository.git("rev-parse", "HEAD")
    found = [Clone(repository.folder, tmp_path / f"clone-{n}", commit, tmp_path / "logs") for n in range(count)]
    for clone in found:
        clone.prepare()
    return found


def bodies(monkeypatch, tmp_path, repository, between: str = "time.sleep(2)") -> None:
    commit = repository.git("rev-parse", "HEAD")
    body = BODY.replace("BETWEEN", between)
    monkeypatch.setattr(
        clones, "command", lambda trial: [sys.executable, "-uc", body, trial.name, commit, str(tmp_path)]
    )


def trial(arm: str, seed: int = 0) -> Trial:
    return Trial("s", arm, seed, {"seed": seed, "arm": arm})


def order(tmp_path: Path) -> list[tuple[str, str]]:
    return [tuple(line.split()) for line in (tmp_path / "said.txt").read_text().splitlines()]


def most_at_once(tmp_path: Path) -> int:
    running = most = 0
    for what, _ in order(tmp_path):
        running += 1 if what == "begin" else -1
        most = max(most, running)
    return most


@pytest.mark.parametrize("jobs", [1, 2])
def test_trials_become_experiments_of_the_repository_and_a_failing_one_stops_none(
    repository, monkeypatch, tmp_path, jobs
):
    bodies(monkeypatch, tmp_path, repository)
    wanted = [trial(arm, seed) for seed in (0, 1) for arm in ("one", "bad", "three")]
    ended = []
    failed = run_all(wanted, prepared(repository, jobs, tmp_path), lambda of, problem: ended.append((of.name, problem)))
    assert sorted(name for name, _ in ended) == sorted(of.name for of in wanted)
    assert sorted(of.split(" failed")[0] for of in failed) == ["s.bad.0", "s.bad.1"]
    assert all("(ERROR: broken; all of it: " in of for of in failed)
    assert set(finished(wanted, "HEAD")) == {f"s.{arm}.{seed}" for arm in ("one", "three") for seed in (0, 1)}
    assert most_at_once(tmp_path) == jobs
    assert repository.git("status", "--porcelain", "--untracked-files=no") == ""


def test_the_first_trial_of_a_seed_runs_before_its_others(repository, monkeypatch, tmp_path):
    """What they share, a teacher, is made once; another seed may run beside it."""
    bodies(monkeypatch, tmp_path, repository, "time.sleep(5 if name.endswith('a.0') else 1)")
    wanted = [trial("a"), trial("b"), trial("c"), trial("a", 1), trial("b", 1)]
    assert run_all(wanted, prepared(repository, 2, tmp_path), lambda *_: None) == []
    said = order(tmp_path)
    for seed in (0, 1):
        of = [words for words in said if words[1].endswith(f".{seed}")]
        assert of[:2] == [("begin", f"s.a.{seed}"), ("end", f"s.a.{seed}")]
    assert said[0][1] == "s.a.0"
    assert said[1] == ("begin", "s.a.1")


def test_a_clone_has_the_commit_the_trials_params_and_the_repositorys_machine(repository, monkeypatch, tmp_path):
    commit = repository.git("rev-parse", "HEAD")
    look = (
        "open(here + '/params.txt', 'w').write(open('params.yaml').read());"
        "open(here + '/env.txt', 'w').write(os.environ['DVC_ROOT'] + ' ' + os.environ['CLAPLINE_HOME'])"
    )
    bodies(monkeypatch, tmp_path, repository, look)
    (clone,) = prepared(repository, 1, tmp_path)
    repository.write("stages/two/b.py", "an edit while the study runs\n")
    repository.write("params.yaml", "seed: 9\n")
    clone = Clone(clone.root, clone.folder, clone.commit, clone.logs, {"workers": 3})
    assert run_all([trial("one")], [clone], lambda *_: None) == []
    assert yaml.safe_load((tmp_path / "params.txt").read_text()) == {"seed": 0, "arm": "one", "machine": {"workers": 3}}
    assert (tmp_path / "env.txt").read_text() == f"{repository.folder} {tmp_path / 'home'}"
    assert git("show", f"{reference(commit, 's.one.0')}:stages/two/b.py") == "1\n"
    assert (repository.folder / "params.yaml").read_text() == "seed: 9\n"


def test_an_experiment_of_the_name_with_other_params_is_kept_under_another(repository, monkeypatch, tmp_path):
    bodies(monkeypatch, tmp_path, repository, "")
    commit = repository.git("rev-parse", "HEAD")
    old = repository.experiment("s.one.0", "seed: 0\narm: other\n")
    assert run_all([trial("one")], prepared(repository, 1, tmp_path), lambda *_: None) == []
    assert repository.git("rev-parse", reference(commit, f"s.one.0-{old[:7]}")) == old
    assert finished([trial("one")], "HEAD")["s.one.0"] != old


def test_an_interruption_stops_what_runs_and_what_that_started(repository, monkeypatch, tmp_path):
    child = (
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', 'child-of-' + name]); time.sleep(60)"
    )
    bodies(monkeypatch, tmp_path, repository, child)
    clone = prepared(repository, 1, tmp_path)

    def interrupt(_: float) -> None:
        if processes_with("child-of-s.one.0"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("studies.running.time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_all([trial("one"), trial("two")], clone, lambda *_: None)
    deadline = time.monotonic() + 10
    while processes_with("s.one.0") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_with("s.one.0") == []
    assert finished([trial("one")], "HEAD") == {}


def processes_with(word: str) -> list[int]:
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        told = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(re.search(rf"\b{word}$", part) for part in told):
            found.append(process.info["pid"])
    return found


def test_a_trial_that_a_killed_call_left_running_is_waited_for_and_not_run_twice(repository, monkeypatch, tmp_path):
    bodies(monkeypatch, tmp_path, repository, "time.sleep(2)")
    (clone,) = prepared(repository, 1, tmp_path)
    begun = clone.start(trial("one"))
    assert clone.left_running([trial("two"), trial("one")]).pid == begun.pid
    assert clone.left_running([trial("two")]) is None
    ended = []
    assert run_all([trial("one"), trial("two")], [clone], lambda of, problem: ended.append((of.arm, problem))) == []
    assert ended == [("one", None), ("two", None)]
    assert [name for what, name in order(tmp_path) if what == "begin"] == ["s.one.0", "s.two.0"]
    begun.process.wait()
    assert clone.left_running([trial("one")]) is None
    elsewhere = Clone(clone.root, tmp_path / "other", clone.commit, clone.logs)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "s.one.0"])
    (tmp_path / "other.pid").write_text(str(sleeper.pid))  # a process of that name, but not in that clone
    assert elsewhere.left_running([trial("one")]) is None
    sleeper.kill()
    sleeper.wait()
