"""Experiments side by side: which parameters differ, each metric with its interval, and a picture per chief metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clapline.figures import PALETTE, new_figure, save_figure
from stages.report.experiments import Experiment, Key, Value
from stages.report.headline import FALLING, MEASURES, task_name

CHIEF = (
    ("t2a", "map10"),
    ("a2t", "map10"),
    ("t2a_level2", "r10"),
    ("zero_shot", "accuracy"),
    ("traversal", "precision"),
)
_ROWS_IN_A_PICTURE = 60


@dataclass(frozen=True)
class Metric:
    """A metric that some experiment has."""

    key: Key

    @property
    def title(self) -> str:
        """The metric in words: "soundscapes: text to audio, mAP@10"."""
        dataset, part, measure = self.key
        return f"{dataset}: {task_name(part)}, {MEASURES.get(measure, measure)}"

    @property
    def chief(self) -> bool:
        """Whether it stands in a picture of its own."""
        return self.key[1:] in CHIEF


@dataclass(frozen=True)
class Cell:
    """A value beside the first experiment's: `apart` is higher, lower, or empty where their intervals overlap."""

    value: Value | None
    apart: str


def metrics_of(experiments: Sequence[Experiment], model: str) -> list[Metric]:
    """Return the metrics that any experiment has, in the order of the first that has them."""
    keys = dict.fromkeys(key for experiment in experiments for key in experiment.metrics[model])
    return [Metric(key) for key in keys]


def differing(experiments: Sequence[Experiment]) -> list[str]:
    """Return the parameters that are not the same in all experiments, in dots; those of report are left out."""
    names = dict.fromkeys(name for experiment in experiments for name in experiment.params)
    return [
        name
        for name in names
        if not name.startswith("report.") and len({experiment.params.get(name) for experiment in experiments}) > 1
    ]


def cell(experiment: Experiment, first: Experiment, metric: Metric, model: str) -> Cell:
    """Return a value, and whether its interval lies apart from the first experiment's.

    Intervals that do not overlap differ surely; those that do may differ all the same: the test on the same queries is
    `python -m stages.evaluate.compare`.
    """
    value, other = experiment.metrics[model].get(metric.key), first.metrics[model].get(metric.key)
    if experiment is first or value is None or other is None or None in (value.low, other.low):
        return Cell(value, "")
    if value.low > other.high:
        return Cell(value, "lower" if metric.key[2] in FALLING else "higher")
    if value.high < other.low:
        return Cell(value, "higher" if metric.key[2] in FALLING else "lower")
    return Cell(value, "")


def cells_of(
    experiments: Sequence[Experiment], metrics: Sequence[Metric], models: Sequence[str] = ("student", "teacher")
) -> list[tuple[Experiment, dict[str, list[Cell]]]]:
    """Return each experiment with its cells by model, in the order of the metrics."""
    first = experiments[0]
    return [
        (experiment, {model: [cell(experiment, first, metric, model) for metric in metrics] for model in models})
        for experiment in experiments
    ]


def draw(path: Path, experiments: Sequence[Experiment], metric: Metric) -> None:
    """Draw one metric of student and teacher, an experiment a row, with intervals."""
    shown = list(experiments)[:_ROWS_IN_A_PICTURE]
    figure = new_figure(6.4, 0.9 + 0.3 * len(shown))
    axes = figure.subplots()
    for offset, model in ((0.13, "teacher"), (-0.13, "student")):
        colour = PALETTE[0] if model == "student" else PALETTE[7]
        for place, experiment in enumerate(shown):
            value = experiment.metrics[model].get(metric.key)
            if value is None:
                continue
            at = len(shown) - 1 - place - offset
            axes.plot(value.estimate, at, "o", color=colour, markersize=4, label=model if place == 0 else None)
            if value.low is not None and value.high is not None:
                axes.hlines(at, value.low, value.high, color=colour, linewidth=1.4)
    axes.set_yticks(range(len(shown)), [experiment.name for experiment in reversed(shown)])
    axes.set_xlabel(f"{metric.title} (95 % interval)")
    axes.grid(axis="x", color="0.9")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="best")
    save_figure(figure, path)
