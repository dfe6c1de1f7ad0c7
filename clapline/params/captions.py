"""The sections of the caption stages: `rewrite`, `paraphrase`, `synthesize`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clapline.params.base import Section


class LanguageModel(Section):
    """Which language model answers, and how it samples."""

    model: str = Field("builtin", min_length=1, description="`builtin` (in-process, rule-based) or a served model's id")
    temperature: float = Field(0.7, ge=0, le=2, description="sampling temperature")
    maximum_tokens: int = Field(400, ge=16, le=32768, description="bound on one answer")
    attempts: int = Field(3, ge=1, le=10, description="askings before a caption is dropped and listed")


class Rewrite(LanguageModel):
    """Captions for clips that come with labels and raw descriptions only (after WavCaps)."""

    captions_per_clip: int = Field(3, ge=1, le=10, description="captions written for a clip that has none")
    use_descriptions: bool = Field(True, description="offer the uploader's description beside the label")


class Paraphrase(LanguageModel):
    """Two-level paraphrases as further views of a caption (RobustCLAP)."""

    levels: list[Literal[1, 2]] = Field(
        default_factory=lambda: [1, 2], min_length=1, description="1: structure changes; 2: structure and words"
    )
    captions_per_clip: int = Field(5, ge=1, le=100, description="captions of each training clip to paraphrase")
    test_model: str = Field("builtin", min_length=1, description="the model that paraphrases the benchmarks' queries")


class Synthesize(LanguageModel):
    """New captions per clip from its captions and tags (thesis)."""

    captions_per_clip: int = Field(5, ge=1, le=10, description="new captions asked for each clip")
