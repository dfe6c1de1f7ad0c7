"""Experiments: which count as finished, what code they depend on, and running several, killed and failing ones too."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from clapline.errors import UserError
from studies import experiments
from studies.experiments import code_paths, command, finished, left_running, log_of, refuse_uncommitted_code, start
from studies.running import run_all
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
        self.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", revision)
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
    assert finished([TRIAL]) == {}
    revision = repository.experiment("s.arm.1", WRITTEN)
    assert finished([TRIAL]) == {"s.arm.1": revision}
    assert finished([Trial("s", "arm", 2, TRIAL.params)]) == {}


@pytest.mark.parametrize("params", ["seed: 1\nrate: 0.2\n", "seed: 2\nrate: 4e-06\n", WRITTEN + "more: 1\n"])
def test_other_params_under_its_name_are_not_it(repository, params):
    repository.experiment("s.arm.1", params)
    assert finished([TRIAL]) == {}


def test_an_experiment_of_an_earlier_commit_counts_until_its_code_changes(repository):
    revision = repository.experiment("s.arm.1", WRITTEN)
    repository.write("stages/report/e.py", "2\n")
    repository.commit("another report")
    assert finished([TRIAL]) == {"s.arm.1": revision}
    later = repository.experiment("s.arm.1", WRITTEN)
    repository.git("commit", "--amend", "-qm", "another report", "--date", "2001-01-01T00:00:00")
    assert finished([TRIAL])["s.arm.1"] in {revision, later}
    repository.write("stages/two/b.py", "2\n")
    repository.commit("another stage")
    assert finished([TRIAL]) == {}


def test_code_that_is_not_committed_is_refused_and_params_may_differ(repository):
    refuse_uncommitted_code()
    repository.write("params.yaml", "seed: 5\n")
    repository.write("stages/new.py", "")  # not tracked: DVC would not take it along
    refuse_uncommitted_code()
    repository.write("stages/two/b.py", "2\n")
    with pytest.raises(UserError, match=r"stages/two/b\.py is not committed"):
        refuse_uncommitted_code()


def test_the_command_changes_the_workspaces_params_into_the_trials(repository):
    words = command(TRIAL)
    assert words[1:7] == ["-m", "dvc", "exp", "run", "--temp", "-n"]  # never --force: it would run every stage again
    assert words[7] == "s.arm.1"
    assert words[-2:] == ["evaluate", "richness"]
    sets = [after for before, after in pairwise(words) if before == "-S"]
    assert sets == ["++seed=1", "++rate=4e-06", "++machine={threads:1}"]


def script(monkeypatch, text: str) -> list[str]:
    """Let trials run a script in place of DVC, which is told the trial's name; return the names that finish."""
    done: list[str] = []
    monkeypatch.setattr(experiments, "command", lambda trial: [sys.executable, "-uc", text, trial.name])
    monkeypatch.setattr(experiments, "remove_other", lambda trial: None)
    monkeypatch.setattr(experiments, "finished", lambda trials: {t.name: "rev" for t in trials if t.name in done})
    return done


def trials(count: int) -> list[Trial]:
    return [Trial("s", f"arm{number}", 0, {}) for number in range(count)]


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_run_at_most_so_many_at_a_time_and_a_failing_one_stops_none(tmp_path, monkeypatch, jobs):
    text = (
        "import sys, time, pathlib\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "print('Reproducing', sys.argv[1])\n"
        "(here / (sys.argv[1] + '.on')).touch()\n"
        "print('most', len(list(here.glob('*.on'))))\n"
        "time.sleep(3.0)\n"
        "(here / (sys.argv[1] + '.on')).unlink()\n"
        "print('ERROR: broken') if 'arm1' in sys.argv[1] else None\n"
    )
    done = script(monkeypatch, text)
    done += ["s.arm0.0", "s.arm2.0", "s.arm3.0"]
    ended = []
    failed = run_all(trials(4), jobs, tmp_path / "logs", lambda trial, problem: ended.append((trial.name, problem)))
    assert sorted(name for name, _ in ended) == [f"s.arm{number}.0" for number in range(4)]
    assert len(failed) == 1
    assert failed[0].startswith("s.arm1.0 failed (ERROR: broken; all of it: ")
    most = max(int(line.split()[1]) for log in tmp_path.glob("logs/s/*.log") for line in log.read_text().splitlines()
               if line.startswith("most"))  # fmt: skip
    assert most == jobs


def test_the_next_begins_only_when_dvc_has_taken_the_one_before(tmp_path, monkeypatch):
    text = (
        "import sys, time\n"
        "print('queued', time.monotonic()); time.sleep(1.0)\n"
        "print('Reproducing', time.monotonic()); time.sleep(1.0)\n"
    )
    done = script(monkeypatch, text)
    done += ["s.arm0.0", "s.arm1.0"]
    assert run_all(trials(2), 2, tmp_path, lambda *_: None) == []
    moments = [dict(line.split() for line in log_of(trial, tmp_path).read_text().splitlines()) for trial in trials(2)]
    assert float(moments[1]["queued"]) > float(moments[0]["Reproducing"])


def test_an_interruption_stops_what_runs_and_what_that_started(tmp_path, monkeypatch):
    text = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', 'grandchild ' + sys.argv[1]])\n"
        "print('Reproducing'); time.sleep(60)\n"
    )
    script(monkeypatch, text)

    def interrupt(_: float) -> None:
        if len(running_with("grandchild s.arm0.0")):
            raise KeyboardInterrupt

    monkeypatch.setattr("studies.running.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_all(trials(2), 1, tmp_path, lambda *_: None)
    deadline = time.monotonic() + 10
    while running_with("s.arm0.0") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running_with("s.arm0.0") == []


def running_with(word: str) -> list[int]:
    import psutil

    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if any(word in part for part in process.info["cmdline"] or ()) and process.info["status"] != "zombie"
    ]


def test_a_trial_that_a_killed_call_left_running_is_waited_for_and_not_run_twice(tmp_path, monkeypatch):
    text = f"import time, pathlib; pathlib.Path({str(tmp_path)!r}, 'count').open('a').write('x'); time.sleep(2)"
    done = script(monkeypatch, text)
    done.append("s.arm0.0")
    begun = start(trials(1)[0], tmp_path)
    assert left_running(trials(1)[0], tmp_path).pid == begun.pid
    assert left_running(Trial("s", "arm9", 0, {}), tmp_path) is None
    ended = []
    assert run_all(trials(1), 1, tmp_path, lambda trial, problem: ended.append(problem)) == []
    assert ended == [None]
    assert (tmp_path / "count").read_text() == "x"
    begun.process.wait()
    assert left_running(trials(1)[0], tmp_path) is None
    log_of(trials(1)[0], tmp_path).with_suffix(".pid").write_text("1")  # of another program by now
    assert left_running(trials(1)[0], tmp_path) is None
