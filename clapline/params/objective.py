"""The `objective` part of `teacher` and `student`: losses by name and weight."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clapline.params.base import Section

PAIRWISE = ("sigmoid", "probabilistic")  # forms that judge pairs one by one, with a bias of the logits
TRIPLETS = ("triplet_sum", "triplet_max", "triplet_weighted")


class Contrastive(Section):
    """Contrast within a batch; every caption of the same clip is a positive."""

    weight: float = Field(1.0, ge=0, le=1000)
    form: Literal["softmax", "sigmoid", "probabilistic", "prior", "triplet_sum", "triplet_max", "triplet_weighted"] = (
        Field(
            "softmax", description="InfoNCE / NT-Xent; pairs one by one; the same of Gaussians; prior-matrix; triplets"
        )
    )
    targets: Literal["hard", "soft", "relevance"] = Field(
        "hard", description="soft: neighbours share mass as the teacher sees them; relevance: as captions are alike"
    )
    beta: float = Field(0.3, ge=0, le=1, description="mass of the similarities in soft and relevance targets")
    soft: Literal["raw", "normalised", "softmax"] = Field(
        "normalised", description="soft targets: rows as published, as distributions, or by a softmax"
    )
    soft_temperature: float = Field(0.1, gt=0, le=100, description="of that softmax")
    relevance: Literal["logistic", "threshold", "rating", "listwise"] = Field(
        "logistic", description="how alikeness of captions becomes mass"
    )
    relevance_temperature: float = Field(0.05, gt=0, le=100, description="of listwise")
    relevance_model: str | None = Field(
        None,
        description="sentence encoder that compares captions (all-MiniLM-L6-v2 is packaged); null: the text tower, "
        "which must be frozen",
    )
    margin: float = Field(0.2, ge=0, le=2, description="of the triplet forms, in cosines")
    omega: float = Field(20.0, ge=0, le=1000, description="sharpness of the prior (form prior); 0: softmax")
    initial_logits: Literal["model", "batch", "siglip", "thesis"] | None = Field(
        None,
        description="first scale and bias (sigmoid, probabilistic): the model's, a bias by the batch size, a paper's; "
        "null: the model's where it has a bias, else batch",
    )
    ignore_similar_captions_above: float | None = Field(
        None, ge=-1, le=1, description="captions this similar (frozen text tower) are no negatives; null: off"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Contrastive:
        if self.form not in ("softmax", *PAIRWISE) and self.targets != "hard":
            raise ValueError(f"form {self.form} knows right and wrong captions only: targets must be hard")
        if self.form in PAIRWISE and self.targets == "soft" and self.soft != "raw":
            raise ValueError(
                f"form {self.form} judges pairs one by one: soft must be raw, a similarity as a probability, "
                "or targets hard"
            )
        if self.form in PAIRWISE and self.targets == "relevance" and self.relevance == "listwise":
            raise ValueError(
                f"form {self.form} judges pairs one by one: relevance must be logistic, threshold or rating, not a list"
            )
        if self.targets != "hard" and self.ignore_similar_captions_above is not None:
            raise ValueError(f"targets {self.targets} give similar captions mass; they cannot be ignored as well")
        if self.ignore_similar_captions_above is not None and self.form not in ("softmax", *PAIRWISE):
            raise ValueError(f"form {self.form} ignores no pairs: ignore_similar_captions_above must be null")
        if self.initial_logits not in (None, "model") and self.form not in PAIRWISE:
            raise ValueError(f"form {self.form} has no bias of the logits: initial_logits must be null")
        return self


class ParaphraseViews(Section):
    """Paraphrases as further views (RobustCLAP)."""

    weight: float = Field(0.0, ge=0, le=1000)
    levels: list[Literal[1, 2]] = Field(default_factory=lambda: [1, 2], min_length=1)
    level_weights: list[Annotated[float, Field(ge=0, le=1000)]] | None = Field(
        None, description="weight of each level; null: 1 each"
    )
    pairs: Literal["audio", "text", "both"] = Field("both", description="which view meets the paraphrase")
    share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="of the captions, drawn from the seed, that have views; the others stand for "
        "themselves. A smaller share lies inside a larger one",
    )

    @model_validator(mode="after")
    def _consistent(self) -> ParaphraseViews:
        if self.level_weights is not None and len(self.level_weights) != len(self.levels):
            raise ValueError(f"level_weights must name {len(self.levels)} weights, one for each of levels")
        if len(set(self.levels)) < len(self.levels):
            raise ValueError("levels names a level twice")
        if self.weight and self.level_weights is not None and not any(self.level_weights):
            raise ValueError("every level has weight 0: set weight to 0 instead")
        return self

    @property
    def used(self) -> dict[int, float]:
        """Level → its weight, of the levels that count; none where the part is off."""
        weights = self.level_weights or [1.0] * len(self.levels)
        return {level: weight for level, weight in zip(self.levels, weights, strict=True) if weight and self.weight}


class Distillation(Section):
    """Another model's matches between clips and captions as targets."""

    weight: float = Field(0.0, ge=0, le=1000)
    teachers: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=lambda: ["models/teacher"], min_length=1, description="folders or hub ids; their cosines' mean"
    )
    temperature: float = Field(0.05, gt=0, le=100, description="of the teachers' cosines")


class Clusters(Section):
    """Which cluster of captions a pair is of, as a further question to both towers."""

    weight: float = Field(0.0, ge=0, le=1000)
    count: int = Field(50, ge=1, le=10000, description="clusters of the training captions (k-means)")
    embedding: str = Field("tfidf", description="what is clustered: tfidf, or a sentence encoder's id")


class Inclusion(Section):
    """Clips inside their captions, as Gaussians; its form is also that of the hierarchy."""

    weight: float = Field(0.0, ge=0, le=1000)
    form: Literal["exact", "release"] = Field("release", description="the integral, or as ProLIP's code has it")
    epsilon: float = Field(-10.0, ge=-100, le=0, description="log weight of the distance of means (release)")
    sharpness: float = Field(1000.0, gt=0, le=100000, description="slope of the loss")


class Hierarchy(Section):
    """Inputs inside their masked versions (ProLAP)."""

    weight: float = Field(0.0, ge=0, le=1000)
    audio_levels: int | None = Field(1, ge=0, le=4, description="L of audio, L + 1 masks; null: no masked audio")
    text_levels: int | None = Field(2, ge=0, le=4, description="L of text, L + 1 masks; null: no masked text")
    hidden: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=lambda: [0.75], min_length=1, description="share hidden per level; the last goes on"
    )
    share: float = Field(0.125, gt=0, le=1, description="share of a batch that is masked")
    minimum_audio: int = Field(1, ge=0, le=1000, description="stretches of a clip that stay at least")
    minimum_text: int = Field(0, ge=0, le=1000, description="words of a caption that stay at least")
    pairs: Literal["consecutive", "all"] = Field("consecutive", description="neighbouring levels, or every two")
    reduce: Literal["sum", "mean"] = Field("sum", description="over the pairs of levels")

    @model_validator(mode="after")
    def _something_masked(self) -> Hierarchy:
        if self.weight and self.audio_levels is None and self.text_levels is None:
            raise ValueError("audio_levels and text_levels are both null: nothing is masked; set weight to 0 instead")
        return self

    @model_validator(mode="after")
    def _nothing_left_over(self) -> Hierarchy:
        most = max(levels for levels in (self.audio_levels, self.text_levels, 0) if levels is not None) + 1
        if len(self.hidden) > most:
            raise ValueError(f"hidden names {len(self.hidden)} shares, but there are {most} masks at most")
        return self

    def kept(self, levels: int) -> list[float]:
        """Return the probability that a unit stays visible, per mask after the first, `levels + 1` of them."""
        hidden = [*self.hidden, *[self.hidden[-1]] * levels][: levels + 1]
        return [1 - value for value in hidden]


class Repulsion(Section):
    """Masked inputs apart from each other; our reading of ProLAP's first version."""

    weight: float = Field(0.0, ge=0, le=1000)
    variant: Literal["other_inputs", "same_input"] = Field("other_inputs", description="R1 or R2 of docs/objectives.md")
    margin: float = Field(0.5, ge=-1, le=1, description="cosine that two masks of one input may have (same_input)")


class Bottleneck(Section):
    """What certainty costs (VIB)."""

    weight: float = Field(0.0, ge=0, le=1000)
    form: Literal["exact", "release"] = Field("exact", description="the divergence, or as ProLIP's code has it")


class Objective(Section):
    """Weighted sum of losses; a part of weight 0 is not computed."""

    contrastive: Contrastive = Field(default_factory=Contrastive)
    paraphrase: ParaphraseViews = Field(default_factory=ParaphraseViews)
    distillation: Distillation = Field(default_factory=Distillation)
    clusters: Clusters = Field(default_factory=Clusters)
    inclusion: Inclusion = Field(default_factory=Inclusion)
    hierarchy: Hierarchy = Field(default_factory=Hierarchy)
    repulsion: Repulsion = Field(default_factory=Repulsion)
    bottleneck: Bottleneck = Field(default_factory=Bottleneck)

    @property
    def masks(self) -> bool:
        """Whether some inputs are masked."""
        return bool(self.hierarchy.weight or self.repulsion.weight)

    @property
    def scored(self) -> bool:
        """Whether a contrast is computed."""
        return bool(self.contrastive.weight or self.paraphrase.weight)

    @property
    def uses_scale(self) -> bool:
        """Whether the scale of the logits takes part, and so learns."""
        return bool(self.distillation.weight) or (self.scored and self.contrastive.form not in TRIPLETS)

    @property
    def pairwise(self) -> bool:
        """Whether the logits have a bias."""
        return self.scored and self.contrastive.form in PAIRWISE

    @property
    def probabilistic(self) -> bool:
        """Whether Gaussians are compared."""
        return self.scored and self.contrastive.form == "probabilistic"

    @property
    def of_gaussians(self) -> list[str]:
        """The parts that Gaussian embeddings are needed for."""
        named = [name for name in ("inclusion", "hierarchy", "repulsion", "bottleneck") if getattr(self, name).weight]
        if self.probabilistic:
            named.insert(0, "contrastive.form probabilistic")
        return named

    @property
    def of_embeddings(self) -> list[str]:
        """The parts that need an embedding of each clip, which text-aware pooling has not."""
        return [*self.of_gaussians, *(["clusters"] if self.clusters.weight else [])]

    @model_validator(mode="after")
    def _something_to_learn(self) -> Objective:
        if self.contrastive.weight + self.paraphrase.weight + self.distillation.weight + self.clusters.weight == 0:
            raise ValueError("every weight is 0: nothing to learn (contrastive, paraphrase, distillation or clusters)")
        alone = self.contrastive.weight + self.distillation.weight + self.clusters.weight == 0
        if alone and self.paraphrase.pairs == "text":
            raise ValueError("contrastive.weight 0 with paraphrase.pairs text teaches the audio encoder nothing")
        if self.repulsion.weight and self.hierarchy.audio_levels is None and self.hierarchy.text_levels is None:
            raise ValueError("repulsion is between masked inputs: hierarchy.audio_levels or text_levels must be set")
        if self.repulsion.weight and not self.pairwise:
            raise ValueError(
                "repulsion takes scale and bias of pairs: contrastive.form must be probabilistic or sigmoid, and its "
                "weight above 0"
            )
        if self.repulsion.weight and self.repulsion.variant == "same_input":
            most = max(
                levels for levels in (self.hierarchy.audio_levels, self.hierarchy.text_levels) if levels is not None
            )
            if most < 1:
                raise ValueError(
                    "repulsion.variant same_input needs two masks: hierarchy audio_levels or text_levels of 1"
                )
        return self
