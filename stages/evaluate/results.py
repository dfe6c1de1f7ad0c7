"""From values per query to what is written: means, intervals, paired differences, and the headline metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clapline.metrics.bootstrap import bootstrap_means, interval, sign_p_value
from clapline.randomness import generator
from stages.evaluate.parts import Part

MODELS = ("teacher", "student")
HEADLINES = {
    "t2a": ("r1", "r5", "r10", "map10"),
    "a2t": ("r1", "r5", "r10", "map10"),
    "t2a_level1": ("r10", "map10"),
    "t2a_level2": ("r10", "map10"),
    "zero_shot": ("accuracy",),
    "traversal": ("precision",),
}
STRESS = "t2a_stress_"
DROP = "_drop"


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval (None without resamples)."""

    estimate: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Result:
    """One measure of one part for both models, and student − teacher on the same draws with its p-value."""

    dataset: str
    part: str
    measure: str
    queries: int
    clips: int
    chance: float | None
    teacher: Estimate
    student: Estimate
    difference: Estimate
    p_value: float | None

    def significant(self) -> bool:
        """Return whether the interval of the difference leaves out 0."""
        return self.difference.low is not None and (self.difference.low > 0 or self.difference.high < 0)


def stress_kind(part: str) -> str | None:
    """Return "typos" for the part `t2a_stress_typos`, the language for `t2a_stress_de`; None for other parts."""
    return part.removeprefix(STRESS) if part.startswith(STRESS) and not part.endswith(DROP) else None


def headlines(part: str) -> tuple[str, ...]:
    """Return the measures of a part that stand in the metrics; none for parts that stand in the report only."""
    return ("r10", "map10") if stress_kind(part) else HEADLINES.get(part, ())


def compare(teacher: Part, student: Part, resamples: int, seed: int) -> list[Result]:
    """Resample the clips of a part once, for all measures of both models."""
    names = list(teacher.values)
    values = np.stack([*teacher.values.values(), *(student.values[name] for name in names)], axis=1)
    draws = generator(seed, "evaluate", teacher.dataset, teacher.name)
    means = bootstrap_means(values, teacher.units, resamples, draws)
    at_hand = values.mean(axis=0)
    results = []
    for column, name in enumerate(names):
        other = column + len(names)
        gap = means[:, other] - means[:, column]
        results.append(
            Result(
                teacher.dataset,
                teacher.name,
                name,
                len(values),
                len(teacher.units.sums(values)[1]),
                _rounded(teacher.chance[name]),
                _estimate(at_hand[column], means[:, column]),
                _estimate(at_hand[other], means[:, other]),
                _estimate(at_hand[other] - at_hand[column], gap),
                _rounded(sign_p_value(gap)),
            )
        )
    return results


def _estimate(value: float, means: np.ndarray) -> Estimate:
    low, high = interval(means)
    return Estimate(_rounded(value), _rounded(low), _rounded(high))


def _rounded(value: float | None) -> float | None:
    """Six decimals: the last bits of a product, which differ between processors, do not show."""
    return None if value is None else round(float(value), 6) + 0.0


def headline_metrics(results: list[Result]) -> dict[str, Any]:
    """Return the nested metrics: model → dataset → part → measure, and n → dataset → part → queries averaged over."""
    metrics: dict[str, Any] = {}
    for model in reversed(MODELS):
        datasets: dict[str, Any] = {}
        for result in results:
            if result.measure in headlines(result.part):
                part = datasets.setdefault(result.dataset, {}).setdefault(result.part, {})
                part[result.measure] = getattr(result, model).estimate
        metrics[model] = datasets
    counts: dict[str, dict[str, int]] = {}
    for result in results:
        if headlines(result.part):
            counts.setdefault(result.dataset, {})[result.part] = result.queries
    return {**metrics, "n": counts}


def intervals_json(results: list[Result]) -> list[dict[str, Any]]:
    """Return every measure with its intervals, as plain values."""
    return [
        {
            "dataset": result.dataset,
            "part": result.part,
            "measure": result.measure,
            "queries": result.queries,
            "clips": result.clips,
            "chance": result.chance,
            **{model: vars(getattr(result, model)) for model in MODELS},
            "student_minus_teacher": {**vars(result.difference), "p_value": result.p_value},
        }
        for result in results
    ]
