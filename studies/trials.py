"""The trials of a study: each arm with each seed, as whole params and under the name its experiment bears."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clapline.errors import UserError
from clapline.params.base import PARAMS_FILE, read_params
from stages.settings.checks import check_params
from studies.definition import Study

RECIPES = Path("recipes")
DEFAULT = "default"  # the recipe of this name is params.yaml as it stands
# What changes no result of a run.
WITHOUT_EFFECT = ("machine", "report")


@dataclass(frozen=True)
class Trial:
    """An arm with a seed, and the params.yaml of its run."""

    study: str
    arm: str
    seed: int
    params: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of its experiment."""
        return f"{self.study}.{self.arm}.{self.seed}"

    @property
    def decides(self) -> dict[str, Any]:
        """The params that decide its results."""
        return deciding(self.params)


def deciding(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return params without the sections that change no result."""
    return {name: section for name, section in params.items() if name not in WITHOUT_EFFECT}


def trials_of(
    study: Study, recipe: str, seeds: Sequence[int], arms: Sequence[str] = (), folder: Path = RECIPES
) -> list[Trial]:
    """Return the trials of a study on a recipe, seed by seed, so that a broken-off study has whole seeds.

    Args:
        study: what is studied.
        recipe: a name in `folder`, or `default`.
        seeds: of the runs.
        arms: those wanted; none: all that the recipe has.
        folder: where recipes are.

    Raises:
        UserError: an arm is unknown, or its params are not valid.
    """
    known = study.arms_on(recipe)
    unknown = [name for name in arms if name not in known]
    if unknown:
        raise UserError(f"{recipe} has no arm {', '.join(unknown)}; there is: {', '.join(known)}")
    if len(set(seeds)) < len(seeds) or not seeds:
        raise UserError(f"seeds {list(seeds)}: name at least one, and each once")
    base = read_params(recipe_path(recipe, folder))
    chosen = [name for name in known if not arms or name in arms]
    if min(seeds) < 0:
        raise UserError(f"seeds {list(seeds)}: whole numbers, 0 or more")
    found = [Trial(recipe, arm, seed, changed(base, study.changes(arm), seed)) for seed in seeds for arm in chosen]
    alike: dict[str, str] = {}
    for trial in found[: len(chosen)]:
        _check(trial)
        other = alike.setdefault(repr(trial.decides), trial.arm)
        if other != trial.arm:
            raise UserError(f"{recipe}: arms {other} and {trial.arm} are the same run; name the others by --arms")
    return found


def recipe_path(recipe: str, folder: Path = RECIPES) -> Path:
    """Return the params file of a recipe."""
    return folder.parent / PARAMS_FILE if recipe == DEFAULT else folder / f"{recipe}.yaml"


def changed(params: Mapping[str, Any], changes: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return a copy of params with a seed and some parameters, named in dots, changed."""
    made = copy.deepcopy(dict(params))
    made["seed"] = seed
    for name, value in changes.items():
        *sections, key = name.split(".")
        target = made
        for section in sections:
            if not isinstance(target.get(section), dict):
                raise UserError(f"{name}: {section} is no section of the recipe")
            target = target[section]
        target[key] = copy.deepcopy(value)
    return made


def _check(trial: Trial) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(yaml.safe_dump(dict(trial.params), sort_keys=False), encoding="utf-8")
        try:
            check_params(path)
        except UserError as error:
            raise UserError(f"{trial.study}, arm {trial.arm}: {str(error).replace(str(path), 'params')}") from None
