"""Sweeps by DVC: `python tools/sweep.py sigma --run`, later `python tools/sweep.py figure sigma --out x.svg`.

A sweep changes one parameter and leaves the rest of params.yaml as the commit has it. The first command queues an
experiment for each value (`dvc exp run --queue` with a name and the value); the second reads `dvc exp show --json`,
takes the finished experiments of the commit that differ from it in that parameter alone, whatever they are called,
prints student minus teacher as a table and draws it.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from clapline.errors import UserError, door  # noqa: E402
from clapline.params.base import read_params  # noqa: E402

PARAMS, METRICS, INTERVALS = "params.yaml", "reports/metrics.json", "reports/evaluate/intervals.json"


@dataclass(frozen=True)
class Sweep:
    """A parameter, the values it takes where none are named, and how its axis is drawn."""

    parameter: str
    values: tuple[float, ...]
    axis: str
    percent: bool = False  # the values are shares: percentages on a logarithmic axis


SWEEPS = {
    "sigma": Sweep(
        "curate.sigma_audio_text",
        (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85),
        "σ, the cosine at which clip and caption make a pair",
    ),
    "beta": Sweep(
        "student.objective.contrastive.beta",
        (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
        "β, the mass of the teacher's similarities in soft targets",
    ),
    "teacher": Sweep(
        "roles.paired_share",
        (0.01, 0.05, 0.1, 0.25, 0.5, 1.0),
        "share of the paired data that the teacher learned from",
        percent=True,
    ),
}
MEASURES = {
    ("zero_shot", "accuracy"): "zero-shot accuracy",
    ("t2a", "map10"): "text to audio, mAP@10",
    ("t2a_level2", "r10"): "level-2 queries, R@10",
}
# What changes no result of a run.
_WITHOUT_EFFECT = ("machine", "report")


@dataclass(frozen=True)
class Experiment:
    """An experiment of a sweep: the swept value, its name, its commit, and its metrics."""

    value: float
    name: str
    rev: str
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Gain:
    """What a student gained over its teacher at one value; the interval, 95 %, is None where there is none."""

    value: float
    dataset: str
    measure: str
    teacher: float
    student: float
    low: float | None
    high: float | None

    @property
    def gain(self) -> float:
        """Student minus teacher."""
        return self.student - self.teacher


def experiments(shown: Sequence[Mapping[str, Any]], parameter: str) -> tuple[list[Experiment], dict[str, str]]:
    """Return the finished experiments of a sweep by rising value, and the state of the others by name.

    Of two experiments with one value the later is taken.

    Args:
        shown: what `dvc exp show --json` printed; its first commit (not the workspace) is the one that counts.
        parameter: the swept one, in dots.

    Raises:
        UserError: no commit is shown.
    """
    commit = next((entry for entry in shown if entry["rev"] != "workspace" and entry["data"]), None)
    if commit is None:
        raise UserError("dvc exp show --json shows no commit; sweeps start from one")
    usual, _ = _apart(_params(commit["data"]), parameter)
    found: dict[float, tuple[str, Experiment]] = {}
    unfinished = {}
    for entry in commit["experiments"] or ():
        tip = entry["revs"][0]
        others, value = _apart(_params(tip["data"]), parameter) if tip["data"] else (None, None)
        if others != usual or value is None:
            continue
        name = tip["name"] or tip["rev"][:7]
        # An experiment that has not ended shows the metrics of the commit: they are not its own.
        state = (entry["executor"] or {"state": "success"})["state"]
        metrics = tip["data"]["metrics"].get(METRICS, {}).get("data")
        if state != "success" or not metrics:
            unfinished[name] = state if state != "success" else "without metrics"
            continue
        stamp = tip["data"]["timestamp"]
        if value not in found or stamp > found[value][0]:
            found[value] = stamp, Experiment(value, name, tip["rev"], metrics)
    return [found[value][1] for value in sorted(found)], unfinished


def _params(data: Mapping[str, Any]) -> dict[str, Any]:
    return data["params"].get(PARAMS, {}).get("data") or {}


def _apart(params: Mapping[str, Any], parameter: str) -> tuple[dict[str, Any], float | None]:
    """Return the params that a sweep must leave alone, and the swept value (None where it is not set)."""
    others = copy.deepcopy({name: section for name, section in params.items() if name not in _WITHOUT_EFFECT})
    *sections, key = parameter.split(".")
    section: Any = others
    for name in sections:
        section = section.get(name) or {}
    value = section.pop(key, None)
    return others, None if value is None else float(value)


def gains(experiment: Experiment, intervals: Sequence[Mapping[str, Any]] | None) -> list[Gain]:
    """Return the gains of an experiment in every dataset that has the measure.

    `intervals` are the rows that evaluation writes; None: the gains have none.
    """
    ranges = {(row["dataset"], row["part"], row["measure"]): row["student_minus_teacher"] for row in intervals or ()}
    found = []
    for (part, measure), title in MEASURES.items():
        for dataset, parts in sorted(experiment.metrics["student"].items()):
            student = parts.get(part, {}).get(measure)
            teacher = experiment.metrics["teacher"].get(dataset, {}).get(part, {}).get(measure)
            if student is not None and teacher is not None:
                interval = ranges.get((dataset, part, measure), {})
                low, high = interval.get("low"), interval.get("high")
                found.append(Gain(experiment.value, dataset, title, teacher, student, low, high))
    return found


def table(sweep: Sweep, rows: Sequence[Gain]) -> str:
    """Return the gains as a Markdown table, by measure, dataset and value."""
    lines = [
        f"| {sweep.parameter} | dataset | measure | teacher | student | student − teacher | 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in _ordered(rows):
        interval = "" if row.low is None or row.high is None else f"{row.low:+.3f} to {row.high:+.3f}"
        cells = [_said(sweep, row.value), row.dataset, row.measure, f"{row.teacher:.3f}", f"{row.student:.3f}"]
        lines.append(f"| {' | '.join([*cells, f'{row.gain:+.3f}', interval])} |")
    return "\n".join(lines)


def _ordered(rows: Sequence[Gain]) -> list[Gain]:
    titles = list(MEASURES.values())
    return sorted(rows, key=lambda row: (titles.index(row.measure), row.dataset, row.value))


def _said(sweep: Sweep, value: float) -> str:
    return f"{100 * value:g} %" if sweep.percent else f"{value:g}"


def draw(sweep: Sweep, rows: Sequence[Gain], path: Path) -> None:
    """Draw student minus teacher against the swept value as SVG: a panel per measure, a line per dataset."""
    from clapline.figures import PALETTE, new_figure, save_figure

    titles = [title for title in MEASURES.values() if any(row.measure == title for row in rows)]
    datasets = sorted({row.dataset for row in rows})
    figure = new_figure(3.4 * len(titles) + 0.4, 3.6)
    for title, panel in zip(titles, figure.subplots(1, len(titles), squeeze=False)[0], strict=True):
        panel.axhline(0.0, color="0.6", linewidth=0.8)
        for place, dataset in enumerate(datasets):
            of = [row for row in _ordered(rows) if (row.measure, row.dataset) == (title, dataset)]
            if of:
                colour = PALETTE[place % len(PALETTE)]
                panel.plot([row.value for row in of], [row.gain for row in of], marker=".", color=colour, label=dataset)
                sure = [row for row in of if row.low is not None and row.high is not None]
                panel.vlines(
                    [row.value for row in sure],
                    [row.low for row in sure],
                    [row.high for row in sure],
                    color=colour,
                    alpha=0.5,
                )
        panel.set_title(title, fontsize="medium")
        if sweep.percent:
            panel.set_xscale("log")
            values = sorted({row.value for row in rows})
            panel.set_xticks(values, [f"{100 * value:g}" for value in values])
            panel.set_xticks([], minor=True)
    figure.supxlabel(f"{sweep.axis}{', %' if sweep.percent else ''} (bars: 95 % intervals)", fontsize="medium")
    lines = {line.get_label(): line for panel in figure.axes for line in panel.lines if line.get_marker() == "."}
    figure.supylabel("student − teacher", fontsize="medium")
    places = {"loc": "outside upper center", "ncols": len(lines), "frameon": False, "fontsize": "small"}
    figure.legend(lines.values(), lines, **places)
    save_figure(figure, path)


def queue_commands(name: str, values: Sequence[float]) -> list[list[str]]:
    """Return the DVC command that queues the experiment of each value, under a name that tells it."""
    parameter = SWEEPS[name].parameter
    return [["exp", "run", "--queue", "-n", f"{name}-{value:g}", "-S", f"{parameter}={value}"] for value in values]


def refuse_unused(name: str, params: Mapping[str, Any]) -> None:
    """Raise a UserError where the swept parameter decides nothing, so that a sweep would train the same model again."""
    student, curate = params.get("student") or {}, params.get("curate") or {}
    if name == "beta" and ((student.get("objective") or {}).get("contrastive") or {}).get("targets", "hard") == "hard":
        raise UserError("beta weighs soft targets, but student.objective.contrastive.targets is hard")
    if name == "sigma":
        if not (student.get("sources") or {}).get("curated"):
            raise UserError("sigma chooses curated pairs, but student.sources.curated is 0: none is drawn")
        strategy = curate.get("strategy", "du")  # left out: its default
        if strategy not in ("du", "ads"):
            raise UserError(f"sigma_audio_text is of du and ads, but curate.strategy is {strategy}")
        if curate.get("quantile_audio_text") is not None:
            raise UserError("curate.quantile_audio_text stands in the place of sigma_audio_text: set it to null")


def _dvc(*words: str, read: bool = False) -> str:
    # What the pipeline runs is `python`: that of this environment, activated or not.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    result = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE if read else None,
        text=True,
        check=False,
    )
    if result.returncode:
        raise UserError(f"dvc {' '.join(words)} failed")
    return result.stdout or ""


def read_intervals(rev: str) -> list[dict[str, Any]] | None:
    """Return the intervals of an experiment's evaluation from DVC's cache; None where it no longer has them."""
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    try:
        return json.loads(dvc.api.read(INTERVALS, rev=rev))
    except (DvcException, DataIndexDirError, OSError):
        return None


def show(
    name: str,
    shown: Sequence[Mapping[str, Any]],
    out: Path | None,
    intervals_of: Callable[[str], Sequence[Mapping[str, Any]] | None] = read_intervals,
) -> None:
    """Print the table of a sweep, say on standard error what is not in it, and draw it where `out` is given."""
    sweep = SWEEPS[name]
    finished, unfinished = experiments(shown, sweep.parameter)
    for experiment, state in unfinished.items():
        print(f"not among the values: {experiment} ({state}; dvc queue logs {experiment})", file=sys.stderr)
    if not finished:
        raise UserError(
            f"no finished experiment of this commit differs from it in {sweep.parameter} alone; queue them: "
            f"python tools/sweep.py {name} --run"
        )
    rows = []
    for experiment in finished:
        intervals = intervals_of(experiment.rev)
        if intervals is None:
            print(f"without intervals: {experiment.name} ({INTERVALS} is not in the cache)", file=sys.stderr)
        rows += gains(experiment, intervals)
    if not rows:
        raise UserError(f"{METRICS} has none of: {', '.join(MEASURES.values())}")
    print(table(sweep, rows))
    if out is not None:
        draw(sweep, rows, out)


@door
def main() -> None:
    """Queue a sweep, or show one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, sweep in SWEEPS.items():
        queue = commands.add_parser(name, help=f"queue an experiment for each value of {sweep.parameter}")
        queue.add_argument("--values", type=float, nargs="+", default=sweep.values, help="default: %(default)s")
        queue.add_argument("--run", action="store_true", help="start the queue (dvc queue start)")
    figure = commands.add_parser("figure", help="print what students gained over their teachers, and draw it")
    figure.add_argument("sweep", choices=SWEEPS)
    figure.add_argument("--out", type=Path, help="SVG to write")
    figure.add_argument("--shown", type=Path, help="what `dvc exp show --json` printed before; else it is run")
    given = parser.parse_args()
    if given.command == "figure":
        text = given.shown.read_text(encoding="utf-8") if given.shown else _dvc("exp", "show", "--json", read=True)
        show(given.sweep, json.loads(text), given.out)
        return
    refuse_unused(given.command, read_params())
    for words in queue_commands(given.command, given.values):
        _dvc(*words)
    if given.run:
        _dvc("queue", "start")
    else:
        print("run them: dvc queue start")
    print(f"when dvc queue status says Success: python tools/sweep.py figure {given.command} --out {given.command}.svg")


if __name__ == "__main__":
    main()
