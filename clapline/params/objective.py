"""The `objective` part of `teacher` and `student`: losses by name and weight."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clapline.params.base import Section


class Contrastive(Section):
    """Contrast within a batch; every caption of the same clip is a positive."""

    weight: float = Field(1.0, ge=0, le=1000)
    form: Literal["softmax", "sigmoid"] = Field("softmax", description="InfoNCE / NT-Xent, or pairs one by one")
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

    @model_validator(mode="after")
    def _something_to_learn(self) -> Objective:
        if self.contrastive.weight + self.paraphrase.weight == 0:
            raise ValueError("every weight is 0: nothing to learn")
        if self.contrastive.weight == 0 and self.paraphrase.pairs == "text":
            raise ValueError("contrastive.weight 0 with paraphrase.pairs text teaches the audio encoder nothing")
        if self.contrastive.form == "sigmoid" and self.contrastive.targets == "soft":
            raise ValueError("contrastive.form sigmoid judges pairs one by one: contrastive.targets must be hard")
        if self.contrastive.targets == "soft" and self.contrastive.ignore_similar_captions_above is not None:
            raise ValueError("contrastive: soft targets give similar captions mass; they cannot be ignored as well")
        return self
