"""From values per query to what is written: estimates, intervals, paired differences, and the headline metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clapline.metrics.bootstrap import bootstrap_means, bootstrap_medians, bootstrap_ratios, interval, sign_p_value
from clapline.metrics.protocols import PROTOCOLS, Protocol
from clapline.randomness import generator
from stages.evaluate.parts import Part

MODELS = ("teacher", "student")
STRESS = "t2a_stress_"
TWIN = "twin_"
DROP = "_drop"
LEVEL = 0.05
_LAST_BITS = 1e-9  # sums of equal values in another order: no difference
_HEADLINES = {
    "t2a_level1": ("r10", "map10"),
    "t2a_level2": ("r10", "map10"),
    "t2a_judged": ("map16",),
    "zero_shot": ("accuracy",),
    "traversal": ("precision",),
}


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95 % interval (None without resamples)."""

    estimate: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Result:
    """One measure of one part for two models by name, and second − first on the same draws with its p-value.

    `chance` is what a random order reaches, `control` what each model reached with the answers shuffled.
    """

    dataset: str
    part: str
    measure: str
    queries: int
    groups: int
    chance: float | None
    control: dict[str, float | None]
    models: dict[str, Estimate]
    difference: Estimate
    p_value: float | None

    def significant(self) -> bool:
        """Return whether the interval of the difference leaves out 0 and its p-value is below 0.05."""
        if self.difference.low is None or self.p_value is None:
            return False
        return (self.difference.low > 0 or self.difference.high < 0) and self.p_value < LEVEL


def stress_kind(part: str) -> str | None:
    """Return "typos" for the part `t2a_stress_typos`, the language for `t2a_stress_de`; None for other parts."""
    return part.removeprefix(STRESS) if part.startswith(STRESS) and not part.endswith(DROP) else None


def headlines(part: str, protocol: Protocol = PROTOCOLS["dcase"]) -> tuple[str, ...]:
    """Return the measures of a part that stand in the metrics; none for parts that stand in the report only."""
    if part in ("t2a", "a2t"):
        return protocol.measures(part)
    if part.startswith(TWIN):
        return ("accuracy",)
    return ("r10",) if stress_kind(part) else _HEADLINES.get(part, ())


def compare(first: Part, second: Part, resamples: int, seed: int, names: tuple[str, str] = MODELS) -> list[Result]:
    """Resample the clips of a part, the same for all measures of both models; return second beside first."""
    group, groups = first.units.groups()
    results = []
    for measures, at_hand, drawn, apart in _kinds(first, second, resamples, seed):
        for column, measure in enumerate(measures):
            other = column + len(measures)
            gap = drawn[:, other] - drawn[:, column]
            gap[np.abs(gap) < _LAST_BITS] = 0.0
            results.append(
                Result(
                    first.dataset,
                    first.name,
                    measure,
                    len(first.queries),
                    groups,
                    _rounded(first.chance.get(measure)),
                    {
                        name: _rounded(part.control.get(measure))
                        for name, part in zip(names, (first, second), strict=True)
                    },
                    {
                        names[0]: _estimate(at_hand[column], drawn[:, column]),
                        names[1]: _estimate(at_hand[other], drawn[:, other]),
                    },
                    _estimate(at_hand[other] - at_hand[column], gap),
                    _rounded(sign_p_value(gap, len(np.unique(group[apart[:, column]])))),
                )
            )
    return results


def _kinds(
    first: Part, second: Part, resamples: int, seed: int
) -> Iterator[tuple[list[str], np.ndarray, np.ndarray, np.ndarray]]:
    """Yield measures by kind of statistic: names, values at hand and resampled, of the first part, then the second.

    And for each measure which queries differ between the two, `(queries, measures)`. Measures that one of the models
    does not have (a Gaussian beside a model of points) are left out, and ratios whose denominators sum to 0.
    """

    def draws() -> np.random.Generator:
        return generator(seed, "evaluate", first.dataset, first.name)

    def both(kind: str) -> list[str]:
        return [name for name in getattr(first, kind) if name in getattr(second, kind)]

    names = both("values")
    if names:
        values = np.stack([part.values[name] for part in (first, second) for name in names], axis=1)
        drawn = bootstrap_means(values, first.units, resamples, draws())
        yield names, values.mean(axis=0), drawn, _apart(values)
    names = both("medians")
    if names:
        values = np.stack([part.medians[name] for part in (first, second) for name in names], axis=1)
        drawn = bootstrap_medians(values, first.units, resamples, draws())
        yield names, np.median(values, axis=0), drawn, _apart(values)
    names = [name for name in both("ratios") if all(part.ratios[name][1].sum() for part in (first, second))]
    if names:
        above, below = (
            np.stack([part.ratios[name][place] for part in (first, second) for name in names], axis=1)
            for place in (0, 1)
        )
        drawn = bootstrap_ratios(above, below, first.units, resamples, draws())
        yield names, above.sum(axis=0) / below.sum(axis=0), drawn, _apart(above) | _apart(below)


def _apart(values: np.ndarray) -> np.ndarray:
    one, other = np.split(values, 2, axis=1)
    return np.abs(one - other) > _LAST_BITS


def _estimate(value: float, means: np.ndarray) -> Estimate:
    low, high = interval(means)
    return Estimate(_rounded(value), _rounded(low), _rounded(high))


def _rounded(value: float | None) -> float | None:
    """Six decimals: the last bits of a product, which differ between processors, do not show."""
    return None if value is None else round(float(value), 6) + 0.0


def headline_metrics(results: list[Result], protocol: Protocol = PROTOCOLS["dcase"]) -> dict[str, Any]:
    """Return the nested metrics: model → dataset → part → measure, and n → dataset → part → queries averaged over."""
    metrics: dict[str, Any] = {}
    for model in reversed(MODELS):
        datasets: dict[str, Any] = {}
        for result in results:
            if result.measure in headlines(result.part, protocol):
                part = datasets.setdefault(result.dataset, {}).setdefault(result.part, {})
                part[result.measure] = result.models[model].estimate
        metrics[model] = datasets
    counts: dict[str, dict[str, int]] = {}
    for result in results:
        if headlines(result.part, protocol):
            counts.setdefault(result.dataset, {})[result.part] = result.queries
    return {**metrics, "n": counts}


def intervals_json(results: list[Result], verdicts: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
    """Return every measure with its intervals, as plain values, and by place the verdicts on what the report tells."""
    rows = []
    for place, result in enumerate(results):
        first, second = result.models
        rows.append(
            {
                "dataset": result.dataset,
                "part": result.part,
                "measure": result.measure,
                "queries": result.queries,
                "groups": result.groups,
                "chance": result.chance,
                "shuffled": result.control,
                **{model: vars(estimate) for model, estimate in result.models.items()},
                f"{second}_minus_{first}": {**vars(result.difference), "p_value": result.p_value},
                **({"verdict": verdicts[place]} if verdicts and place in verdicts else {}),
            }
        )
    return rows
