"""Where trials run: a clone of the repository at one commit, so that neither disturbs the other.

The clone shares DVC's cache and the stores (`.work`) with the repository: nothing is fetched, asked or trained twice;
relative paths in params are the repository's (`DVC_ROOT`). A trial is `dvc repro` there, then `dvc exp save`; its
experiment is fetched from the clone as `dvc exp pull` would.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from clapline.params.base import PARAMS_FILE
from clapline.storage import store, write_text
from studies.finished import TARGETS, finished, git, reference
from studies.trials import Trial

_GRACE_S = 30.0
_RUN = '"$0" -m dvc repro $1 && "$0" -m dvc exp save --force --name "$2" $1'


@dataclass(frozen=True)
class Clone:
    """A clone in `folder`, held at `commit` of the repository in `root`; what it prints is in `logs`.

    `machine` is that section of the repository's params.yaml: it changes no result, and is no matter of a recipe.
    """

    root: Path
    folder: Path
    commit: str
    logs: Path
    machine: Mapping[str, Any] | None = None

    def prepare(self) -> None:
        """Make the clone, or bring it to the commit."""
        if not (self.folder / ".git").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            git("clone", "--quiet", "--no-checkout", str(self.root), str(self.folder), folder=self.root)
        git("fetch", "--quiet", str(self.root), self.commit, folder=self.folder)
        git("checkout", "--quiet", "--force", "--detach", self.commit, folder=self.folder)
        own = self.root / ".dvc" / "config.local"
        write_text(self.folder / ".dvc" / "config.local", own.read_text(encoding="utf-8") if own.is_file() else "")
        words = [sys.executable, "-m", "dvc", "config", "--quiet", "--local", "cache.dir", _cache_of(self.root)]
        subprocess.run(words, cwd=self.folder, check=True)

    def start(self, trial: Trial) -> Running:
        """Start a trial in a process group of its own. What the trial before left there is taken up by DVC."""
        params = dict(trial.params) if self.machine is None else {**trial.params, "machine": dict(self.machine)}
        write_text(self.folder / PARAMS_FILE, yaml.safe_dump(params, sort_keys=False, allow_unicode=True))
        log = self.logs / trial.study / f"{trial.arm}.{trial.seed}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        # What the pipeline runs is `python`: that of this environment, activated or not.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        of_repository = {"DVC_ROOT": str(self.root), "CLAPLINE_HOME": str(store().resolve())}
        with log.open("wb") as file:
            process = subprocess.Popen(
                command(trial),
                cwd=self.folder,
                env={**os.environ, "PATH": path, **of_repository, "PYTHONPATH": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        write_text(self._note, str(process.pid))
        return Running(self, trial, process.pid, log, process)

    def left_running(self, trials: list[Trial]) -> Running | None:
        """Return the trial that an earlier call began here and that still runs, for the call itself was killed."""
        try:
            pid = int(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        for trial in trials:
            if _runs(pid, trial.name, self.folder):
                return Running(self, trial, pid, self.logs / trial.study / f"{trial.arm}.{trial.seed}.log")
        return None

    @property
    def _note(self) -> Path:
        return self.folder.with_suffix(".pid")


@dataclass
class Running:
    """A trial that runs: a process of ours, or one that an earlier call left behind."""

    clone: Clone
    trial: Trial
    pid: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def ended(self) -> bool:
        """Return whether the process is no more."""
        if self.process:
            return self.process.poll() is not None
        return not _runs(self.pid, self.trial.name, self.clone.folder)

    def collect(self) -> str | None:
        """Fetch the trial's experiment into the repository; return what went wrong, or None.

        Another experiment of this commit and name, with other params, stays under a name with its revision behind.
        """
        if self.trial.name not in finished([self.trial], self.clone.commit, self.clone.folder):
            return f"failed ({self._error()}; all of it: {self.log})"
        name = reference(self.clone.commit, self.trial.name)
        new = git("rev-parse", name, folder=self.clone.folder).strip()
        old = git("for-each-ref", "--format=%(objectname)", name, folder=self.clone.root).strip()
        if old and old != new:
            git("update-ref", f"{name}-{old[:7]}", old, folder=self.clone.root)
        git("fetch", "--quiet", "--no-tags", str(self.clone.folder), f"+{name}:{name}", folder=self.clone.root)
        return None

    def stop(self) -> None:
        """Stop the process and what it has started; what was trained so far is kept by its checkpoints."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                if self.process:
                    self.process.wait(_GRACE_S)
                return

    def _error(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")]
        return (errors or lines[-1:] or ["it printed nothing"])[0][:200]


def _cache_of(root: Path) -> str:
    """Return the folder of DVC's cache of a repository."""
    from dvc.repo import Repo

    with Repo(str(root)) as repository:
        return str(repository.cache.local_cache_dir)


def command(trial: Trial) -> list[str]:
    """Return the command that runs a trial in a clone whose params.yaml is the trial's."""
    return ["sh", "-c", _RUN, sys.executable, " ".join(TARGETS), trial.name]


def _runs(pid: int, name: str, folder: Path) -> bool:
    try:
        process = psutil.Process(pid)
        alive = name in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        return alive and Path(process.cwd()) == folder.resolve()
    except psutil.Error:
        return False
