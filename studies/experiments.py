"""The trials as DVC experiments: which are finished, and running one in a folder of its own (`dvc exp run --temp`)."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from clapline.errors import UserError
from clapline.params.base import PARAMS_FILE, parsed_params, read_params
from clapline.storage import write_text
from studies.overrides import overrides
from studies.trials import Trial, deciding

TARGETS = ("evaluate", "richness")  # what a study needs; the second so that metrics of captions are the trial's own
_EXPERIMENT = re.compile(r"^refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(?P<name>[^/]+)$")
_CODE = ("clapline/", "stages/")


def git(*words: str) -> str:
    """Return what git prints. Raises UserError where it fails."""
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"git {' '.join(words[:3])}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout


def code_paths(pipeline: Mapping[str, Any], targets: Sequence[str] = TARGETS) -> list[str]:
    """Return the code that the targets and all stages before them depend on.

    Args:
        pipeline: `stages` of dvc.yaml. Of a path of a `foreach` stage what stands before the first `${` counts.
        targets: stages.
    """
    bodies = {name: stage.get("do", stage) for name, stage in pipeline.items()}
    made = {name: [_fixed(path) for path in _paths(body.get("outs"))] for name, body in bodies.items()}
    wanted, needed = list(targets), set()
    while wanted:
        name = wanted.pop()
        if name in needed:
            continue
        needed.add(name)
        reads = [_fixed(path) for path in _paths(bodies[name].get("deps"))]
        wanted += [other for other, outs in made.items() if any(_meet(one, out) for one in reads for out in outs)]
    code = {path for name in needed for path in _paths(bodies[name].get("deps")) if path.startswith(_CODE)}
    return sorted({_fixed(path).rstrip("/") for path in code})


def _paths(entries: Sequence[Any] | None) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries or ()]


def _fixed(path: str) -> str:
    return path.split("${")[0]


def _meet(one: str, other: str) -> bool:
    """Return whether one path is the other, holds it or lies in it."""
    first, second = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return first.startswith(second) or second.startswith(first)


def refuse_uncommitted_code() -> None:
    """Raise a UserError where code differs from the last commit: an experiment is one of a commit."""
    edited = git("status", "--porcelain", "--untracked-files=no", "--", *_CODE, "dvc.yaml").splitlines()
    if edited:
        raise UserError(
            f"{edited[0][3:]} is not committed: commit your code first, a trial is an experiment of a commit"
        )


def finished(trials: Iterable[Trial]) -> dict[str, str]:
    """Return experiment name → revision, of the trials whose experiment has the same params and the same code.

    An experiment of an earlier commit counts too, where nothing that it depends on has changed. Of several the newest
    is taken.
    """
    wanted = {trial.name: trial for trial in trials}
    paths = code_paths(yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"])
    code: dict[str, str] = {}
    found = {}
    listed = git("for-each-ref", "--sort=committerdate", "--format=%(objectname) %(refname)", "refs/exps")
    for line in listed.splitlines():
        revision, reference = line.split(maxsplit=1)
        match = _EXPERIMENT.match(reference)
        trial = wanted.get(match["name"]) if match else None
        if trial is None:
            continue
        for of in (revision, "HEAD"):
            code[of] = code.get(of) or git("ls-tree", "-r", of, "--", *paths)
        params = parsed_params(git("show", f"{revision}:{PARAMS_FILE}"), f"{trial.name}: {PARAMS_FILE}")
        if code[revision] == code["HEAD"] and deciding(params) == trial.decides:
            found[trial.name] = revision
    return found


def command(trial: Trial) -> list[str]:
    """Return the DVC command that runs a trial from the workspace's params.yaml."""
    sets = [word for value in overrides(read_params(), trial.params) for word in ("-S", value)]
    return [sys.executable, "-m", "dvc", "exp", "run", "--temp", "-n", trial.name, *sets, *TARGETS]


def remove_other(trial: Trial) -> None:
    """Remove an experiment of this commit that bears the trial's name with other params: names are given once."""
    head = git("rev-parse", "HEAD").strip()
    if git("for-each-ref", f"refs/exps/{head[:2]}/{head[2:]}/{trial.name}"):
        subprocess.run([sys.executable, "-m", "dvc", "exp", "remove", "-q", trial.name], check=False)


@dataclass
class Running:
    """A trial that runs: a process of ours, or one that an earlier call left behind."""

    trial: Trial
    pid: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def has_begun(self) -> bool:
        """Return whether DVC has taken the trial out of its stash: only then may the next be put there."""
        return "Reproducing" in self.log.read_text(encoding="utf-8", errors="replace")

    def ended(self) -> bool:
        """Return whether the process is no more."""
        return (self.process.poll() is not None) if self.process else not _runs(self.pid, self.trial)

    def failed(self) -> bool:
        """Return whether it ended without an experiment of the trial."""
        return self.trial.name not in finished([self.trial])

    def stop(self) -> None:
        """Stop the process and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        if self.process:
            self.process.wait()


def start(trial: Trial, folder: Path) -> Running:
    """Start a trial in a process group of its own. Under `folder` lie what it prints, and its process id."""
    remove_other(trial)
    log = log_of(trial, folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    # What the pipeline runs is `python`: that of this environment, activated or not.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command(trial),
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    write_text(log.with_suffix(".pid"), str(process.pid))
    return Running(trial, process.pid, log, process)


def left_running(trial: Trial, folder: Path) -> Running | None:
    """Return the process of a trial that an earlier call began and that still runs, for the call itself was killed."""
    log = log_of(trial, folder)
    try:
        pid = int(log.with_suffix(".pid").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Running(trial, pid, log) if _runs(pid, trial) else None


def log_of(trial: Trial, folder: Path) -> Path:
    """Return the file of what a trial prints."""
    return folder / trial.study / f"{trial.arm}.{trial.seed}.log"


def _runs(pid: int, trial: Trial) -> bool:
    try:
        process = psutil.Process(pid)
        return trial.name in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
