"""Compare two experiments on the same queries: `python -m stages.evaluate.compare A B`.

A and B are each one run, or several separated by commas (seeds of one experiment). A run is a folder (a checkout, its
reports/evaluate, or the file per_query.parquet itself), or a git revision or DVC experiment of the repository here; a
name that is both is the folder. Prints B - A with 95 % intervals as a Markdown table, and what it says in words: of the
measures that the report tells, one per part; of others by --parts, --measures, --all. What is printed is corrected for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from clapline.comparison.paired import Comparison, compare_runs, mean_and_deviation
from clapline.comparison.runs import ASKED, LeftOut, Run, asked_otherwise, left_out, read_side
from clapline.comparison.tested import LEVEL
from clapline.errors import UserError, door
from clapline.storage import write_json
from stages.evaluate.words import told_measure

HEADER = ("dataset", "part", "measure", "queries", "A", "B", "B − A", "95 % interval", "p", "Holm")


def table(results: Sequence[Comparison]) -> str:
    """Return the comparisons as a Markdown table; a side of several runs as mean ± standard deviation (runs)."""
    rows = [HEADER, ["---"] * len(HEADER)]
    for one in results:
        interval = "" if one.low is None else f"{one.low:+.3f} to {one.high:+.3f}"
        p_value, survives = ("", "") if one.p_value is None else (f"{one.p_value:.4f}", _yes(one.survives))
        cells = [one.dataset, one.part, one.measure, str(one.queries), _side(one.a), _side(one.b)]
        rows.append([*cells, f"{one.difference:+.3f}", interval, p_value, survives])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def _side(values: Sequence[float]) -> str:
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f} ({len(values)})"


def words(results: Sequence[Comparison], runs: tuple[int, int], resamples: int, *, paired: bool = False) -> list[str]:
    """Return what the table says, line by line: better, worse, what chance may explain, what intervals cover."""
    if not resamples:
        return [f"{len(results)} comparisons without resamples: nothing is said of significance."]
    count, significant = len(results), [one for one in results if one.significant]
    kept = [one for one in significant if one.survives]
    uncorrected = [one for one in significant if not one.survives]
    corrected = f"p ≤ {LEVEL} after Holm's correction for all of the table"
    said = [
        _listed(f"B is significantly better ({corrected}) in", kept, _better),
        _listed("B is significantly worse in", kept, _worse),
        _listed("Better by the uncorrected p alone:", uncorrected, _better),
        _listed("Worse by it alone:", uncorrected, _worse),
        f"{count} comparisons were made; about 5 % of them ({LEVEL * count:.1f}) would look different uncorrected if A "
        f"and B did not differ at all. Not significant either way: {count - len(significant)}.",
    ]
    if not paired and LEVEL * (resamples + 1) < 2 * count:
        least = int(2 * count / LEVEL)
        said.append(
            f"With {resamples} resamples none of so many can survive the correction: take {least}, or fewer parts."
        )
    sides = [name for name, number in zip("AB", runs, strict=True) if number > 1]
    covered = f" and of the runs of {' and '.join(sides)}" if sides else ", not the seed of training"
    alone = [name for name in "AB" if name not in sides] if sides else []
    rest = f", not the seed of {alone[0]}, which is one run" if alone else ""
    said.append(f"The intervals cover the choice of clips{covered}{rest}.")
    if min(runs) > 1:
        said.append(
            "Runs are taken in pairs, each of one seed."
            if paired
            else "The runs of A and B are drawn apart; where both name the same seeds in the same order, --paired "
            "tells finer differences."
        )
    if 2 in runs and not paired:
        said.append("Two runs say little of how far runs differ: such intervals are too narrow.")
    return said


def _better(one: Comparison) -> bool:
    return one.better


def _worse(one: Comparison) -> bool:
    return not one.better


def _listed(title: str, results: Sequence[Comparison], chosen: Callable[[Comparison], bool]) -> str:
    parts: dict[str, list[str]] = {}
    for one in filter(chosen, results):
        parts.setdefault(f"{one.dataset} {one.part}", []).append(f"{one.measure} {one.difference:+.3f}")
    named = "; ".join(f"{part} ({', '.join(measures)})" for part, measures in parts.items())
    return f"{title} {named or 'nothing'}."


def _told(run: Run) -> Run:
    """Return a run with the parts that the report tells, each with the measure that it tells."""
    parts = {}
    for (dataset, part), frame in run.parts.items():
        told = told_measure(part)
        if told in frame:
            parts[dataset, part] = frame[[*(name for name in ASKED if name in frame), told]]
    return Run(run.name, parts)


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A", help="run, or runs separated by commas")
    parser.add_argument("b", metavar="B", help="what is compared with A")
    parser.add_argument("--model", default="student", help="model of both sides (default: %(default)s)")
    parser.add_argument("--parts", default="", help="parts to compare, separated by commas, in all measures")
    parser.add_argument("--measures", default="", help="measures to compare, separated by commas, in all parts")
    parser.add_argument("--all", action="store_true", help="all measures of all parts")
    parser.add_argument(
        "--paired", action="store_true", help="the first runs of A and B share a seed, so do the second, and so on"
    )
    parser.add_argument("--resamples", type=int, default=10_000, help="draws of clips (default: %(default)s; 0: none)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results here")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _say_what_is_left_out(missing: Sequence[LeftOut]) -> None:
    for one in missing:
        where = " ".join(filter(None, [one.dataset, one.part, one.measure]))
        why = "asked of one side only" if one.measure is None else "without a value in some run"
        print(f"left out: {where}: {one.of_a} queries of A, {one.of_b} of B ({why})", file=sys.stderr)


@door
def main(arguments: Sequence[str] | None = None) -> None:
    """Read both sides, compare them, print the table and the words, and write the results where `--json` says."""
    given = _given(arguments)
    if given.resamples < 0:
        raise UserError(f"--resamples {given.resamples}: 0 or more")
    measures = _names(given.measures)
    a, b = (read_side(side, given.model, _names(given.parts)) for side in (given.a, given.b))
    if not any(
        a[0].parts[key].index.intersection(b[0].parts[key].index).size for key in a[0].parts.keys() & b[0].parts
    ):
        raise UserError(f"{given.a} and {given.b} share no query of {given.model}")
    if given.paired and len(a) != len(b):
        raise UserError(f"--paired: A names {len(a)} runs, B {len(b)}; name those of the same seeds in the same order")
    told = not (given.all or given.parts or given.measures)
    if told:
        a, b = ([_told(run) for run in side] for side in (a, b))
    results = compare_runs(a, b, given.resamples, given.seed, measures, paired=given.paired)
    unknown = [name for name in measures if name not in {one.measure for one in results}]
    if unknown or not results:
        which = "that the report tells; --all compares the others" if told else ", ".join(unknown)
        raise UserError(f"{given.a} and {given.b} share no measure {which}".rstrip())
    missing = left_out(a, b, measures)
    _say_what_is_left_out(missing)
    for words_of_part in asked_otherwise(a, b):
        print(words_of_part, file=sys.stderr)
    if given.json:
        sides = {side: [run.name for run in runs] for side, runs in (("a", a), ("b", b))}
        asked = {"model": given.model, "resamples": given.resamples, "seed": given.seed}
        found = {"left_out": [vars(one) for one in missing], "results": [one.as_json() for one in results]}
        write_json(given.json, {**sides, **asked, **found})
    print(f"A: {given.a}; B: {given.b}; model: {given.model}\n")
    print(table(results))
    print("", *words(results, (len(a), len(b)), given.resamples, paired=given.paired), sep="\n")


if __name__ == "__main__":
    main()
