"""The `student` section: where it starts, and the sources it draws on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clapline.params.base import Section
from clapline.params.model import Model
from clapline.params.training import Training


class Sources(Section):
    """Sampling weights of the sources of pairs; 0: not drawn from, the number of steps stays."""

    paired: float = Field(1.0, ge=0)
    curated: float = Field(0.0, ge=0)
    mixed: float = Field(0.0, ge=0, description="clips of the stage mix")
    by_dataset: dict[str, Annotated[float, Field(ge=0)]] | None = Field(
        None, min_length=1, description="weights of the paired datasets among themselves; null: every clip alike"
    )


class Student(Training):
    """The `student` section: starts from the teacher or from scratch; draws on every source."""

    init: Literal["teacher", "scratch"] = Field("teacher", description="starting weights")
    model: Model | None = Field(None, description="architecture for init: scratch; null: the teacher's")
    sources: Sources = Field(default_factory=Sources)
    synthetic_share: float = Field(0.0, ge=0, le=1, description="share of draws whose caption is a synthetic one")

    @model_validator(mode="after")
    def _consistent(self) -> Student:
        if self.sources.paired + self.sources.curated + self.sources.mixed == 0:
            raise ValueError("sources: at least one weight must be above 0")
        if self.init == "teacher" and self.model is not None:
            raise ValueError("init: teacher takes the teacher's architecture: leave model null")
        return self
