"""What an experiment left behind, metrics with intervals and parameters: from a folder, a revision or a name."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clapline.comparison.runs import RESULTS, Run, read_run
from clapline.errors import UserError
from clapline.params.base import parsed_params
from stages.report.facts import parameters
from stages.report.headline import MODELS

METRICS, INTERVALS, PARAMS = "reports/metrics.json", "reports/evaluate/intervals.json", "params.yaml"

Key = tuple[str, str, str]  # dataset, part, measure


@dataclass(frozen=True)
class Value:
    """A metric of one model; the interval, 95 %, is None where evaluation's file is not at hand."""

    estimate: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Experiment:
    """A run by the name it was asked for: metrics by model and key, parameters in dots, results per query by model.

    `runs` lacks a model whose results per query are not at hand: a clone without the cache has the metrics alone.
    """

    name: str
    metrics: dict[str, dict[Key, Value]]
    params: dict[str, str]
    runs: dict[str, Run]


def read_experiment(name: str) -> Experiment:
    """Return a run: a folder (a checkout), a git revision, or an experiment of DVC. A folder wins over a revision.

    Raises:
        UserError: there is none of that name, or it has no metrics.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _read(name, folder)
    with tempfile.TemporaryDirectory(prefix="clapline-compare-") as made:
        _fetch(name, Path(made))
        return _read(name, Path(made))


def commit_of(name: str) -> str:
    """Return the hash of the commit that a git revision or an experiment of DVC names.

    Raises:
        UserError: there is no such revision here, or no repository.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import NoSCMError, SCMError, resolve_rev

    try:
        with Repo() as repository:  # closed again where the name is wrong, which Repo(rev=name) would not be
            return str(resolve_rev(repository.scm, name))
    except (NotDvcRepoError, NoSCMError):
        raise UserError(f"{name} is no folder, and there is no DVC repository here to look a revision up in") from None
    except SCMError:
        raise UserError(f"{name} is neither a folder nor a revision nor an experiment (dvc exp list) here") from None


def _fetch(name: str, folder: Path) -> None:
    """Put the files of a revision into a folder. One look at its pipeline serves them all: that takes seconds."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.index import DataIndexDirError

    try:
        repository = Repo(rev=commit_of(name))
    except DvcException:
        raise UserError(f"{name}: there was no pipeline of DVC yet at this revision") from None
    with repository:
        for path in (METRICS, INTERVALS, PARAMS, RESULTS):
            try:
                content = repository.dvcfs.read_bytes(path)
            except (DvcException, DataIndexDirError, OSError):
                if path in (METRICS, PARAMS):
                    said = f"{name}: {path} is not there; it was not run, or its cache is gone"
                    raise UserError(said) from None
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def _read(name: str, folder: Path) -> Experiment:
    metrics = json.loads(_text(folder / METRICS))
    measured = json.loads(_text(folder / INTERVALS)) if (folder / INTERVALS).is_file() else []
    intervals = {
        (model, (row["dataset"], row["part"], row["measure"])): row[model]
        for row in measured
        for model in MODELS
        if model in row
    }
    found: dict[str, dict[Key, Value]] = {}
    for model in MODELS:
        found[model] = {}
        for dataset, parts in metrics.get(model, {}).items():
            for part, measures in parts.items():
                for measure, estimate in measures.items():
                    if math.isnan(estimate):
                        continue
                    key = (dataset, part, measure)
                    interval = intervals.get((model, key), {})
                    found[model][key] = Value(estimate, interval.get("low"), interval.get("high"))
    if not any(found.values()):
        raise UserError(f"{name}: {METRICS} holds no metric of student or teacher")
    values = parsed_params(_text(folder / PARAMS), f"{name}: {PARAMS}")
    params = {f"{section}.{key}".rstrip("."): text for section, rows in parameters(values) for key, text in rows}
    runs = {}
    for model in MODELS:
        if found[model] and (folder / RESULTS).is_file():
            try:
                runs[model] = read_run(str(folder / RESULTS), model)
            except UserError as error:
                print(f"{name}: no test of {model}: {error}", file=sys.stderr)
    return Experiment(name, found, {key: str(value) for key, value in params.items()}, runs)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise UserError(f"{path}: no such file; run the pipeline there first") from None


def finished_experiments() -> list[str]:
    """Return HEAD and the names of its finished experiments, as `dvc exp show` knows them."""
    result = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "show", "--json"], capture_output=True, text=True, check=False
    )
    if result.returncode:
        said = result.stderr.strip().splitlines() or ["failed"]
        raise UserError(f"dvc exp show: {said[-1]}")
    return names_of(json.loads(result.stdout))


def names_of(shown: list[dict[str, Any]]) -> list[str]:
    """Return HEAD, then the finished experiments of the first commit that `dvc exp show --json` printed, by name."""
    commit = next((entry for entry in shown if entry["rev"] != "workspace" and entry["data"]), None)
    if commit is None:
        raise UserError("dvc exp show shows no commit; name the experiments to compare")
    names = []
    for entry in commit["experiments"] or ():
        tip = entry["revs"][0]
        state = (entry["executor"] or {"state": "success"})["state"]
        if state == "success" and tip["data"]:
            names.append(tip["name"] or tip["rev"][:7])
    return ["HEAD", *sorted(names)]
