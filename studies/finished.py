"""Which trials are finished: their experiments, told from git's refs by name, params and code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from clapline.errors import UserError
from clapline.params.base import PARAMS_FILE, parsed_params
from studies.trials import Trial, deciding

TARGETS = ("evaluate", "richness")  # what a study needs; the second so that metrics of captions are the trial's own
_EXPERIMENT = re.compile(r"^refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(?P<name>[^/]+)$")
_CODE = ("clapline/", "stages/")


def git(*words: str, folder: Path | str = ".") -> str:
    """Return what git prints. Raises UserError where it fails."""
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"git {' '.join(words[:3])}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout


def reference(commit: str, name: str) -> str:
    """Return where git keeps an experiment of a commit."""
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


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
    """Raise a UserError where code differs from the last commit: a trial is an experiment of a commit."""
    edited = git("status", "--porcelain", "--untracked-files=no", "--", *_CODE, "dvc.yaml").splitlines()
    if edited:
        raise UserError(
            f"{edited[0][3:]} is not committed; commit the code first: a trial is an experiment of a commit"
        )


def finished(trials: Iterable[Trial], commit: str, folder: Path | str = ".") -> dict[str, str]:
    """Return experiment name → revision, of the trials whose experiment has the same params and the code of `commit`.

    An experiment of another commit counts too, where nothing that it depends on differs. Of several the newest counts.

    Args:
        trials: those asked for.
        commit: whose code counts, `clapline/`, `stages/` and `dvc.yaml`, as far as the stages need it.
        folder: the repository.
    """
    wanted = {trial.name: trial for trial in trials}
    paths = [*code_paths(yaml.safe_load(git("show", f"{commit}:dvc.yaml", folder=folder))["stages"]), "dvc.yaml"]
    code: dict[str, str] = {}
    found = {}
    listed = git(
        "for-each-ref", "--sort=committerdate", "--format=%(objectname) %(refname)", "refs/exps", folder=folder
    )
    for line in listed.splitlines():
        revision, name = line.split(maxsplit=1)
        match = _EXPERIMENT.match(name)
        trial = wanted.get(match["name"]) if match else None
        if trial is None:
            continue
        for of in (revision, commit):
            code[of] = code.get(of) or git("ls-tree", "-r", of, "--", *paths, folder=folder)
        text = git("show", f"{revision}:{PARAMS_FILE}", folder=folder)
        params = parsed_params(text, f"{trial.name}: {PARAMS_FILE}")
        if code[revision] == code[commit] and deciding(params) == trial.decides:
            found[trial.name] = revision
    return found
