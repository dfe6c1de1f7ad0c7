"""The `teacher` section: trained on the paired role alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from clapline.params.base import Section
from clapline.params.model import Model
from clapline.params.training import Training


class TeacherSources(Section):
    """Where the teacher's pairs come from."""

    by_dataset: dict[str, Annotated[float, Field(ge=0)]] | None = Field(
        None, min_length=1, description="weights of the paired datasets; null: every paired clip alike"
    )


class Teacher(Training):
    """The `teacher` section: trained on the paired role alone."""

    model: Model = Field(default_factory=Model)
    sources: TeacherSources = Field(default_factory=TeacherSources)

    @model_validator(mode="after")
    def _no_teacher_of_its_own(self) -> Teacher:
        if self.objective.contrastive.targets == "soft":
            raise ValueError("the teacher has no teacher: objective.contrastive.targets must be hard or relevance")
        if self.objective.distillation.weight:
            raise ValueError("the teacher has no teacher: objective.distillation.weight must be 0")
        if self.objective.paraphrase.weight:
            raise ValueError("the teacher trains without paraphrases: objective.paraphrase.weight must be 0")
        return self
