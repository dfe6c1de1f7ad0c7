"""Arms side by side: which parameters differ, each metric beside the first's, a picture per chief metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from clapline.comparison.differences import Difference, corrected, paired_difference
from clapline.comparison.runs import Run, asked_otherwise, in_common
from clapline.figures import PALETTE, new_figure, save_figure
from stages.report.arms import Arm
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

Track = Callable[[Sequence[Arm]], Iterable[Arm]]


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
    """A value, and how it differs from the first arm's on the same queries, where both have results per query.

    `deviation` is the standard deviation over seeds, where there are several. `Difference.survives` after Holm's
    correction for all cells of a model.
    """

    value: Value | None
    deviation: float | None = None
    difference: Difference | None = None

    @property
    def direction(self) -> str:
        """Return better or worse where the difference is significant by itself, else an empty text."""
        if self.difference is None or not self.difference.significant:
            return ""
        return "better" if self.difference.estimate > 0 else "worse"


def metrics_of(experiments: Sequence[Experiment], model: str) -> list[Metric]:
    """Return the metrics that any experiment has, in the order of the first that has them."""
    keys = dict.fromkeys(key for experiment in experiments for key in experiment.metrics[model])
    return [Metric(key) for key in keys]


def differing(arms: Sequence[Arm]) -> list[str]:
    """Return the parameters that are not the same in all arms, in dots; those of report are left out.

    A parameter that an experiment lacks, for its version had none or its default was meant, counts as null.
    """
    names = dict.fromkeys(name for arm in arms for name in arm.params)
    return [name for name in names if not name.startswith("report.") and len({value_of(arm, name) for arm in arms}) > 1]


def changed(arm: Arm, first: Arm, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return which of the parameters have another value than in the first arm, with that value; of the first all."""
    if arm is first:
        return [(name, value_of(first, name)) for name in names]
    return [(name, arm.params.get(name, "–")) for name in names if value_of(arm, name) != value_of(first, name)]


def short_names(params: Sequence[str]) -> dict[str, str]:
    """Return the last two steps of each parameter's name, or all of it where two would read alike."""
    short = {name: ".".join(name.split(".")[-2:]) for name in params}
    return {name: said if list(short.values()).count(said) == 1 else name for name, said in short.items()}


def value_of(arm: Arm, name: str) -> str:
    """Return a parameter's value as text; null where it stands nowhere."""
    return arm.params.get(name, "null")


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


def cells_of(arms: Sequence[Arm], metrics: Sequence[Metric], model: str, track: Track = iter) -> list[list[Cell]]:
    """Return the cells of each arm in the order of the metrics; p-values are corrected for all of them.

    `track` wraps the arms, for a progress bar.
    """
    first = arms[0]
    found: dict[tuple[int, int], Difference] = {}
    for row, arm in enumerate(track(arms)):
        for column, metric in enumerate(metrics):
            one = None if arm is first else _difference(arm, first, metric, model)
            if one is not None:
                found[row, column] = one
    found = dict(zip(found, corrected(list(found.values())), strict=True))
    return [
        [Cell(*arm.value(model, metric.key), found.get((row, column))) for column, metric in enumerate(metrics)]
        for row, arm in enumerate(arms)
    ]


def _difference(arm: Arm, first: Arm, metric: Metric, model: str) -> Difference | None:
    """Return a mean difference over queries and the seeds that both have; of two experiments whatever their seeds.

    None of a median, which is no mean, and where a side was not measured.
    """
    dataset, part, measure = metric.key
    seeds = [seed for seed in first.by_seed if seed in arm.by_seed]
    pairs = [(arm.by_seed[seed], first.by_seed[seed]) for seed in seeds]
    if not pairs and len(arm.experiments) == len(first.experiments) == 1:
        pairs = [(arm.experiments[0], first.experiments[0])]
    if not pairs or measure in FALLING:
        return None
    sides = [[_frame(one, model, (dataset, part), measure) for one in side] for side in zip(*pairs, strict=True)]
    of, other = ([frame for frame in side if frame is not None] for side in sides)
    return paired_difference(of, other, measure) if len(of) == len(other) == len(pairs) else None


def _frame(experiment: Experiment, model: str, key: tuple[str, str], measure: str) -> pd.DataFrame | None:
    frame = experiment.runs[model].parts.get(key) if model in experiment.runs else None
    return frame if frame is not None and measure in frame else None


def draw(path: Path, arms: Sequence[Arm], cells: Sequence[Cell], metric: Metric) -> None:
    """Draw how each arm differs from the first in one metric, an arm a row, with intervals."""
    shown = [(arm.name, cell.difference) for arm, cell in zip(arms[1:], cells[1:], strict=True)][:_ROWS_IN_A_PICTURE]
    figure = new_figure(6.4, 0.9 + 0.3 * len(shown))
    axes = figure.subplots()
    axes.axvline(0.0, color="0.5", linewidth=0.8)
    for place, (_, difference) in enumerate(reversed(shown)):
        if difference is not None:
            colour = PALETTE[0] if difference.survives else PALETTE[7]
            axes.plot(difference.estimate, place, "o", color=colour, markersize=4)
            if difference.low is not None and difference.high is not None:
                axes.hlines(place, difference.low, difference.high, color=colour, linewidth=1.4)
    axes.set_yticks(range(len(shown)), [name for name, _ in reversed(shown)])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel("minus the first")
    axes.set_title(metric.title, fontsize="medium")
    axes.grid(axis="x", color="0.9")
    save_figure(figure, path)
