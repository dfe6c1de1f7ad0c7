"""What the `teacher` and `student` sections share: objective, inputs, augmentation, optimisation."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from clapline.params.base import Section
from clapline.params.objective import Objective


class Effects(Section):
    """Waveform effects, each the probability that a clip meets it; their ranges are those of the thesis' code."""

    gaussian_noise: float = Field(0.0, ge=0, le=1)
    time_stretch: float = Field(0.0, ge=0, le=1)
    pitch_shift: float = Field(0.0, ge=0, le=1)


class Augmentation(Section):
    """Random changes of training clips; all off at zero."""

    crop_s: float | None = Field(None, gt=0, description="random crop of a clip; null: the whole clip")
    gain: float = Field(0.0, ge=0, le=5, description="largest shift of the log-mel level")
    frequency_shift_bands: int = Field(0, ge=0, le=32, description="largest shift along the mel axis")
    frequency_mask_bands: int = Field(0, ge=0, le=128, description="widest band set to the mean (SpecAugment)")
    time_mask_frames: int = Field(0, ge=0, le=1000, description="longest stretch set to the mean (SpecAugment)")
    time_shift_s: float = Field(0.0, ge=0, le=60, description="largest shift in time, wrapping round (streamed)")
    mixing: float = Field(0.0, ge=0, le=1, description="share of clips that get another clip as background (streamed)")
    mixing_below_db: float = Field(10.0, ge=0, le=60, description="how far the background lies below the clip")
    mel_jitter: bool = Field(False, description="random edges of the mel filters, as PaSST trains (passt, streamed)")
    effects: Effects = Field(default_factory=Effects)
    text_dropout: float = Field(0.0, ge=0, lt=1, description="share of the words of a caption that are dropped")

    @property
    def of_features(self) -> bool:
        """Whether anything changes the features."""
        return bool(
            self.crop_s or self.gain or self.frequency_shift_bands or self.frequency_mask_bands or self.time_mask_frames
        )

    @property
    def of_waveforms(self) -> bool:
        """Whether any change needs the waveform."""
        effects = self.effects
        return bool(
            self.time_shift_s
            or self.mixing
            or self.mel_jitter
            or effects.gaussian_noise
            or effects.time_stretch
            or effects.pitch_shift
        )


class LearningRates(Section):
    """Peak rates of the parts of a model; null: as audio, and of variances as heads."""

    audio: float = Field(1.0e-3, gt=0, le=1, description="audio encoder")
    text: float | None = Field(None, gt=0, le=1, description="text encoder")
    heads: float | None = Field(None, gt=0, le=1, description="heads and metadata fusion")
    variances: float | None = Field(None, gt=0, le=1, description="the layers of the heads' variances (gaussian)")
    pooling: float | None = Field(None, gt=0, le=1, description="text-aware pooling")
    logits: float | None = Field(None, gt=0, le=1, description="temperature and bias")
    objective: float | None = Field(None, gt=0, le=1, description="what the objective learns: the cluster classifier")


class Training(Section):
    """What teacher and student share."""

    objective: Objective = Field(default_factory=Objective)
    gaussian_heads: bool = Field(False, description="give a model that starts with points the heads of Gaussians")
    inputs: Literal["cached", "streamed"] = Field(
        "cached", description="features in memory, or clips read from their shards at each step (large data)"
    )
    augmentation: Augmentation = Field(default_factory=Augmentation)
    steps: int | None = Field(1000, ge=0, description="optimiser steps; 0: the model as it starts")
    epochs: float | None = Field(None, gt=0, description="instead of steps: passes over the sources")
    pass_over: Literal["clips", "captions"] = Field(
        "clips", description="a pass draws each clip once with a random caption, or each pair of clip and caption once"
    )
    length_buckets: int = Field(1, ge=1, le=1000, description="batches of clips of like length; 1: any lengths")
    alike_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="of a batch: pairs with the words nearest to its first pair's; 0: as drawn",
    )
    validate_every_steps: int | None = Field(100, ge=1, description="the best of these moments is kept; null: a pass")
    log_every_steps: int = Field(10, ge=1, description="steps averaged in one row of the training curve")
    batch_size: int = Field(64, ge=2, le=65536, description="pairs in a batch, over all processes together")
    encode_at_once: int | None = Field(
        None, ge=1, description="pairs encoded at a time, twice over: memory for large batches; null: all, once"
    )
    accumulation: int = Field(1, ge=1, le=1024, description="batches whose gradients make one step")
    learning_rates: LearningRates = Field(default_factory=LearningRates)
    weight_decay: float = Field(0.05, ge=0, le=1)
    warm_up: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising rate")
    cosine_until: float = Field(1.0, gt=0, le=1, description="share of the steps after which the rate is at its floor")
    floor_rate: float = Field(0.0, ge=0, le=1, description="the rate the cosine ends at")
    gradient_norm: float | None = Field(5.0, gt=0, description="clip gradients to this norm; null: off")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="arithmetic of the encoders; losses are in fp32")
    choose: Literal["best", "last"] = Field("best", description="best validation mAP@10, or the last step")

    @model_validator(mode="before")
    @classmethod
    def _epochs_alone(cls, values: Any) -> Any:
        """Let `epochs` stand by itself: where `steps` is left out, its default must not outweigh it."""
        if isinstance(values, dict) and values.get("epochs") is not None and "steps" not in values:
            return {**values, "steps": None}
        return values

    @model_validator(mode="after")
    def _training_consistent(self) -> Training:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("set steps or epochs, one of the two (the other null)")
        if self.warm_up > self.cosine_until:
            raise ValueError(f"warm_up {self.warm_up:g} must not end after cosine_until {self.cosine_until:g}")
        if self.alike_share and self.length_buckets > 1:
            raise ValueError("alike_share and length_buckets both order the pairs of a pass: leave one off")
        chosen = self.objective
        if self.gaussian_heads and not chosen.of_gaussians:
            raise ValueError(
                "gaussian_heads: no part of the objective is of Gaussians, so their variances learn nothing"
            )
        masked = int(chosen.hierarchy.share * self.batch_size)
        if chosen.repulsion.weight and chosen.repulsion.variant == "other_inputs" and masked < 2:
            raise ValueError(
                f"objective.repulsion is between two masked inputs: hierarchy.share {chosen.hierarchy.share:g} of "
                f"batch_size {self.batch_size} masks one"
            )
        if self.inputs == "cached" and self.augmentation.of_waveforms:
            raise ValueError("augmentation of waveforms (shift, mixing, jitter, effects) needs inputs: streamed")
        return self
