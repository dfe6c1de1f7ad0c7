"""Recipes are valid and whole and say what they differ in; experiments that documents name are valid changes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from stages.settings.checks import SECTIONS, check_params

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
MINIS = [path for path in RECIPES if path.stem.endswith("-mini")]
STUDIES = ("everything", "prolap", "robustclap", "thesis", "unsupervised")
# Lines that are new only because a flow mapping of params.yaml stands in block form, so that `-S` reaches its keys.
UNCHANGED = ("form:", "epsilon:", "sharpness:", "variant:", "margin:")
DOCUMENTS = (ROOT / "docs" / "recipes.md", ROOT / "README.md")
FENCE = re.compile(r"^```sh ([a-z -]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ARMS = [
    (recipe, line)
    for document in DOCUMENTS
    for recipes, lines in FENCE.findall(document.read_text(encoding="utf-8"))
    for line in lines.splitlines()
    for recipe in recipes.split()
]


def header(path: Path) -> str:
    """Return the comment that a file begins with, as one line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])


def values(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def keys(tree: Any) -> set[str]:
    """Return the dotted paths of all keys of a mapping and of the mappings in it."""
    if not isinstance(tree, dict):
        return set()
    below = {f"{key}.{name}" for key, value in tree.items() for name in keys(value)}
    return set(tree) | below


def test_each_study_has_both_forms():
    names = {path.stem for path in RECIPES}
    assert {name for study in STUDIES for name in (study, f"{study}-mini")} <= names


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_is_valid_and_says_how_it_is_run(path):
    assert check_params(path) == len(SECTIONS) + 2
    assert f"cp recipes/{path.name} params.yaml && dvc repro" in header(path)


@pytest.mark.parametrize("path", MINIS, ids=lambda path: path.stem)
def test_mini_form_differs_from_the_default_in_the_sections_it_names(path):
    named = re.search(r"Differs from params\.yaml in: ([a-z, ]+)\.", header(path))
    assert named, f"{path.name} does not say in which sections it differs"
    default, mini = values(ROOT / "params.yaml"), values(path)
    assert set(default) == set(mini)
    assert [name for name in default if default[name] != mini[name]] == named[1].split(", ")


@pytest.mark.parametrize("path", MINIS, ids=lambda path: path.stem)
def test_mini_form_says_why_at_each_line_that_differs(path):
    default = set((ROOT / "params.yaml").read_text(encoding="utf-8").splitlines())
    lines = path.read_text(encoding="utf-8").splitlines()
    new = [line for line in lines if line not in default and not line.startswith("#")]
    assert new
    assert [line for line in new if "#" not in line and line.split()[0] not in UNCHANGED] == []


@pytest.mark.parametrize("path", [path for path in RECIPES if path.stem in STUDIES], ids=lambda path: path.stem)
def test_recipe_has_the_knobs_of_the_default(path):
    """Nothing of the default is left to be looked up, but the models and datasets, which are a recipe's own."""
    default, recipe = values(ROOT / "params.yaml"), values(path)
    own = ("datasets", "teacher.model.", "teacher.objective.")
    missing = {key for key in keys(default) - keys(recipe) if not key.startswith(own)}
    assert missing == set()


@pytest.mark.parametrize(("recipe", "line"), ARMS, ids=lambda value: value.split(" -S")[0].removeprefix("dvc exp run "))
def test_arm_is_a_valid_change(recipe, line, tmp_path):
    words = shlex.split(line)
    assert words[:4] == ["dvc", "exp", "run", "-n"]
    assert words[5::2] == ["-S"] * len(words[6::2])
    path = tmp_path / "params.yaml"
    source = ROOT / "params.yaml" if recipe == "params" else ROOT / "recipes" / f"{recipe}.yaml"
    path.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    before = values(path)
    apply_overrides(path, words[6::2])
    check_params(path)
    assert values(path) != before, "the arm changes nothing"
