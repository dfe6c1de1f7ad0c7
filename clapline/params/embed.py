"""The `embed` section: how the teacher's embeddings of clips and captions are stored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clapline.params.base import Section


class Embed(Section):
    """Precision and shards. What a run that was killed has finished is kept by the shard."""

    precision: Literal["fp32", "fp16"] = Field(
        "fp32", description="of the stored numbers; fp16 takes half the disk, and what compares them does so in fp32"
    )
    clips_per_shard: int = Field(4096, ge=1, le=1_048_576, description="embeddings of clips in one file")
    captions_per_shard: int = Field(16384, ge=1, le=1_048_576, description="embeddings of captions in one file")
