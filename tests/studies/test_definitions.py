"""Definitions: every study is whole, every arm of every recipe is valid params, and what is wrong is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from clapline.errors import UserError
from clapline.params.base import parsed_params, read_params, validated
from studies.definition import DEFINITIONS, Study, read_study
from studies.trials import changed, recipe_path, trials_of

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"
FILES = sorted(DEFINITIONS.glob("*.yaml"))
STUDIES = {path.stem: validated(Study, parsed_params(path.read_text(), path), path.stem) for path in FILES}
NAMES = [name for study in STUDIES.values() for name in study.recipes]


def test_every_paper_has_a_study_in_both_forms_and_no_recipe_two():
    papers = {"thesis", "robustclap", "unsupervised", "prolap", "everything"}
    assert papers | {f"{name}-mini" for name in papers} <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_arm_is_valid_and_different_and_found_by_its_recipe(name):
    study = read_study(name)
    trials = trials_of(study, name, [0, 1], folder=RECIPES)  # refuses params that are not valid
    assert [trial.seed for trial in trials] == sorted(trial.seed for trial in trials)
    of_one_seed = [repr(trial.decides) for trial in trials if trial.seed == 0]
    assert len(set(of_one_seed)) == len(of_one_seed) == len(study.arms_on(name))
    assert study.control in study.arms_on(name)


@pytest.mark.parametrize("name", STUDIES)
def test_an_arm_changes_what_it_names(name):
    """A change to the value that the recipe has already is a slip."""
    study = STUDIES[name]
    for recipe in study.recipes:
        base = read_params(recipe_path(recipe, RECIPES))
        for arm in study.arms_on(recipe):
            assert study.changes(arm) == {} or changed(base, study.changes(arm), 0) != changed(base, {}, 0)


@pytest.mark.parametrize("name", STUDIES)
def test_what_is_claimed_and_shown_is_measured_by_evaluation(name):
    known = {
        *("t2a", "a2t", "t2a_level1", "t2a_level2", "t2a_drop1", "t2a_drop2", "zero_shot", "traversal"),
        *("twin_order", "twin_antonym", "twin_verb", "twin_noun"),
    }
    measures = {"r1", "r5", "r10", "map10", "accuracy", "precision", "tau", "uncertainty_tau"}
    for of in (*STUDIES[name].columns, *STUDIES[name].claims):
        assert of.part in known
        assert of.measure in measures


SMALL = {
    "title": "t",
    "paper": "p",
    "recipes": ["thesis-mini"],
    "control": "a",
    "arms": {"a": {"says": "x"}, "b": {"says": "y", "set": {"student.steps": 3}}},
    "columns": [{"title": "c", "part": "t2a", "measure": "r10"}],
}
CLAIM = {"says": "s", "arm": "b", "against": "a", "part": "t2a", "measure": "r10", "above": 0.0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"control": "c"}, "no arm is called c; there is: a, b"),
        ({"claims": [CLAIM | {"against": "z"}]}, "no arm is called z"),
        ({"claims": [CLAIM | {"below": 1.0}]}, "set above or below, one of the two"),
        ({"claims": [{key: value for key, value in CLAIM.items() if key != "above"}]}, "one of the two"),
        ({"arms": {"a": {"says": "x"}, "b": {"says": "y", "like": "q"}}}, "no arm is called q"),
        ({"arms": {n: {"says": "x", "like": m} for n, m in ("ab", "bc", "ca")}}, "one step only"),
        ({"arms": {"a": {"says": "x", "only": ["prolap"]}}}, "prolap is no recipe of the study"),
        ({"published": [{"source": "s", "protocol": "p", "columns": ["a", "b"], "rows": [["1"]]}]}, "has 2 cells"),
        ({"colums": []}, "did you mean 'columns'"),
    ],
)
def test_what_is_wrong_is_refused(changes, words):
    assert validated(Study, {**SMALL, "claims": [CLAIM, CLAIM | {"against": "teacher"}]}, "small")
    with pytest.raises(UserError, match=words):
        validated(Study, SMALL | changes, "small")


def test_an_arm_like_another_takes_its_changes_and_adds_its_own():
    arms = {
        "a": {"says": "x", "set": {"student.steps": 3, "student.weight_decay": 0.1}},
        "b": {"says": "y", "like": "a", "set": {"student.steps": 4}},
    }
    study = validated(Study, SMALL | {"arms": arms}, "small")
    assert study.changes("b") == {"student.steps": 4, "student.weight_decay": 0.1}


def test_an_unknown_recipe_arm_section_or_seed_is_refused():
    study = validated(Study, SMALL, "small")
    with pytest.raises(UserError, match=r"no study on a recipe 'thesys'; there is: .*thesis"):
        read_study("thesys")
    with pytest.raises(UserError, match="no arm c; there is: a, b"):
        trials_of(study, "thesis-mini", [0], ["c"], RECIPES)
    for seeds in ([], [1, 1]):
        with pytest.raises(UserError, match="at least one, and each once"):
            trials_of(study, "thesis-mini", seeds, (), RECIPES)
    with pytest.raises(UserError, match="studnet is no section"):
        changed(read_params(RECIPES / "thesis-mini.yaml"), {"studnet.steps": 1}, 0)
    wrong = validated(Study, SMALL | {"arms": {"a": {"says": "x", "set": {"student.stepz": 1}}}}, "small")
    with pytest.raises(UserError, match=r"thesis-mini, arm a: params: student.stepz .* did you mean 'steps'"):
        trials_of(wrong, "thesis-mini", [0], (), RECIPES)
