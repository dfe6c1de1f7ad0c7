"""The page of a study as parts: what held, our tables, differences to the controls, the published tables, the arms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clapline.comparison.differences import Difference
from clapline.comparison.paired import mean_and_deviation
from clapline.comparison.runs import Run
from clapline.comparison.tested import LEVEL
from stages.report.numbers import signed
from studies.definition import TEACHER, Claim, Column, Study
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


Differences = Mapping[tuple[str, str], Difference]

_NAMED = 6  # differences that are named one by one in the words of a page


def words(study: Study, verdicts: Sequence[Verdict], differences: Mapping[str, Differences]) -> list[str]:
    """Return what held and what did not, a sentence per outcome, and what of the tables is more than chance."""
    said = []
    several = len({verdict.dataset for verdict in verdicts if verdict.found}) > 1
    titles = {HELD: "Held", REFUTED: "Did not hold", OPEN: "Not resolved", UNKNOWN: "Not measured"}
    for outcome, title in titles.items():
        of = [_claimed(verdict, several) for verdict in verdicts if verdict.outcome == outcome]
        if of:
            said.append(f"{title}: {'; '.join(of)}.")
    for dataset, found in differences.items():
        sure = {(arm, column): one for (arm, column), one in found.items() if one.survives}
        if len(sure) <= _NAMED:
            named = [f"{arm} {column} {signed(one.estimate)}" for (arm, column), one in sure.items()]
        else:  # the table has them, marked
            named = [f"{count} of {arm}" for arm, count in Counter(arm for arm, _ in sure).items()]
        said.append(
            f"On {dataset} {len(sure)} of {len(found)} differences to a control outlast Holm's correction"
            f"{': ' if sure else ''}{', '.join(named)}."
        )
    return said


def _claimed(verdict: Verdict, several: bool) -> str:
    where = f" ({verdict.dataset})" if several and verdict.found else ""
    if verdict.found is None:
        return verdict.claim.says
    return f"{verdict.claim.says}{where}: {_formula(verdict.claim)} {_gap(verdict.found, marked=False)}"


def results(study: Study, arms: Mapping[str, Measured], dataset: str) -> Part:
    """Return our table on one dataset: mean ± standard deviation over seeds, of each arm and the control's teacher."""
    columns = measured_columns(study, arms, dataset)
    seeds = {name: arm.seeds for name, arm in arms.items()}
    rows = [[name, *_cells(columns, arm.student, dataset)] for name, arm in arms.items()]
    if study.control in arms:
        rows.insert(0, [TEACHER, *_cells(columns, arms[study.control].teacher, dataset)])
    said = [f"Mean ± standard deviation over seeds. `{TEACHER}`: that of `{study.control}`."]
    if any(column.part.startswith("t2a_drop") for column in columns):
        said.append("Lost: the original queries' value minus that of the same queries in other words; less is better.")
    if len(set(seeds.values())) > 1:
        listed = ", ".join(f"`{name}` {', '.join(map(str, of))}" for name, of in seeds.items())
        said.append(f"Not all arms have the same seeds: {listed}.")
    elif len(next(iter(seeds.values()))) == 1:
        said[0] = f"One seed. `{TEACHER}`: that of `{study.control}`."
    return Part(f"Results on {dataset}", said, ["arm", *(column.title for column in columns)], rows)


def measured_columns(study: Study, arms: Mapping[str, Measured], dataset: str) -> list[Column]:
    """Return the columns that some arm has on a dataset."""
    return [column for column in study.columns if any(values(arm.student, dataset, column) for arm in arms.values())]


def _cells(columns: Sequence[Column], runs: Sequence[Run], dataset: str) -> list[str]:
    return [_cell(values(runs, dataset, column)) for column in columns]


def _cell(found: tuple[float, ...] | None) -> str:
    if found is None:
        return DASH
    mean, deviation = mean_and_deviation(found)
    return f"{mean:.3f}".replace("-", "−") + ("" if deviation is None else f" ± {deviation:.3f}")


def against(study: Study, found: Differences, dataset: str) -> Part:
    """Return each arm minus its control with 95 % intervals; what outlasts Holm's correction is marked."""
    arms = list(dict.fromkeys(arm for arm, _ in found))
    titles = [column.title for column in study.columns if any((arm, column.title) in found for arm in arms)]
    rows = [
        [f"{arm} − {study.control_of(arm)}", *(_gap(found.get((arm, title)), marked=True) for title in titles)]
        for arm in arms
    ]
    seeds = {len(one.by_seed) for one in found.values()}
    queries = {title: {one.queries for (_, of), one in found.items() if of == title} for title in titles}
    asked = ", ".join(f"{title} {'/'.join(map(str, sorted(of)))}" for title, of in queries.items())
    covered = "over clips and seeds" if min(seeds) > 1 else "over clips alone where an arm has one seed"
    return Part(
        f"Minus the control on {dataset}",
        [
            f"Differences query by query and seed by seed, with 95 % intervals {covered}. *: p ≤ {LEVEL} taken alone; "
            f"**: after Holm's correction for the {len(found)} of this table. Queries: {asked}."
        ],
        ["arms", *titles],
        rows,
    )


def _gap(one: Difference | None, *, marked: bool) -> str:
    if one is None:
        return DASH
    mark = "" if not marked else "**" if one.survives else "*" if one.significant else ""
    interval = "" if one.low is None or one.high is None else f"[{signed(one.low)}, {signed(one.high)}]"
    return f"{signed(one.estimate)}{mark} {interval}".rstrip()


def claims(verdicts: Sequence[Verdict]) -> Part:
    """Return the claims with what was measured, by seed too, and the verdict."""
    rows = []
    for verdict in verdicts:
        of, found = verdict.claim, verdict.found
        by_seed = ", ".join(map(signed, found.by_seed)) if found else DASH
        what = f"{_formula(of)}: {of.part} {of.measure} {_bound(of)}"
        rows.append([of.says, what, verdict.dataset, _gap(found, marked=False), by_seed, verdict.outcome])
    return Part(
        "Claims",
        [
            "Held (or not) is a claim whose whole 95 % interval lies on that side of the bound; not corrected for "
            "the number of claims."
        ],
        ["claim", "as measured", "dataset", "value, 95 % interval", "by seed", "outcome"],
        rows,
    )


def _formula(claim: Claim) -> str:
    if claim.against is None:
        return claim.arm
    times = "" if claim.factor == 1 else f"{claim.factor:g} × "
    return f"{claim.arm} − {times}{'its teacher' if claim.against == TEACHER else claim.against}"


def _bound(claim: Claim) -> str:
    bound = f"> {claim.above:g}" if claim.above is not None else f"< {claim.below:g}"
    return bound.replace("-", "−")


def published(study: Study) -> list[Part]:
    """Return the tables of the paper."""
    parts = [
        Part(f"Published: {table.source}", [f"Protocol: {table.protocol}."], table.columns, table.rows)
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
            blocks.append("\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in rows))
        if part.figure:
            blocks.append(f"![{part.title}]({part.figure})")
    return "\n\n".join(blocks) + "\n"


def _escaped(cell: str) -> str:
    """Return a cell that ends no cell by a bar and starts no emphasis by an asterisk."""
    return cell.replace("|", "¦").replace("*", "\\*")
