"""What an experiment left behind, metrics with intervals and parameters: from a folder, a revision or a name."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clapline.errors import UserError
from clapline.params.base import parsed_params
from stages.report.facts import parameters

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
    """A run by the name it was asked for: metrics by model and key, parameters in dots."""

    name: str
    metrics: dict[str, dict[Key, Value]]
    params: dict[str, str]


def read_experiment(name: str) -> Experiment:
    """Return a run: a folder (a checkout), a git revision, or an experiment of DVC. A folder wins over a revision.

    Raises:
        UserError: there is none of that name, or it has no metrics.
    """
    metrics = json.loads(_read(name, METRICS))
    try:
        measured = json.loads(_read(name, INTERVALS))
    except UserError:
        measured = []  # a clone without the cache has the metrics alone
    intervals = {
        (model, (row["dataset"], row["part"], row["measure"])): row[model]
        for row in measured
        for model in ("teacher", "student")
        if model in row
    }
    found: dict[str, dict[Key, Value]] = {}
    for model in ("student", "teacher"):
        found[model] = {}
        for dataset, parts in metrics.get(model, {}).items():
            for part, measures in parts.items():
                for measure, estimate in measures.items():
                    key = (dataset, part, measure)
                    interval = intervals.get((model, key), {})
                    found[model][key] = Value(estimate, interval.get("low"), interval.get("high"))
    if not any(found.values()):
        raise UserError(f"{name}: {METRICS} holds no metric of student or teacher")
    values = parsed_params(_read(name, PARAMS), f"{name}: {PARAMS}")
    params = {f"{section}.{key}".rstrip("."): text for section, rows in parameters(values) for key, text in rows}
    return Experiment(name, found, {key: str(value) for key, value in params.items()})


def _read(name: str, path: str) -> str:
    folder = Path(name).expanduser()
    if folder.is_dir():
        try:
            return (folder / path).read_text(encoding="utf-8")
        except OSError:
            raise UserError(f"{folder}/{path}: no such file; run the pipeline there first") from None
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError
    from dvc_data.index import DataIndexDirError

    try:
        return dvc.api.read(path, rev=name)
    except SCMError:
        raise UserError(f"{name} is neither a folder nor a revision nor an experiment (dvc exp list) here") from None
    except (DvcException, DataIndexDirError, OSError):
        raise UserError(f"{name}: {path} is not there; it was not run, or its cache is gone") from None


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
