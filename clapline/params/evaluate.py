"""The `evaluate` section: protocol, prompts, intervals, further models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from clapline.params.base import Section
from clapline.text.prompt_templates import PROMPT_TEMPLATES

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
_OWN = ("teacher", "student")


class Evaluate(Section):
    """How models are evaluated."""

    # The protocols themselves: clapline.metrics.protocols.
    protocol: Literal["dcase", "laion", "wavcaps", "prolap"] = Field(
        "dcase", description="which captions are queries, and what is counted (docs/metrics.md)"
    )
    prompts: list[str] = Field(
        default_factory=lambda: ["this is a sound of {label}"],
        min_length=1,
        description="zero-shot sentences with {label}, or names: "
        f"{', '.join(PROMPT_TEMPLATES)}; several are averaged as embeddings",
    )
    gaussian_score: Literal["distance", "mean"] = Field(
        "distance", description="Gaussians are ranked by their expected distance, or by their means alone"
    )
    ensembles: dict[Name, Annotated[list[str], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="further models by name: mean similarity of teacher, student, model folders or hub ids",
    )
    bootstrap_resamples: int = Field(1000, ge=0, le=100000, description="resamples of the clips for 95 % intervals")
    examples: int = Field(4, ge=0, le=10, description="retrieval examples copied into the report to listen to")

    @field_validator("prompts")
    @classmethod
    def _with_slot(cls, prompts: list[str]) -> list[str]:
        for prompt in prompts:
            if prompt not in PROMPT_TEMPLATES and "{label}" not in prompt:
                raise ValueError(
                    f"{prompt!r} has no {{label}} and is no template; templates: {', '.join(PROMPT_TEMPLATES)}"
                )
        return prompts

    @field_validator("ensembles")
    @classmethod
    def _not_our_names(cls, ensembles: dict[str, list[str]]) -> dict[str, list[str]]:
        taken = sorted(set(ensembles) & set(_OWN))
        if taken:
            raise ValueError(f"{taken[0]!r} is the name of a model of the run; choose another")
        return ensembles
