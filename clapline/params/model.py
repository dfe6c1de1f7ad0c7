"""Architecture of a Clap: front end, encoders, heads, temperature."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from clapline.params.base import Section


class Features(Section):
    """Log-mel front end."""

    sample_rate_hz: int = Field(16000, ge=4000, le=192000, description="must equal prepare.sample_rate_hz")
    window_samples: int = Field(800, ge=64, le=16384, description="analysis window")
    hop_samples: int = Field(320, ge=16, le=8192, description="step between frames")
    mel_bands: int = Field(64, ge=8, le=256, description="mel bands")
    minimum_hz: float = Field(50.0, ge=0, description="lower edge of the lowest band")
    maximum_hz: float = Field(7600.0, gt=0, description="upper edge of the highest band")
    power_floor: float = Field(1.0e-3, gt=0, le=1, description="added to the mel power before the logarithm")
    duration_s: float = Field(5.0, gt=0, le=60, description="length a clip is repeated or cut to")


class AudioEncoder(Section):
    """Which network turns log-mel frames into frame states."""

    kind: Literal["cnn"] = Field("cnn", description="small convolutional network, trained from scratch")
    channels: list[PositiveInt] = Field(
        default_factory=lambda: [16, 32, 64, 128, 128], min_length=1, max_length=8, description="per block"
    )
    pooling: Literal["mean", "mean_max"] = Field("mean", description="over frames; mean_max adds the largest value")


class TextEncoder(Section):
    """Which network turns a caption into token states."""

    kind: Literal["transformer", "pretrained"] = Field("transformer", description="from scratch, or a model id")
    model: str | None = Field(None, description="model id or folder, for kind: pretrained")
    frozen: bool = Field(False, description="keep its weights, cache its embeddings (kind: pretrained)")
    vocabulary: int = Field(4000, ge=64, le=100000, description="entries of the tokenizer trained on the captions")
    width: int = Field(128, ge=8, le=4096, description="size of a token state")
    layers: int = Field(2, ge=1, le=48, description="transformer layers")
    attention_heads: int = Field(4, ge=1, le=64, description="attention heads")
    maximum_tokens: int = Field(48, ge=4, le=512, description="longer captions are cut")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout in the transformer")

    @model_validator(mode="after")
    def _consistent(self) -> TextEncoder:
        if self.kind == "pretrained" and not self.model:
            raise ValueError("kind: pretrained needs a model id")
        if self.kind == "transformer" and self.frozen:
            raise ValueError("frozen needs kind: pretrained")
        if self.width % self.attention_heads:
            raise ValueError(f"width {self.width} must be a multiple of attention_heads {self.attention_heads}")
        return self


class Head(Section):
    """Projection of either tower into the shared space."""

    dimension: int = Field(256, ge=2, le=8192, description="size of an embedding")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout in the projection")


class Temperature(Section):
    """Scale of the logits."""

    initial: float = Field(0.07, gt=0, le=10, description="logits are cosines divided by it")
    learned: bool = Field(True)
    maximum_scale: float = Field(100.0, ge=1, le=10000, description="bound on 1 / temperature")


class Model(Section):
    """Architecture of a Clap."""

    features: Features = Field(default_factory=Features)
    audio: AudioEncoder = Field(default_factory=AudioEncoder)
    text: TextEncoder = Field(default_factory=TextEncoder)
    head: Head = Field(default_factory=Head)
    temperature: Temperature = Field(default_factory=Temperature)
