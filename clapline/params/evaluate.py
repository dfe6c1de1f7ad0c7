"""The `evaluate` section: prompts and intervals."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clapline.params.base import Section


class Evaluate(Section):
    """How models are evaluated."""

    prompts: list[Annotated[str, Field(pattern=r"\{label\}")]] = Field(
        default_factory=lambda: ["this is a sound of {label}"],
        min_length=1,
        description="zero-shot sentences; several are averaged as embeddings",
    )
    bootstrap_resamples: int = Field(1000, ge=0, le=100000, description="resamples of the clips for 95 % intervals")
    examples: int = Field(4, ge=0, le=10, description="retrieval examples copied into the report to listen to")
