"""Lay out the report folder of evaluation: intervals, plots, figures, examples, chapter."""

from __future__ import annotations

from pathlib import Path

from clapline import chapter
from clapline.storage import write_json
from stages.evaluate.encoded import Encoded, Suites
from stages.evaluate.examples import listen
from stages.evaluate.parts import Part
from stages.evaluate.pictures import (
    bars,
    confusion_picture,
    confusion_rows,
    recall_curves,
    robustness_bars,
    write_delimited,
)
from stages.evaluate.results import STRESS, Result, intervals_json
from stages.evaluate.words import PROTOCOL, results_table, stress_table, told


def write_report(
    folder: Path,
    suites: Suites,
    parts: dict[str, dict[tuple[str, str], Part]],
    student: Encoded,
    results: list[Result],
    examples: int,
    seed: int,
) -> None:
    """Write everything but the per-query table into the folder."""
    write_json(folder / "intervals.json", intervals_json(results))
    write_delimited(folder / "recall.tsv", recall_curves(suites.retrieval, parts), "\t")
    write_delimited(folder / "confusion.csv", confusion_rows(suites.zero_shot, parts["student"]), ",")
    blocks = [chapter.text(told(dataset, of)) for dataset, of in _by_dataset(results).items()]
    blocks.append(chapter.text(PROTOCOL))
    for dataset, of in _by_dataset(results).items():
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
        stressed = stress_table(dataset, of)
        if stressed:
            blocks.append(stressed)
        blocks.append(results_table(dataset, of))
    for benchmark in suites.zero_shot:
        file = f"confusion_{benchmark.dataset}.svg"
        confusion_picture(folder / file, benchmark, parts["student"][benchmark.dataset, "zero_shot"])
        words = f"{benchmark.dataset}: what the student takes each class for ({len(benchmark.truth):,} clips)."
        if benchmark.unlabelled:
            words += f" {benchmark.unlabelled:,} clips without a label were left out."
        blocks.append(chapter.figure(words, file))
    blocks += listen(folder, suites.retrieval, student, parts["student"], examples, seed)
    chapter.write_chapter(folder, chapter.Chapter("Evaluation: student beside teacher", blocks))


def _by_dataset(results: list[Result]) -> dict[str, list[Result]]:
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result.dataset, []).append(result)
    return grouped
