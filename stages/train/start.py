"""What an objective needs of the model it trains, given to the model before the first step."""

from __future__ import annotations

import torch

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.model.extend import add_gaussian_heads, add_logit_bias, add_masks, set_logit_scale
from clapline.objectives.sigmoid import initial_logits
from clapline.params.training import Training
from clapline.randomness import derived_seed


def fit_objective(stage: str, clap: Clap, settings: Training, fill: float, seed: int) -> Clap:
    """Return the model with Gaussian heads, masks, and first scale and bias of the logits, as the objective asks.

    Further weights are drawn from a seed of their own: the others stay what they are without them.

    Args:
        stage: that trains, for messages.
        clap: as it starts.
        settings: of the run.
        fill: mean of the training features, from which the stand-in of hidden audio starts.
        seed: of the run.

    Raises:
        UserError: the model has not what the settings ask of it.
    """
    torch.manual_seed(derived_seed(seed, stage, "additions"))
    if settings.gaussian_heads:
        clap = add_gaussian_heads(clap)
    check_model(stage, clap, settings)
    if settings.objective.masks:
        clap = add_masks(clap, fill)
    if settings.objective.pairwise:
        clap = _with_logits(clap, settings)
    return clap


def _with_logits(clap: Clap, settings: Training) -> Clap:
    name = settings.objective.contrastive.initial_logits
    if name is None:
        name = "batch" if clap.logit_bias is None else "model"
    if name == "model":
        return clap
    scale, bias = initial_logits(name, settings.batch_size)
    clap = clap if scale is None else set_logit_scale(clap, scale)
    return add_logit_bias(clap, bias)


def check_model(stage: str, clap: Clap, settings: Training) -> None:
    """Raise a UserError where the settings ask of a model what it has not: of one started whole, none knew before."""
    chosen, crop_s = settings.objective, settings.augmentation.crop_s
    contrastive = chosen.contrastive
    heard_s = clap.settings.features.duration_s
    gaussians = ", ".join(chosen.of_gaussians)
    compared = contrastive.ignore_similar_captions_above is not None
    relevance = bool(contrastive.weight) and contrastive.targets == "relevance" and not contrastive.relevance_model
    refused = {
        "objective.contrastive.initial_logits: model needs a bias of the logits, which the model has not": (
            chosen.pairwise and contrastive.initial_logits == "model" and clap.logit_bias is None
        ),
        f"objective: {gaussians} need Gaussian embeddings: set gaussian_heads: true, or head.distribution: gaussian": (
            bool(gaussians) and clap.settings.head.distribution != "gaussian"
        ),
        "objective: text-aware pooling gives clips no embedding, which "
        f"{', '.join(chosen.of_embeddings)} need: weight 0 or audio.pooling mean": (
            bool(chosen.of_embeddings) and clap.text_aware
        ),
        "objective.hierarchy and repulsion mask words and sounds: encoders must not be frozen": (
            chosen.masks and (clap.settings.text.frozen or clap.settings.audio.frozen)
        ),
        "objective.contrastive.ignore_similar_captions_above needs a frozen text tower": (
            compared and not clap.settings.text.frozen
        ),
        "objective.contrastive.targets: relevance needs relevance_model, or a frozen text tower": (
            relevance and not clap.settings.text.frozen
        ),
        f"augmentation.crop_s is longer than the {heard_s:g} s that the model hears": (
            crop_s is not None and crop_s > heard_s
        ),
        "augmentation.crop_s does not go with segments, nor with HTSAT, which hears a fixed length": (
            crop_s is not None and (clap.front_end.segments > 1 or clap.settings.audio.kind == "htsat")
        ),
    }
    for reason, met in refused.items():
        if met:
            raise UserError(f"{stage}.{reason}")
