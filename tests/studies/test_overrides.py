"""Overrides: applied by DVC itself they turn one params file into another, types and all."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.params.base import read_params
from studies.overrides import overrides

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


def applied(old: dict[str, Any], new: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return what DVC makes of `old` with the overrides to `new`."""
    path.write_text(yaml.safe_dump(old, sort_keys=False, allow_unicode=True), encoding="utf-8")
    apply_overrides(path, overrides(old, new))
    return read_params(path)


def typed(value: Any) -> Any:
    """Return a value in which 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_default_becomes_a_recipe_and_a_recipe_the_default(recipe, tmp_path):
    default, other = read_params(ROOT / "params.yaml"), read_params(recipe)
    assert typed(applied(default, other, tmp_path / "params.yaml")) == typed(other)
    assert typed(applied(other, default, tmp_path / "params.yaml")) == typed(default)


def test_equal_files_need_none_and_a_change_one():
    default = read_params(ROOT / "params.yaml")
    assert overrides(default, copy.deepcopy(default)) == []
    changed = copy.deepcopy(default)
    changed["student"]["objective"]["paraphrase"]["weight"] = 0.0
    assert overrides(default, changed) == ["++student.objective.paraphrase.weight=0.0"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": 3}),
        ({"a": 3}, {"a": {"b": [1.0, {"c": None}]}}),
        ({"a": [{"b": 1}]}, {"a": [{"c": 1}]}),
        ({"a": [1, 2, 3]}, {"a": []}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": True}, {"a": 1}),
        ({"a": "1"}, {"a": 1}),
        ({"a": 1}, {"a": "true"}),
        ({"a": 1}, {"a": "it's {label}, 100 % \\ = [x]"}),
        ({"a": 4e-6}, {"a": 1e-7}),
        ({"a": 1}, {"b": 1}),
    ],
)
def test_single_cases(old, new, tmp_path):
    assert typed(applied({"x": 0, **old}, {"x": 0, **new}, tmp_path / "params.yaml")) == typed({"x": 0, **new})


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters="$\x7f\x85"), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
FILES = st.dictionaries(st.sampled_from("abcd"), VALUES, min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(old=FILES, new=FILES)
def test_any_file_becomes_any_other(tmp_path_factory, old, new):
    path = tmp_path_factory.mktemp("overrides") / "params.yaml"
    assert typed(applied(old, new, path)) == typed(new)
