"""The `audio` part of a model: which network turns a spectrogram into frame states, and how they are pooled."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from clapline.params.base import Section


class TextAwarePooling(Section):
    """Attention of the caption over the frames (pooling: tap)."""

    dimension: int = Field(2048, ge=1, le=16384, description="size of queries, keys and values")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout of the attention weights")
    output_dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the pooled state")


class AudioEncoder(Section):
    """Which network turns spectrogram frames into frame states."""

    kind: Literal["cnn", "htsat", "ast", "passt", "atst", "cnn14", "vision"] = Field(
        "cnn", description="small network from scratch, or a published family; vision: a transformers CNN, one channel"
    )
    weights: str | None = Field(None, description="published weights: id, folder or file; null: random (not for cnn)")
    architecture: str | None = Field(None, description="kind vision: transformers' model type, e.g. convnextv2")
    config: dict[str, Any] = Field(default_factory=dict, description="sizes of the architecture where weights is null")
    frozen: bool = Field(False, description="keep its weights and cache its states")
    states: Literal["frames", "segment"] = Field("frames", description="frame states, or the encoder's own summary")
    channels: list[PositiveInt] = Field(
        default_factory=lambda: [16, 32, 64, 128, 128], min_length=1, max_length=8, description="per block (cnn)"
    )
    patch_stride: list[PositiveInt] | None = Field(
        None, min_length=2, max_length=2, description="passt, atst, ast: step of patches in bands and frames"
    )
    patchout_bands: int = Field(0, ge=0, le=64, description="rows of patches dropped in training (passt)")
    patchout_frames: int = Field(0, ge=0, le=512, description="columns of patches dropped in training (passt)")
    pooling: Literal["mean", "mean_max", "tap"] = Field(
        "mean", description="over frames; mean_max adds the largest value; tap: text-aware attention"
    )
    tap: TextAwarePooling = Field(default_factory=TextAwarePooling)

    @model_validator(mode="after")
    def _consistent(self) -> AudioEncoder:
        if self.kind == "cnn" and (self.weights or self.config):
            raise ValueError("kind cnn is trained from scratch and sized by channels: leave weights and config out")
        if self.kind == "vision" and not (self.architecture or self.weights):
            raise ValueError("kind vision needs an architecture, e.g. convnextv2, or weights")
        if self.weights and self.config:
            raise ValueError("weights bring their own sizes: leave config out")
        if (self.patchout_bands or self.patchout_frames) and self.kind != "passt":
            raise ValueError("patchout is for kind passt")
        if self.architecture and self.kind != "vision":
            raise ValueError("architecture is for kind vision")
        if self.states == "segment" and self.kind in ("cnn", "atst"):
            raise ValueError(f"kind {self.kind} has no summary of its own: states must be frames")
        if self.patch_stride and self.kind not in ("passt", "atst", "ast"):
            raise ValueError("patch_stride is for kinds passt, atst and ast")
        if self.frozen and not self.weights:
            raise ValueError("frozen needs weights: a random encoder that never learns hears nothing")
        return self
