"""Tables beside the results: zero-shot by class, fold and prompt; what the widths of Gaussians say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from clapline import chapter
from clapline.text.prompt_templates import PROMPT_TEMPLATES
from stages.evaluate.benchmarks import ZeroShot
from stages.evaluate.parts import Part
from stages.evaluate.zero_shot import by_class, by_fold

_CLASSES_SHOWN = 60
Told = dict[str, list[dict[str, Any]]]  # what `uncertainty_of` gave, by model


def zero_shot_tables(benchmark: ZeroShot, parts: dict[str, Part]) -> list[chapter.Block]:
    """Return accuracy by class, by fold where there are folds, and by prompt template, for each model."""
    classes, folds = by_class(benchmark, parts), by_fold(benchmark, parts)
    shown = classes.head(_CLASSES_SHOWN)
    controls = ", ".join(f"{model} {part.control['accuracy']:.3f}" for model, part in parts.items())
    yardstick = f"Chance {1 / len(benchmark.classes):.3f}; with labels shuffled: {controls}."
    words = (
        f"{benchmark.dataset}: share of each class that is taken for it, of the {len(benchmark.classes)} classes that "
        f"the chosen clips have. {yardstick}"
    )
    if len(classes) > len(shown):
        words += f" The {len(shown)} largest of {len(classes)} classes; the others stand in classes.csv."
    blocks = [chapter.table(words, ["class", "clips", *parts], _cells(shown, ["class", "clips", *parts]))]
    if len(folds):
        deviations = ", ".join(f"{model} {folds[model].mean():.3f} ± {folds[model].std():.3f}" for model in parts)
        words = (
            f"{benchmark.dataset}: accuracy by fold; mean and standard deviation over folds: {deviations}. {yardstick}"
        )
        blocks.append(chapter.table(words, ["fold", "clips", *parts], _cells(folds, ["fold", "clips", *parts])))
    named = [part.details["templates"] for part in parts.values()]
    rows = [
        [name, PROMPT_TEMPLATES.get(name, "mean of the embeddings"), *(round(found[name], 6) for found in named)]
        for name in named[0]
    ]
    if rows:
        words = f"{benchmark.dataset}: accuracy under the prompts that published figures were taken with. {yardstick}"
        blocks.append(chapter.table(words, ["template", "prompt", *parts], rows))
    return blocks


def _cells(frame: pd.DataFrame, columns: Sequence[str]) -> list[list[chapter.Cell]]:
    return frame[list(columns)].astype(object).to_numpy().tolist()


def uncertainty_tables(told: Told) -> list[chapter.Block]:
    """Return what widths say of length, of wrong answers and of inclusion; no block where no model is Gaussian."""
    lengths = [
        [entry["dataset"], model, entry["n"], entry["pearson"], entry["spearman"]]
        for model, entry in _entries(told, "length")
    ]
    calibrations = [
        [entry["dataset"], entry["part"], model, entry["n"], entry["area"], entry["spearman"]]
        for model, entry in _entries(told, "calibration")
    ]
    inclusions = [
        [entry["dataset"], entry["pair"], model, *(entry[name] for name in ("n", "included", "stranger", "wider"))]
        for model, entry in _entries(told, "inclusion")
    ]
    orders = [
        [entry["dataset"], model, entry["n"], entry["tau"], entry["low"], entry["high"]]
        for model, entry in _entries(told, "order")
    ]
    blocks = [
        chapter.table(
            "Kendall's tau between a caption's abstraction and its total variance, over caption trees, with its 95 % "
            "interval; 0 without order.",
            ["dataset", "model", "trees", "tau", "low", "high"],
            orders,
        ),
        chapter.table(
            "Correlation of a caption's number of words and its total variance; fewer words, wider, would be below 0.",
            ["dataset", "model", "captions", "Pearson", "Spearman"],
            lengths,
        ),
        chapter.table(
            "Whether a wide Gaussian means a wrong answer: the chance that a missed query is wider than an answered "
            "one (0.5: its width says nothing), and Spearman's correlation of width and loss.",
            ["dataset", "asked", "model", "queries", "missed wider", "Spearman"],
            calibrations,
        ),
        chapter.table(
            "How often the particular lies inside the abstract (sum of H above 0); beside it the same with a "
            "stranger's abstract side, and how often the abstract side is wider whatever its place. Where the three "
            "agree, inclusion is a matter of width alone.",
            ["dataset", "what lies in what", "model", "pairs", "included", "stranger", "wider"],
            inclusions,
        ),
    ]
    return [block for block in blocks if block.rows]


def _entries(told: Told, kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(model, entry) for model, entries in told.items() for entry in entries if entry["kind"] == kind]


def calibration_rows(told: Told) -> pd.DataFrame:
    """Return one row per model, dataset, part and fifth of the queries: mean width and mean score."""
    rows = [
        {
            "model": model,
            "dataset": entry["dataset"],
            "part": entry["part"],
            "fifth": place,
            "width": width,
            "score": score,
        }
        for model, entry in _entries(told, "calibration")
        for place, (width, score) in enumerate(zip(entry["widths"], entry["scores"], strict=True), start=1)
    ]
    return pd.DataFrame(rows, columns=["model", "dataset", "part", "fifth", "width", "score"])
