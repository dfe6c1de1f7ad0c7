"""Lay out the report folder of evaluation: intervals, plots, figures, examples, chapter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from clapline import chapter
from clapline.metrics.protocols import Protocol
from clapline.storage import write_json
from stages.evaluate.benchmarks import ZeroShot
from stages.evaluate.encoded import Encoded, Suites
from stages.evaluate.examples import listen
from stages.evaluate.parts import Part
from stages.evaluate.pictures import (
    bars,
    calibration_picture,
    confusion_picture,
    confusion_rows,
    recall_curves,
    robustness_bars,
    robustness_rows,
    write_delimited,
)
from stages.evaluate.results import MODELS, STRESS, Result, intervals_json
from stages.evaluate.tables import Told, calibration_rows, uncertainty_tables, zero_shot_tables
from stages.evaluate.walks import walks
from stages.evaluate.words import (
    near_ties_told,
    protocol_words,
    protocols_table,
    results_table,
    robustness_table,
    told,
    verdicts,
)
from stages.evaluate.zero_shot import by_class

Parts = dict[tuple[str, str], Part]


@dataclass(frozen=True)
class Findings:
    """All that was measured: `parts` and `uncertainty` by model, `directions` by captions, model, dataset, direction.

    `results` sets the student beside the teacher, `further` each ensemble beside the student.
    """

    parts: dict[str, Parts]
    directions: dict[str, dict[str, Parts]]
    uncertainty: Told
    results: list[Result]
    further: list[list[Result]]


def write_report(
    folder: Path, suites: Suites, found: Findings, student: Encoded, protocol: Protocol, examples: int, seed: int
) -> None:
    """Write everything but the per-query table into the folder."""
    parts, results = found.parts, found.results
    places = {id(result): place for place, result in enumerate(results)}
    judged = {places[id(one)]: said for of in _by_dataset(results).values() for one, said in verdicts(of)}
    write_json(folder / "intervals.json", intervals_json(results, judged))
    write_json(folder / "ensembles.json", [row for further in found.further for row in intervals_json(further)])
    write_json(folder / "uncertainty.json", found.uncertainty)
    write_delimited(folder / "recall.tsv", recall_curves(suites.retrieval, parts), "\t")
    write_delimited(folder / "confusion.csv", confusion_rows(suites.zero_shot, parts["student"]), ",")
    write_delimited(folder / "robustness.tsv", robustness_rows(results), "\t")
    write_delimited(folder / "classes.csv", _classes(suites.zero_shot, parts), ",")
    grouped = _by_dataset(results)
    comparisons = [*grouped.items(), *(item for further in found.further for item in _by_dataset(further).items())]
    blocks = [chapter.text(words) for dataset, of in comparisons for words in told(dataset, of)]
    blocks.append(chapter.text(protocol_words(protocol)))
    for dataset, of in grouped.items():
        blocks += _dataset_blocks(folder, dataset, of, protocol)
        for further in found.further:
            blocks.append(results_table(dataset, _by_dataset(further)[dataset], protocol))
        if any((dataset, "t2a") in own for own in parts.values()):
            blocks.append(protocols_table(dataset, _directions(found, dataset)))
            student_parts = {name: part for (of, name), part in parts["student"].items() if of == dataset}
            blocks.append(chapter.text(near_ties_told(dataset, student_parts)))
    for benchmark in suites.zero_shot:
        blocks += _zero_shot_blocks(folder, benchmark, parts)
    blocks += _uncertainty_blocks(folder, found.uncertainty)
    blocks += listen(folder, suites.retrieval, student, parts["student"], examples, seed)
    blocks += walks(folder, suites.hierarchy, parts["student"], examples, seed)
    chapter.write_chapter(folder, chapter.Chapter("Evaluation: student beside teacher", blocks))


def _dataset_blocks(folder: Path, dataset: str, of: list[Result], protocol: Protocol) -> list[chapter.Block]:
    blocks = []
    if any(result.chance is not None for result in of):
        bars(folder / f"bars_{dataset}.svg", of)
        blocks.append(chapter.figure(f"{dataset}: teacher beside student; red: chance.", f"bars_{dataset}.svg"))
    if any(result.part.startswith(("t2a_level", STRESS)) for result in of):
        robustness_bars(folder / f"robustness_{dataset}.svg", of)
        words = (
            f"{dataset}: text to audio, asked with the original captions and with other words for them. Dotted: "
            "the original captions of the same queries, of which there may be fewer (n)."
        )
        blocks.append(chapter.figure(words, f"robustness_{dataset}.svg"))
    blocks.append(results_table(dataset, of, protocol))
    reworded = robustness_table(dataset, of)
    return blocks if reworded is None else [*blocks, reworded]


def _zero_shot_blocks(folder: Path, benchmark: ZeroShot, parts: dict[str, Parts]) -> list[chapter.Block]:
    own = {model: of[benchmark.dataset, "zero_shot"] for model, of in parts.items()}
    file = f"confusion_{benchmark.dataset}.svg"
    confusion_picture(folder / file, benchmark, own["student"])
    words = f"{benchmark.dataset}: what the student takes each class for ({len(benchmark.truth):,} clips)."
    if benchmark.unlabelled:
        words += f" {benchmark.unlabelled:,} clips without a label were left out."
    return [chapter.figure(words, file), *zero_shot_tables(benchmark, own)]


def _uncertainty_blocks(folder: Path, uncertainty: Told) -> list[chapter.Block]:
    rows = calibration_rows(uncertainty)
    write_delimited(folder / "calibration.tsv", rows, "\t")
    blocks = uncertainty_tables(uncertainty)
    if len(rows):
        calibration_picture(folder / "calibration.svg", rows)
        words = "Whether a wide Gaussian means a wrong answer: the share answered, from narrow queries to wide ones."
        blocks.insert(0, chapter.figure(words, "calibration.svg"))
    return blocks


def _directions(found: Findings, dataset: str) -> dict[str, dict[str, dict[str, Part]]]:
    return {
        captions: {
            model: {direction: parts[dataset, direction] for direction in ("t2a", "a2t")}
            for model, parts in models.items()
        }
        for captions, models in found.directions.items()
    }


def _classes(benchmarks: list[ZeroShot], parts: dict[str, Parts]) -> pd.DataFrame:
    frames = [
        by_class(benchmark, {model: of[benchmark.dataset, "zero_shot"] for model, of in parts.items()})
        for benchmark in benchmarks
    ]
    columns = ["dataset", "class", "clips", *MODELS]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _by_dataset(results: list[Result]) -> dict[str, list[Result]]:
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result.dataset, []).append(result)
    return grouped
