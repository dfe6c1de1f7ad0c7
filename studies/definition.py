"""What a study is: a file of `studies/definitions/` that names recipes, arms, the columns of its table, and claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from clapline.errors import UserError
from clapline.params.base import Section, parsed_params, validated

DEFINITIONS = Path(__file__).parent / "definitions"
TEACHER = "teacher"  # as what a claim is held against: the arm's own teacher

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Arm(Section):
    """One way to train: the recipe with some parameters changed."""

    says: str = Field(min_length=1, description="what it is, in a few words")
    like: Name | None = Field(None, description="another arm, whose changes come first")
    set: dict[str, Any] = Field(default_factory=dict, description="parameter in dots → its value in this arm")
    only: list[Name] | None = Field(None, description="recipes that have this arm; null: all of the study")
    control: Name | None = Field(None, description="what it is held against; null: the study's control")


PartName = Annotated[
    str,
    Field(
        pattern=r"^(t2a|a2t|t2a_judged|t2a_level[12]|t2a_drop[12]|t2a_stress_\w+|twin_\w+|zero_shot|traversal)$",
        description="of evaluation; t2a_drop1, t2a_drop2: what queries lose in other words (original minus paraphrase)",
    ),
]
# Means over queries. A median rank is none, so it has no place here.
Measure = Literal[
    "r1", "r5", "r10", "any1", "any5", "any10", "map10", "map16", "mrr10", "accuracy",
    "precision", "recall", "ordered_recall", "tau", "uncertainty_tau",
]  # fmt: skip


class Column(Section):
    """A measure of a part of evaluation."""

    title: str = Field(min_length=1)
    part: PartName
    measure: Measure


class Claim(Section):
    """A statement that can fail: an arm minus `factor` times another lies above or below a bound."""

    says: str = Field(min_length=1)
    arm: Name
    against: Name | None = Field(None, description="another arm, or teacher: its own; null: the arm's value alone")
    part: PartName
    measure: Measure
    dataset: str | None = Field(None, description="on which it is claimed; null: on every one that has the part")
    only: list[Name] | None = Field(None, description="recipes on which it is claimed; null: all of the study")
    factor: float = Field(1.0, ge=0, le=10)
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Claim:
        if (self.above is None) == (self.below is None):
            raise ValueError("set above or below, one of the two")
        return self


class Published(Section):
    """A table of the paper, with where it stands and how it was measured."""

    source: str = Field(min_length=1)
    protocol: str = Field(min_length=1)
    columns: list[str] = Field(min_length=2)
    rows: list[list[str]]

    @model_validator(mode="after")
    def _whole(self) -> Published:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"every row of a published table has {len(self.columns)} cells")
        return self


class Study(Section):
    """A study: the arms of a paper, and what is measured and claimed."""

    title: str = Field(min_length=1)
    paper: str = Field(min_length=1)
    recipes: list[Name] = Field(min_length=1, description="files of recipes/ that it can run on; default: params.yaml")
    control: Name = Field(description="the arm that the others are held against")
    arms: dict[Name, Arm] = Field(min_length=1)
    columns: list[Column] = Field(min_length=1)
    claims: list[Claim] = Field(default_factory=list)
    published: list[Published] = Field(default_factory=list)
    not_published: str = Field("", description="what of the paper could not be read")

    @model_validator(mode="after")
    def _names_are_arms(self) -> Study:
        named = {self.control, *(claim.arm for claim in self.claims), *(arm.like for arm in self.arms.values())}
        named |= {arm.control for arm in self.arms.values()}
        named |= {claim.against for claim in self.claims if claim.against != TEACHER}
        unknown = sorted(name for name in named if name is not None and name not in self.arms)
        if unknown:
            raise ValueError(f"no arm is called {', '.join(unknown)}; there is: {', '.join(self.arms)}")
        if any(arm.like is not None and self.arms[arm.like].like is not None for arm in self.arms.values()):
            raise ValueError("like: names an arm that is like another itself; one step only")
        if len({column.title for column in self.columns}) < len(self.columns):
            raise ValueError("columns: a title stands there twice")
        restricted = [*self.arms.values(), *self.claims]
        other = {recipe for one in restricted for recipe in one.only or ()} - set(self.recipes)
        if other:
            raise ValueError(f"only: {', '.join(sorted(other))} is no recipe of the study")
        return self

    def arms_on(self, recipe: str) -> dict[str, Arm]:
        """Return the arms that a recipe has, in the order of the file."""
        return {name: arm for name, arm in self.arms.items() if arm.only is None or recipe in arm.only}

    def claims_on(self, recipe: str) -> list[Claim]:
        """Return the claims that are made on a recipe."""
        return [claim for claim in self.claims if claim.only is None or recipe in claim.only]

    def control_of(self, arm: str) -> str:
        """Return the arm that an arm is held against."""
        return self.arms[arm].control or self.control

    def changes(self, arm: str) -> dict[str, Any]:
        """Return parameter in dots → value, of an arm and of the one it is like."""
        of = self.arms[arm]
        return {**(self.arms[of.like].set if of.like else {}), **of.set}


def read_study(recipe: str, folder: Path = DEFINITIONS) -> Study:
    """Return the study that runs on a recipe. Raises UserError where none does, or its file is wrong."""
    known = []
    for path in sorted(folder.glob("*.yaml")):
        study = validated(Study, parsed_params(path.read_text(encoding="utf-8"), path), str(path))
        if recipe in study.recipes:
            return study
        known += study.recipes
    asked = f"no study on a recipe {recipe!r}" if recipe else "name a study: make study NAME=…"
    raise UserError(f"{asked}; there is: {', '.join(known)}")
