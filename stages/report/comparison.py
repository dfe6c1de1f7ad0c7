"""Experiments side by side: which parameters differ, each metric beside the first's, a picture per chief metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clapline.comparison.differences import Difference, corrected, paired_difference
from clapline.comparison.runs import Run, asked_otherwise, in_common
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

Track = Callable[[Sequence[Experiment]], Iterable[Experiment]]


@dataclass(frozen=True)
class Metric:
    """A metric that some experiment has."""

    key: Key

    @property
    def title(self) -> str:
        """The metric in words: "soundscapes: text to audio, mAP@10"."""
        return f"{self.key[0]}: {self.short}"

    @property
    def short(self) -> str:
        """The same without the dataset: "text to audio, mAP@10"."""
        _, part, measure = self.key
        return f"{task_name(part)}, {MEASURES.get(measure, measure)}"

    @property
    def chief(self) -> bool:
        """Whether it stands in a picture of its own."""
        return self.key[1:] in CHIEF


@dataclass(frozen=True)
class Cell:
    """A value, and how it differs from the first experiment's on the same queries, where both have results per query.

    `Difference.survives` after Holm's correction for all cells of a model.
    """

    value: Value | None
    difference: Difference | None = None

    @property
    def verdict(self) -> str:
        """Return better or worse where the 95 % interval of the difference leaves out 0, else an empty text."""
        if self.difference is None or not self.difference.significant:
            return ""
        return "better" if self.difference.estimate > 0 else "worse"


def metrics_of(experiments: Sequence[Experiment], model: str) -> list[Metric]:
    """Return the metrics that any experiment has, in the order of the first that has them."""
    keys = dict.fromkeys(key for experiment in experiments for key in experiment.metrics[model])
    return [Metric(key) for key in keys]


def differing(experiments: Sequence[Experiment]) -> list[str]:
    """Return the parameters that are not the same in all experiments, in dots; those of report are left out.

    A parameter that an experiment lacks, for its version had none or its default was meant, counts as null.
    """
    names = dict.fromkeys(name for experiment in experiments for name in experiment.params)
    return [
        name
        for name in names
        if not name.startswith("report.") and len({value_of(experiment, name) for experiment in experiments}) > 1
    ]


def changed(experiment: Experiment, first: Experiment, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return which of the parameters have another value than in the first experiment, with that value."""
    return [
        (name, experiment.params.get(name, "–"))
        for name in names
        if value_of(experiment, name) != value_of(first, name)
    ]


def value_of(experiment: Experiment, name: str) -> str:
    """Return a parameter's value as text; null where it stands nowhere."""
    return experiment.params.get(name, "null")


def not_alike(experiments: Sequence[Experiment]) -> list[str]:
    """Return in words, by experiment and part, which queries the student was not asked as the first one's was."""
    first = experiments[0].runs.get("student")
    found = []
    for experiment in experiments[1:]:
        run = experiment.runs.get("student")
        if first is not None and run is not None:
            said = [*_asked_of_one(first, run), *asked_otherwise([first], [run])]
            found += [f"{experiment.name}: {line.replace(' in A and B', '')}" for line in said]
    return found


def _asked_of_one(first: Run, run: Run) -> list[str]:
    counts = {
        key: len(first.parts[key].index.symmetric_difference(run.parts[key].index)) for key in in_common([first], [run])
    }
    return [f"{dataset} {part}: {count} queries of one alone" for (dataset, part), count in counts.items() if count]


def cells_of(
    experiments: Sequence[Experiment], metrics: Sequence[Metric], model: str, track: Track = iter
) -> list[list[Cell]]:
    """Return the cells of each experiment in the order of the metrics; p-values are corrected for all of them.

    `track` wraps the experiments, for a progress bar.
    """
    first = experiments[0]
    found: dict[tuple[int, int], Difference] = {}
    for row, experiment in enumerate(track(experiments)):
        for column, metric in enumerate(metrics):
            one = None if experiment is first else _difference(experiment, first, metric, model)
            if one is not None:
                found[row, column] = one
    found = dict(zip(found, corrected(list(found.values())), strict=True))
    return [
        [
            Cell(experiment.metrics[model].get(metric.key), found.get((row, column)))
            for column, metric in enumerate(metrics)
        ]
        for row, experiment in enumerate(experiments)
    ]


def _difference(experiment: Experiment, first: Experiment, metric: Metric, model: str) -> Difference | None:
    """Return a mean difference over queries; None of a median, which is no mean, and where a side was not measured."""
    dataset, part, measure = metric.key
    sides = [one.runs[model].parts.get((dataset, part)) for one in (experiment, first) if model in one.runs]
    frames = [frame for frame in sides if frame is not None and measure in frame]
    if len(frames) < 2 or measure in FALLING:
        return None
    return paired_difference(frames[:1], frames[1:], measure)


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
