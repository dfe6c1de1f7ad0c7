"""docs/objectives.md is what docstrings and params say, and leaves out no loss and no knob."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from clapline.errors import UserError
from clapline.params.base import validated
from clapline.params.objective import Objective
from clapline.params.student import Student
from tools.objective_pages import MODULES, PAGE, ROOT, page, paragraphs

# Modules that losses are made of, and no losses.
PARTS = {
    "__init__", "blocked", "compose", "health", "ignored", "positives", "precision", "scores", "targets",
}  # fmt: skip


def test_the_page_is_what_the_docstrings_say():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make objectives`"


def test_every_module_of_a_loss_is_on_it():
    assert {path.stem for path in (ROOT / "clapline/objectives").glob("*.py")} == set(MODULES) | PARTS


@pytest.mark.parametrize("name", MODULES)
def test_a_reference_is_given(name):
    assert re.search(r"arXiv \d{4}\.\d{5}", paragraphs(name)["Reference"])


def test_every_knob_is_explained_once():
    text = page()
    for part, field in Objective.model_fields.items():
        for knob, settings in field.annotation.model_fields.items():
            assert f"| `{knob}` | " in text, f"{part}.{knob}"
            assert settings.description or knob == "weight" or knob == "levels", f"{part}.{knob} is not described"


def test_its_example_is_a_valid_student():
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", Path(PAGE).read_text(), re.MULTILINE | re.DOTALL)
    validated(Student, yaml.safe_load(block)["student"], "student")


def test_the_example_of_the_readme_is_a_valid_student():
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"^## Objectives$.*?^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    validated(Student, yaml.safe_load(block)["student"], "student")


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"contrastve": {}}, ["contrastve", "did you mean 'contrastive'", "distillation, clusters, inclusion"]),
        ({"contrastive": {"form": "infonce"}}, ["infonce", "'softmax', 'sigmoid', 'probabilistic', 'prior'"]),
        ({"contrastive": {"temprature": 1.0}}, ["temprature", "relevance_temperature"]),
        ({"hierarchy": {"wieght": 1.0}}, ["did you mean 'weight'"]),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(objective, said):
    with pytest.raises(UserError) as error:
        validated(Student, {"objective": objective}, "student")
    for words in said:
        assert words in str(error.value)
    assert "\n" not in str(error.value)
