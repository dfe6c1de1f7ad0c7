"""What the `teacher` and `student` sections share: objective, augmentation, optimisation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clapline.params.base import Section
from clapline.params.objective import Objective


class Augmentation(Section):
    """Random changes of training features; all off at zero."""

    crop_s: float | None = Field(None, gt=0, description="random crop of a clip; null: the whole clip")
    gain: float = Field(0.0, ge=0, le=5, description="largest shift of the log-mel level")
    frequency_shift_bands: int = Field(0, ge=0, le=32, description="largest shift along the mel axis")
    frequency_mask_bands: int = Field(0, ge=0, le=64, description="widest band set to the mean")
    time_mask_frames: int = Field(0, ge=0, le=1000, description="longest stretch set to the mean")


class Training(Section):
    """What teacher and student share."""

    objective: Objective = Field(default_factory=Objective)
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
