"""The `teacher` and `student` sections: model, objective, sources of batches, optimisation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

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
    channels: list[int] = Field(default_factory=lambda: [16, 32, 64, 128, 128], min_length=1, description="per block")


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


class Model(Section):
    """Architecture of a Clap."""

    features: Features = Field(default_factory=Features)
    audio: AudioEncoder = Field(default_factory=AudioEncoder)
    text: TextEncoder = Field(default_factory=TextEncoder)
    head: Head = Field(default_factory=Head)


class Augmentation(Section):
    """Random changes of training features; all off at zero."""

    crop_s: float | None = Field(None, gt=0, description="random crop of a clip; null: the whole clip")
    gain: float = Field(0.0, ge=0, le=5, description="largest shift of the log-mel level")
    frequency_shift_bands: int = Field(0, ge=0, le=32, description="largest shift along the mel axis")
    frequency_mask_bands: int = Field(0, ge=0, le=64, description="widest band set to the mean")
    time_mask_frames: int = Field(0, ge=0, le=1000, description="longest stretch set to the mean")
    mixup: float = Field(0.0, ge=0, le=1, description="share of the steps that mix clips in pairs")


class Contrastive(Section):
    """InfoNCE over a batch; every caption of the same clip is a positive."""

    weight: float = Field(1.0, ge=0, le=1000)
    targets: Literal["hard", "soft"] = Field("hard", description="soft: neighbours share mass as the teacher sees them")
    beta: float = Field(0.3, ge=0, le=1, description="mass of the teacher's similarities in soft targets")
    normalise: bool = Field(True, description="soft targets as distributions; false: raw, as published")
    ignore_similar_captions_above: float | None = Field(
        None, ge=-1, le=1, description="captions this similar (frozen text tower) are no negatives; null: off"
    )


class ParaphraseViews(Section):
    """Paraphrases as further views (RobustCLAP)."""

    weight: float = Field(0.0, ge=0, le=1000)
    levels: list[Literal[1, 2]] = Field(default_factory=lambda: [1, 2], min_length=1)
    pairs: Literal["audio", "text", "both"] = Field("both", description="which view meets the paraphrase")


class Objective(Section):
    """Weighted sum of losses; a part of weight 0 is not computed."""

    contrastive: Contrastive = Field(default_factory=Contrastive)
    paraphrase: ParaphraseViews = Field(default_factory=ParaphraseViews)


class Temperature(Section):
    """Scale of the logits."""

    initial: float = Field(0.07, gt=0, le=10, description="logits are cosines divided by it")
    learned: bool = Field(True)
    maximum_scale: float = Field(100.0, ge=1, le=10000, description="bound on 1 / temperature")


class Sources(Section):
    """Sampling weights of the sources of pairs; 0: not drawn from, the number of steps stays."""

    paired: float = Field(1.0, ge=0)
    curated: float = Field(0.0, ge=0)


class Training(Section):
    """What teacher and student share."""

    objective: Objective = Field(default_factory=Objective)
    temperature: Temperature = Field(default_factory=Temperature)
    augmentation: Augmentation = Field(default_factory=Augmentation)
    steps: int = Field(1000, ge=1, description="optimiser steps")
    validate_every_steps: int = Field(100, ge=1, description="validation mAP@10 chooses the best of these moments")
    batch_size: int = Field(64, ge=2, le=65536, description="pairs in a batch")
    learning_rate: float = Field(1.0e-3, gt=0, le=1, description="peak rate of the audio encoder and the heads")
    text_learning_rate: float | None = Field(None, gt=0, le=1, description="peak rate of the text encoder; null: same")
    weight_decay: float = Field(0.05, ge=0, le=1)
    warm_up: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising rate, cosine after it")
    gradient_norm: float | None = Field(5.0, gt=0, description="clip gradients to this norm; null: off")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="arithmetic of the encoders; losses are in fp32")
    choose: Literal["best", "last"] = Field("best", description="best validation mAP@10, or the last step")


class Teacher(Training):
    """The `teacher` section: trained on the paired role alone."""

    model: Model = Field(default_factory=Model)

    @model_validator(mode="after")
    def _no_teacher_of_its_own(self) -> Teacher:
        if self.objective.contrastive.targets == "soft":
            raise ValueError("the teacher has no teacher: objective.contrastive.targets must be hard")
        if self.objective.paraphrase.weight:
            raise ValueError("the teacher trains without paraphrases: objective.paraphrase.weight must be 0")
        return self


class Student(Training):
    """The `student` section: starts from the teacher or from scratch; draws on every source."""

    init: Literal["teacher", "scratch"] = Field("teacher", description="starting weights")
    model: Model | None = Field(None, description="architecture for init: scratch; null: the teacher's own")
    sources: Sources = Field(default_factory=Sources)
    synthetic_share: float = Field(0.0, ge=0, le=1, description="share of draws whose caption is a synthetic one")

    @model_validator(mode="after")
    def _consistent(self) -> Student:
        if self.sources.paired + self.sources.curated == 0:
            raise ValueError("sources: at least one weight must be above 0")
        if self.init == "teacher" and self.model is not None:
            raise ValueError("init: teacher takes the teacher's architecture: leave model null")
        return self
