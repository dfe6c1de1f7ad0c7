"""Experiments by arm: those that differ in nothing but the seed stand together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from clapline.comparison.paired import mean_and_deviation
from stages.report.experiments import Experiment, Key, Value

_SEED = "seed"


@dataclass(frozen=True)
class Arm:
    """One way to train: an experiment, or several of other seeds, in the order in which they were named."""

    experiments: tuple[Experiment, ...]

    @property
    def name(self) -> str:
        """Return the experiment's name, or what the names of several have in common and how many seeds there are."""
        names = [experiment.name for experiment in self.experiments]
        if len(names) == 1:
            return names[0]
        alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
        common = "".join(letters[0] for letters in alike).rstrip(".-_ /")
        return f"{common or ', '.join(names)} ({len(names)} seeds)"

    @property
    def params(self) -> dict[str, str]:
        """Return the parameters, with all seeds in place of the seed."""
        seeds = ", ".join(self.by_seed)
        return {**self.experiments[0].params, **({_SEED: seeds} if _SEED in self.experiments[0].params else {})}

    @property
    def by_seed(self) -> dict[str, Experiment]:
        """Return seed → experiment."""
        return {experiment.params.get(_SEED, ""): experiment for experiment in self.experiments}

    def value(self, model: str, key: Key) -> tuple[Value | None, float | None]:
        """Return a metric and its standard deviation over seeds: of several the mean, without an interval."""
        found = [one for one in (experiment.metrics[model].get(key) for experiment in self.experiments) if one]
        if len(found) < 2:
            return (found[0] if found else None), None
        mean, deviation = mean_and_deviation([one.estimate for one in found])
        return Value(mean), deviation


def arms_of(experiments: Sequence[Experiment]) -> list[Arm]:
    """Return the arms in the order of their first experiments.

    Of experiments with the same parameters and the same seed, which differ in code or data, each is an arm of its own.
    """
    arms: list[tuple[dict[str, str], Arm]] = []
    for experiment in experiments:
        own = {name: value for name, value in experiment.params.items() if name != _SEED}
        own = {name: value for name, value in own.items() if not name.startswith("report.") and value != "null"}
        seed = experiment.params.get(_SEED, "")
        for place, (params, arm) in enumerate(arms):
            if params == own and seed not in arm.by_seed:
                arms[place] = (params, replace(arm, experiments=(*arm.experiments, experiment)))
                break
        else:
            arms.append((own, Arm((experiment,))))
    return [arm for _, arm in arms]
