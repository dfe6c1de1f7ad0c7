"""The figures of the chapter and the tables that `dvc plots` draws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from clapline.figures import PALETTE, new_figure, save_figure
from clapline.metrics.retrieval import recall_at_k
from clapline.metrics.zero_shot import confusion_matrix
from clapline.storage import write_text
from stages.evaluate.benchmarks import Retrieval, ZeroShot
from stages.evaluate.parts import Part
from stages.evaluate.results import MODELS, STRESS, TWIN, Estimate, Result, stress_kind
from stages.evaluate.words import lost_part

_NAMES = {"t2a": "text to audio", "a2t": "audio to text", "zero_shot": "zero-shot", "traversal": "traversal"}
_MEASURES = {"r1": "R@1", "r5": "R@5", "r10": "R@10", "map10": "mAP@10", "accuracy": "accuracy"}
_COLOURS = {"teacher": PALETTE[7], "student": PALETTE[0]}
_LABELLED_CLASSES = 60


def bars(path: Path, results: list[Result]) -> None:
    """Draw the main measures of one dataset, teacher beside student, with intervals and chance."""
    shown = [r for r in results if r.part in ("t2a", "a2t", "zero_shot") and r.measure in _MEASURES]
    shown += [r for r in results if r.part.startswith(TWIN)]
    names = _NAMES | {result.part: result.part.replace("_", "\n") for result in shown if result.part.startswith(TWIN)}
    labels = [f"{names[result.part]}\n{_MEASURES[result.measure]}" for result in shown]
    _draw_bars(path, shown, labels, max(6.4, 1.0 * len(shown)))


def robustness_bars(path: Path, results: list[Result]) -> None:
    """Draw R@10 and mAP@10 of one dataset for original, paraphrased and stressed queries.

    Beside the bar of each model an outline shows the original captions of the same queries: not every query has a
    paraphrase, and the stress set may be of few.
    """
    names = {"t2a": "original", "t2a_level1": "level 1", "t2a_level2": "level 2"}
    names |= {result.part: result.part.removeprefix(STRESS) for result in results if stress_kind(result.part)}
    shown = [
        result
        for measure in ("r10", "map10")
        for part in names
        for result in results
        if (result.part, result.measure) == (part, measure)
    ]
    labels = [f"{_MEASURES[result.measure]}\n{names[result.part]}\nn = {result.queries:,}" for result in shown]
    _draw_bars(path, shown, labels, max(6.4, 0.95 * len(shown)), originals(shown, results))


def robustness_rows(results: list[Result]) -> pd.DataFrame:
    """Return R@10 with the captions and with other words for them, a row per model: asked, r10, for `dvc plots`."""
    rows = [
        {"asked": f"{result.dataset}: {result.part.removeprefix('t2a_')}, {model}", "r10": estimate.estimate}
        for result in results
        if result.measure == "r10"
        and (result.part.startswith("t2a_level") or stress_kind(result.part) or result.part == "t2a")
        for model, estimate in result.models.items()
    ]
    return pd.DataFrame(rows, columns=["asked", "r10"])


def originals(shown: list[Result], results: list[Result]) -> list[dict[str, float] | None]:
    """Return, for each paraphrased or stressed result, what the models reach with the captions of its own queries.

    That is what is reached with the other words plus what is lost by them; None for the original itself.
    """
    found = {(result.part, result.measure): result for result in results}
    values: list[dict[str, float] | None] = []
    for result in shown:
        lost = found.get((lost_part(result.part), result.measure))
        if lost is None:
            values.append(None)
            continue
        pairs = {model: (result.models[model].estimate, lost.models[model].estimate) for model in MODELS}
        values.append({model: round(asked + drop, 6) for model, (asked, drop) in pairs.items()})
    return values


def _draw_bars(
    path: Path,
    shown: list[Result],
    labels: list[str],
    width: float,
    beside: Sequence[dict[str, float] | None] = (),
) -> None:
    figure = new_figure(width, 3.6)
    axes = figure.subplots()
    places = np.arange(len(shown))
    for offset, model in zip((-0.2, 0.2), MODELS, strict=True):
        estimates: list[Estimate] = [result.models[model] for result in shown]
        heights = [estimate.estimate for estimate in estimates]
        axes.bar(places + offset, heights, 0.38, color=_COLOURS[model], label=model)
        if estimates and estimates[0].low is not None:
            below = [max(0.0, e.estimate - e.low) for e in estimates]
            above = [max(0.0, e.high - e.estimate) for e in estimates]
            axes.errorbar(
                places + offset, heights, [below, above], fmt="none", ecolor="#1a202c", elinewidth=1, capsize=2
            )
        outlined = [(place, values[model]) for place, values in zip(places, beside, strict=False) if values]
        if outlined:
            at, heights = map(np.array, zip(*outlined, strict=True))
            outline = "original, same queries" if model == MODELS[-1] else None
            axes.bar(
                at + offset, heights, 0.38, fill=False, edgecolor="#1a202c", linestyle=":", linewidth=1, label=outline
            )
    for place, result in zip(places, shown, strict=True):
        line = [result.chance] * 2
        axes.plot([place - 0.42, place + 0.42], line, color=PALETTE[5], label="chance" if place == 0 else None)
    axes.set_xticks(places, labels, fontsize=8)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share, 95 % interval")
    figure.legend(frameon=False, ncols=4, loc="outside upper left")
    save_figure(figure, path)


def confusion_picture(path: Path, benchmark: ZeroShot, part: Part) -> None:
    """Draw the student's confusion matrix, each row divided by its clips."""
    counts = confusion_matrix(benchmark.truth, part.details["predicted"], len(benchmark.classes))
    size = min(9.0, max(4.2, 0.18 * len(benchmark.classes) + 2.0))
    figure = new_figure(size, size)
    axes = figure.subplots()
    image = axes.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    if len(benchmark.classes) <= _LABELLED_CLASSES:
        places = range(len(benchmark.classes))
        axes.set_xticks(places, benchmark.classes, rotation=90, fontsize=6)
        axes.set_yticks(places, benchmark.classes, fontsize=6)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the class")
    save_figure(figure, path)


def recall_curves(benchmarks: list[Retrieval], parts: dict[str, dict[tuple[str, str], Part]]) -> pd.DataFrame:
    """Return R@k for k = 1 … 20, the mean over the benchmarks: k, then a column per direction and model."""
    ks = range(1, 21)
    curves: dict[str, list] = {"k": list(ks)}
    for direction in ("t2a", "a2t"):
        for model in MODELS:
            per_dataset = []
            for benchmark in benchmarks:
                relevance = benchmark.text_to_audio if direction == "t2a" else benchmark.audio_to_text
                ranks = parts[model][benchmark.dataset, direction].ranks
                per_dataset.append([recall_at_k(ranks, relevance, k).mean() for k in ks])
            curves[f"{model}_{direction}"] = np.mean(per_dataset, axis=0).round(6).tolist()
    return pd.DataFrame(curves)


def confusion_rows(benchmarks: list[ZeroShot], parts: dict[tuple[str, str], Part]) -> pd.DataFrame:
    """Return one row per zero-shot clip: dataset, actual, predicted, for the confusion template of `dvc plots`."""
    frames = [
        pd.DataFrame(
            {
                "dataset": benchmark.dataset,
                "actual": [benchmark.classes[row] for row in benchmark.truth],
                "predicted": [
                    benchmark.classes[row] for row in parts[benchmark.dataset, "zero_shot"].details["predicted"]
                ],
            }
        )
        for benchmark in benchmarks
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["dataset", "actual", "predicted"])


def write_delimited(path: Path, frame: pd.DataFrame, separator: str) -> None:
    """Write a frame as text with a header, no index."""
    write_text(path, frame.to_csv(sep=separator, index=False, lineterminator="\n"))


def calibration_picture(path: Path, rows: pd.DataFrame) -> None:
    """Draw the score of fifths of the queries from narrow to wide Gaussians, a panel per dataset and part."""
    panels = list(rows.groupby(["dataset", "part"], sort=True))
    figure = new_figure(max(6.4, 3.2 * len(panels)), 3.2)
    for (name, own), axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        for model, of in own.groupby("model", sort=False):
            axes.plot(of["fifth"], of["score"], marker=".", color=_COLOURS.get(model), label=model)
        axes.set_title(f"{name[0]}: {_NAMES[name[1]]}", fontsize="medium")
        axes.set_xticks(range(1, int(own["fifth"].max()) + 1))
        axes.set_ylim(0, 1)
        axes.legend(frameon=False, fontsize="small")
    figure.supxlabel("fifth of the queries, from narrow to wide", fontsize="medium")
    figure.supylabel("share answered", fontsize="medium")
    save_figure(figure, path)
