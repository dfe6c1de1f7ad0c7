"""Architecture of a Clap: front end, encoders, heads, temperature."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clapline.params.audio_encoder import AudioEncoder
from clapline.params.base import Section
from clapline.params.features import Features
from clapline.params.text_encoder import TextEncoder

# The front ends an audio encoder can hear through; the others take any.
HEARS = {"htsat": ("clap",), "ast": ("ast",), "passt": ("passt",), "atst": ("atst",), "cnn14": ("clap",)}


class Head(Section):
    """Projection of either tower into the shared space."""

    kind: Literal["residual", "linear", "mlp"] = Field(
        "residual", description="residual (MS-CLAP), linear (thesis), mlp (LAION)"
    )
    distribution: Literal["point", "gaussian"] = Field("point", description="unit vectors, or Gaussians around them")
    initial_log_variance: float = Field(-10.0, ge=-30, le=10, description="bias of the variance layer (gaussian)")
    dimension: int = Field(256, ge=2, le=8192, description="size of an embedding")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout in the projection (residual)")


class Temperature(Section):
    """Scale and bias of the logits."""

    initial: float = Field(0.07, gt=0, le=10, description="logits are cosines divided by it")
    learned: bool = Field(True)
    maximum_scale: float = Field(100.0, ge=1, le=10000, description="bound on 1 / temperature")
    bias: float | None = Field(None, ge=-100, le=100, description="learned bias of the logits (sigmoid); null: none")

    @model_validator(mode="after")
    def _within_its_bound(self) -> Temperature:
        if 1 / self.initial > self.maximum_scale:
            raise ValueError(f"initial {self.initial:g} is a scale of {1 / self.initial:g}, above maximum_scale")
        return self


class Metadata(Section):
    """Tags of a clip, through the text encoder, beside its audio (late fusion)."""

    use: Literal["none", "tags"] = Field("none", description="what is known of a clip beside its audio")
    absent: float = Field(0.3, ge=0, le=1, description="share of training clips whose tags are hidden")


class Model(Section):
    """Architecture of a Clap, or a whole pretrained one to start from."""

    start: str | None = Field(
        None, description="a whole model: folder or hub id of clapline or ClapModel; it brings every other key"
    )
    features: Features = Field(default_factory=Features)
    audio: AudioEncoder = Field(default_factory=AudioEncoder)
    text: TextEncoder = Field(default_factory=TextEncoder)
    head: Head = Field(default_factory=Head)
    temperature: Temperature = Field(default_factory=Temperature)
    metadata: Metadata = Field(default_factory=Metadata)
    masked: bool = Field(
        False, description="learned stand-ins for hidden stretches of audio and hidden words (hierarchical inclusion)"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        others = sorted(self.model_fields_set - {"start"})
        if self.start is not None and others:
            raise ValueError(f"start brings the whole architecture: leave out {', '.join(others)}")
        allowed = HEARS.get(self.audio.kind)
        if allowed and self.features.kind not in allowed:
            raise ValueError(f"audio.kind {self.audio.kind} needs features.kind {' or '.join(allowed)}")
        if self.audio.pooling == "tap" and self.head.distribution == "gaussian":
            raise ValueError("audio.pooling tap gives one point per caption: head.distribution must be point")
        if self.audio.pooling == "tap" and self.metadata.use != "none":
            raise ValueError("audio.pooling tap has no clip embedding to fuse metadata with: metadata.use must be none")
        if self.masked and self.audio.pooling == "tap":
            raise ValueError(
                "audio.pooling tap gives clips no embedding of their own, masked or not: masked must be false"
            )
        if self.masked and self.audio.frozen:
            raise ValueError("masked clips are encoded anew, audio.frozen caches their states: one must be false")
        if self.masked and self.text.frozen:
            raise ValueError("masked captions are encoded anew, text.frozen caches their states: one must be false")
        return self
