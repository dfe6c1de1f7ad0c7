"""What the trials of a study measured: values by arm and seed, differences to the control, what became of claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clapline.comparison.differences import Difference, corrected, paired_difference
from clapline.comparison.runs import CLIPS, Key, Run, one_side, read_table, run_of
from studies.definition import TEACHER, Claim, Column, Study

HELD, REFUTED, OPEN, UNKNOWN = "held", "did not hold", "not resolved", "not measured"
_DROPS = {"t2a_drop1": "t2a_level1", "t2a_drop2": "t2a_level2"}


@dataclass(frozen=True)
class Measured:
    """The runs of an arm by seed, of the student and of its teacher, with the same queries in each."""

    seeds: tuple[int, ...]
    student: tuple[Run, ...]
    teacher: tuple[Run, ...]


@dataclass(frozen=True)
class Verdict:
    """What became of a claim on one dataset."""

    claim: Claim
    dataset: str
    found: Difference | None
    outcome: str


def read_arm(revisions: Mapping[int, str]) -> Measured:
    """Return what an arm measured. Raises UserError where its seeds were asked other queries.

    Args:
        revisions: seed → git revision of its experiment, or a folder.
    """
    seeds = tuple(sorted(revisions))
    tables = [(revisions[seed], read_table(revisions[seed])) for seed in seeds]
    student, teacher = (
        tuple(with_drops(run) for run in one_side([run_of(name, table, model) for name, table in tables]))
        for model in ("student", TEACHER)
    )
    return Measured(seeds, student, teacher)


def with_drops(run: Run) -> Run:
    """Return a run with the parts `t2a_drop1` and `t2a_drop2`: what each query loses in other words, per measure."""
    parts = dict(run.parts)
    for dataset, part in run.parts:
        for drop, level in _DROPS.items():
            if part == "t2a" and (dataset, level) in run.parts:
                parts[dataset, drop] = _lost(run.parts[dataset, "t2a"], run.parts[dataset, level])
    return Run(run.name, parts)


def _lost(original: pd.DataFrame, paraphrased: pd.DataFrame) -> pd.DataFrame:
    common = original.index.intersection(paraphrased.index).sort_values()
    of, to = original.loc[common], paraphrased.loc[common]
    measures = [name for name in of if name in to and of[name].dtype == np.float64]
    return pd.concat([of[[CLIPS]], of[measures] - to[measures]], axis=1)


def datasets_of(arms: Mapping[str, Measured], columns: Sequence[Column]) -> list[str]:
    """Return the datasets on which some arm has a column, sorted."""
    parts = {column.part for column in columns}
    return sorted({key[0] for arm in arms.values() for key in arm.student[0].parts if key[1] in parts})


def values(runs: Sequence[Run], dataset: str, column: Column) -> tuple[float, ...] | None:
    """Return the mean of a column over the queries, by run; None where it was not measured."""
    frames = _frames(runs, (dataset, column.part), column.measure)
    return None if frames is None else tuple(float(frame[column.measure].mean()) for frame in frames)


def _frames(runs: Sequence[Run], key: Key, measure: str) -> list[pd.DataFrame] | None:
    frames = [run.parts.get(key) for run in runs]
    if any(frame is None or measure not in frame or frame[measure].isna().all() for frame in frames):
        return None
    return [frame[[CLIPS, measure]] for frame in frames if frame is not None]


def against_control(study: Study, arms: Mapping[str, Measured], dataset: str) -> dict[tuple[str, str], Difference]:
    """Return arm and column's title → the arm minus its control, corrected for the number of cells (Holm)."""
    found = {}
    for name in arms:
        control = study.control_of(name)
        for column in study.columns:
            one = None if name == control else difference(arms, name, control, dataset, column.part, column.measure)
            if one is not None:
                found[name, column.title] = one
    return dict(zip(found, corrected(list(found.values())), strict=True))


def difference(
    arms: Mapping[str, Measured],
    arm: str,
    against: str | None,
    dataset: str,
    part: str,
    measure: str,
    factor: float = 1.0,
) -> Difference | None:
    """Return an arm minus `factor` times another (`teacher`: its own; None: nothing); None where one was not measured.

    The difference is taken query by query and seed by seed, for runs of a seed share a teacher, its pairs and its
    draws. Queries that lack the measure in some run take no part.
    """
    of, other = arms.get(arm), arms.get(arm if against in (None, TEACHER) else against)
    if of is None or other is None:
        return None
    seeds = [seed for seed in of.seeds if seed in other.seeds]
    key = (dataset, part)
    b = _frames([of.student[of.seeds.index(seed)] for seed in seeds], key, measure)
    runs = other.teacher if against == TEACHER else other.student
    a = _frames([runs[other.seeds.index(seed)] for seed in seeds], key, measure)
    if not seeds or a is None or b is None:
        return None
    return paired_difference(b, a, measure, 0.0 if against is None else factor)


def judge(claim: Claim, arms: Mapping[str, Measured], dataset: str) -> Verdict:
    """Return what became of a claim: held or refuted where the whole 95 % interval lies on one side of the bound.

    A claim on a part of what is lost (a factor other than 1) is not measured where nothing is lost.
    """
    one = difference(arms, claim.arm, claim.against, dataset, claim.part, claim.measure, claim.factor)
    if one is not None and claim.against not in (None, TEACHER) and claim.factor != 1:
        lost = difference(arms, claim.against, None, dataset, claim.part, claim.measure)
        if lost is None or lost.low is None or lost.low <= 0:
            one = None
    return Verdict(claim, dataset, one, UNKNOWN if one is None else _outcome(claim, one.low, one.high))


def _outcome(claim: Claim, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return UNKNOWN
    if claim.above is not None:
        return HELD if low > claim.above else REFUTED if high <= claim.above else OPEN
    assert claim.below is not None, "a claim has one of two bounds"
    return HELD if high < claim.below else REFUTED if low >= claim.below else OPEN
