"""The `curate` section: which pairs the teacher picks out of unpaired audio (arXiv 2305.01864)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clapline.params.base import Section


class Curate(Section):
    """Strategy and thresholds; guards are off (null) in the published form."""

    strategy: Literal["du", "ds", "ads"] = Field("du", description="domain-unspecific, domain-specific, audio-DS")
    sigma_audio_text: float = Field(0.75, ge=-1, le=1, description="cosine at which clip and caption make a pair")
    sigma_text_text: float = Field(0.7, ge=-1, le=1, description="cosine at which a caption counts as near a label")
    prompt: str = Field("this is a sound of {label}", pattern=r"\{label\}", description="sentence made of a label")
    maximum_captions_per_clip: int | None = Field(None, ge=1, description="guard: best captions kept for each clip")
    maximum_clips_per_caption: int | None = Field(None, ge=1, description="guard: best clips kept for each caption")
    examples: int = Field(6, ge=0, le=15, description="curated pairs copied into the report to listen to")
