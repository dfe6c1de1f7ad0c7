"""The page of a study as parts: what held, our table, differences to the control, the published tables, the arms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stages.evaluate.paired import LEVEL, Comparison, mean_and_deviation
from stages.report.numbers import signed
from studies.definition import TEACHER, Study
from studies.results import HELD, OPEN, REFUTED, UNKNOWN, Measured, Verdict, values

DASH = "–"


@dataclass(frozen=True)
class Part:
    """A heading with sentences and, if it has one, a table: a row of headings and rows of cells."""

    title: str
    sentences: list[str] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    figure: str | None = None


def words(study: Study, verdicts: Sequence[Verdict], differences: Mapping[str, Mapping]) -> list[str]:
    """Return what held and what did not, a sentence per outcome, and what of the table is more than chance."""
    said = []
    titles = {HELD: "Held", REFUTED: "Did not hold", OPEN: "Not resolved", UNKNOWN: "Not measured"}
    for outcome, title in titles.items():
        of = [verdict for verdict in verdicts if verdict.outcome == outcome]
        if of:
            several = len({verdict.dataset for verdict in verdicts}) > 1
            listed = "; ".join(_claimed(verdict, several) for verdict in of)
            said.append(f"{title}: {listed}.")
    for dataset, found in differences.items():
        sure = [f"{arm} {column} {signed(one.difference)}" for (arm, column), one in found.items() if one.survives]
        said.append(
            f"{dataset}: {len(sure)} of {len(found)} differences to `{study.control}` outlast Holm's correction"
            f"{': ' if sure else ''}{', '.join(sure)}."
        )
    return said


def _claimed(verdict: Verdict, several: bool) -> str:
    where = f" ({verdict.dataset})" if several else ""
    if verdict.estimate is None:
        return f"{verdict.claim.says}{where}"
    return f"{verdict.claim.says}{where}, {signed(verdict.estimate)} {_interval(verdict.low, verdict.high)}"


def results(study: Study, arms: Mapping[str, Measured], dataset: str) -> Part:
    """Return our table on one dataset: mean ± standard deviation over seeds, of each arm and the control's teacher."""
    rows = [[name, *_cells(study, arm.student, dataset)] for name, arm in arms.items()]
    if study.control in arms:
        rows.insert(0, [TEACHER, *_cells(study, arms[study.control].teacher, dataset)])
    return Part(
        f"Results on {dataset}",
        [f"Mean ± standard deviation over seeds. `{TEACHER}`: that of `{study.control}`."],
        ["arm", *(column.title for column in study.columns)],
        rows,
    )


def _cells(study: Study, runs: Sequence, dataset: str) -> list[str]:
    return [_cell(values(runs, dataset, column)) for column in study.columns]


def _cell(found: tuple[float, ...] | None) -> str:
    if found is None:
        return DASH
    mean, deviation = mean_and_deviation(found)
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"


def against(study: Study, found: Mapping[tuple[str, str], Comparison], dataset: str) -> Part:
    """Return each arm minus the control with 95 % intervals; what survives Holm's correction is marked."""
    arms = list(dict.fromkeys(arm for arm, _ in found))
    rows = [[arm, *(_gap(found.get((arm, column.title))) for column in study.columns)] for arm in arms]
    return Part(
        f"Minus `{study.control}` on {dataset}",
        [
            "Differences query by query and seed by seed, with 95 % intervals over clips and seeds. "
            f"*: p ≤ {LEVEL} taken alone; **: after Holm's correction for all {len(found)}."
        ],
        ["arm", *(column.title for column in study.columns)],
        rows,
    )


def _gap(one: Comparison | None) -> str:
    if one is None:
        return DASH
    mark = "**" if one.survives else "*" if one.significant else ""
    return f"{signed(one.difference)}{mark} {_interval(one.low, one.high)}".rstrip()


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{signed(low)}, {signed(high)}]"


def claims(verdicts: Sequence[Verdict]) -> Part:
    """Return the claims with what was measured, by seed too, and the verdict."""
    rows = []
    for verdict in verdicts:
        claim = verdict.claim
        of = f"{claim.part} {claim.measure}"
        formula = {None: claim.arm, TEACHER: f"{claim.arm} − {_times(claim.factor)}its teacher"}.get(
            claim.against, f"{claim.arm} − {_times(claim.factor)}{claim.against}"
        )
        bound = f"> {claim.above:g}" if claim.above is not None else f"< {claim.below:g}"
        measured = DASH if verdict.estimate is None else signed(verdict.estimate)
        by_seed = ", ".join(signed(value) for value in verdict.by_seed) or DASH
        interval = _interval(verdict.low, verdict.high)
        what = f"{formula}: {of} {bound}"
        rows.append([claim.says, what, verdict.dataset, measured, interval, by_seed, verdict.outcome])
    return Part(
        "Claims",
        ["Held, or refuted, is a claim whose whole 95 % interval lies on that side of the bound."],
        ["claim", "as measured", "dataset", "value", "95 % interval", "by seed", "outcome"],
        rows,
    )


def _times(factor: float) -> str:
    return "" if factor == 1 else f"{factor:g} × "


def published(study: Study) -> list[Part]:
    """Return the tables of the paper."""
    parts = [
        Part(f"Published: {table.source}", [f"Protocol: {table.protocol}"], table.columns, table.rows)
        for table in study.published
    ]
    if study.not_published:
        parts.append(Part("Not available", [study.not_published]))
    return parts


def arms(study: Study, recipe: str) -> Part:
    """Return how each arm differs from the recipe."""
    rows = []
    for name, arm in study.arms_on(recipe).items():
        changes = ", ".join(f"{key} = {json.dumps(value)}" for key, value in study.changes(name).items())
        rows.append([name, arm.says, changes or "the recipe as it is"])
    return Part("Arms", [], ["arm", "what it is", "changes"], rows)


def markdown(title: str, introduction: Sequence[str], parts: Sequence[Part]) -> str:
    """Return a page as Markdown."""
    blocks = [f"# {title}", *introduction]
    for part in parts:
        blocks += [f"## {part.title}", *part.sentences]
        if part.header:
            rows = [part.header, ["---"] * len(part.header), *part.rows]
            blocks.append("\n".join(f"| {' | '.join(cell.replace('|', '¦') for cell in row)} |" for row in rows))
        if part.figure:
            blocks.append(f"![{part.title}]({part.figure})")
    return "\n\n".join(blocks) + "\n"
