"""The `student` section: where it starts, and the sources it draws on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clapline.params.base import Section
from clapline.params.model import Model
from clapline.params.training import Training


class Sources(Section):
    """Sampling weights of the sources of pairs; 0: not drawn from, the number of steps stays.

    As published (arXiv 2305.01864): DU `paired: 0.5, curated: 0.5`; DS `paired: 0, curated: 0, domain: 1`; ADS
    `paired: 0, curated: 0.5, domain: 0.5`. Its curation probability is the weight of `curated` where all sum to 1.
    """

    paired: float = Field(1.0, ge=0, description="original pairs")
    curated: float = Field(0.0, ge=0, description="pairs that curation chose")
    domain: float | None = Field(
        None,
        ge=0,
        description="the original ones among them (strategies ds and ads: captions near a label), apart from the new "
        "ones; null: they are drawn together",
    )
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
    epoch_of: Literal["sources", "replay"] = Field(
        "sources",
        description="what an epoch counts: the pairs of every source, or of the original ones alone (paired and "
        "domain), as published",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Student:
        original = self.sources.paired + (self.sources.domain or 0.0)
        if original + self.sources.curated + self.sources.mixed == 0:
            raise ValueError("sources: at least one weight must be above 0")
        if self.epoch_of == "replay" and not original:
            raise ValueError(
                "epoch_of: replay counts the pairs of sources.paired and sources.domain: give one a weight"
            )
        if self.init == "teacher" and self.model is not None:
            raise ValueError("init: teacher takes the teacher's architecture: leave model null")
        return self
