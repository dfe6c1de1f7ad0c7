"""The `text` part of a model: which network turns a caption into token states, and how they are pooled."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from clapline.params.base import Section


class TextEncoder(Section):
    """Which network turns a caption into token states."""

    kind: Literal["transformer", "pretrained", "architecture"] = Field(
        "transformer", description="small one from scratch; a model id; an architecture of transformers from scratch"
    )
    model: str | None = Field(None, description="model id or folder (kind: pretrained)")
    architecture: str | None = Field(None, description="transformers' model type, e.g. roberta (kind: architecture)")
    config: dict[str, Any] = Field(default_factory=dict, description="sizes of the architecture (kind: architecture)")
    frozen: bool = Field(False, description="keep its weights, cache its embeddings (kind: pretrained)")
    vocabulary: int = Field(4000, ge=64, le=100000, description="entries of the tokenizer trained on the captions")
    width: int = Field(128, ge=8, le=4096, description="size of a token state (transformer)")
    layers: int = Field(2, ge=1, le=48, description="layers (transformer)")
    attention_heads: int = Field(4, ge=1, le=64, description="attention heads (transformer)")
    maximum_tokens: int = Field(48, ge=4, le=512, description="longer captions are cut")
    dropout: float | None = Field(None, ge=0, lt=1, description="dropout; null: 0.1, or the pretrained model's own")
    pooling: Literal["mean", "first", "last", "pooler"] = Field(
        "mean", description="of token states: their mean, the first ([CLS], <s>), the last (GPT-2), the model's pooler"
    )
    plain: bool = Field(False, description="captions in lower case and without punctuation before the tokenizer")

    @model_validator(mode="after")
    def _consistent(self) -> TextEncoder:
        if self.kind == "pretrained" and not self.model:
            raise ValueError("kind: pretrained needs a model id")
        if self.kind == "architecture" and not self.architecture:
            raise ValueError("kind: architecture needs an architecture, e.g. roberta")
        if self.kind != "pretrained" and self.model:
            raise ValueError("model needs kind: pretrained")
        if self.kind != "architecture" and self.architecture:
            raise ValueError("architecture needs kind: architecture")
        if self.kind != "pretrained" and self.frozen:
            raise ValueError("frozen needs kind: pretrained")
        if self.kind != "architecture" and self.config:
            raise ValueError("config needs kind: architecture")
        if self.kind == "transformer" and self.width % self.attention_heads:
            raise ValueError(f"width {self.width} must be a multiple of attention_heads {self.attention_heads}")
        if self.kind == "transformer" and self.pooling == "pooler":
            raise ValueError("the small transformer has no pooler; allowed: mean, first, last")
        return self
