"""Give a model, say one from a teacher of points, what another objective needs; settings follow, so it can be saved.

Every function changes the model in place and returns it. New weights are drawn with torch's generator on the CPU, so
that they are the same wherever the model is, and put where its weights are.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.model.head import variance_layer
from clapline.model.masked import new_stand_in
from clapline.params.base import validated
from clapline.params.model import Model


def add_masks(clap: Clap, fill: float = 0.0) -> Clap:
    """Add the stand-ins for what is hidden of audio and text (`settings.masked`); one that has them stays as it is.

    Args:
        clap: the model.
        fill: where the audio's starts, the mean of the training features; 0.02 is its deviation around it.

    Raises:
        UserError: a frozen encoder, or text-aware pooling.
    """
    if clap.settings.masked:
        return clap
    clap.settings = _changed(clap.settings, masked=True)
    clap.audio_mask = _placed(clap, new_stand_in(clap.settings.features.mel_bands, fill))
    clap.text_mask = _placed(clap, new_stand_in(clap.text.input_width))
    return clap


def add_gaussian_heads(clap: Clap) -> Clap:
    """Add to both heads the layer of a log variance, near `settings.head.initial_log_variance` at first.

    Heads that have one stay as they are. The means are what they were.

    Raises:
        UserError: text-aware pooling, which gives points.
    """
    if clap.settings.head.distribution == "gaussian":
        return clap
    clap.settings = _changed(clap.settings, head={"distribution": "gaussian"})
    for head in (clap.audio_head, clap.text_head):
        head.variance = variance_layer(head.width, clap.settings.head).to(clap.device)
    return clap


def add_logit_bias(clap: Clap, value: float) -> Clap:
    """Set the learned bias of the logits, which is made where there is none.

    Raises:
        UserError: a value outside the bounds of `temperature.bias`.
    """
    clap.settings = _changed(clap.settings, temperature={"bias": float(value)})
    if clap.logit_bias is None:
        clap.logit_bias = _placed(clap, nn.Parameter(torch.tensor(float(value))))
    else:
        with torch.no_grad():
            clap.logit_bias.fill_(value)
    return clap


def set_logit_scale(clap: Clap, scale: float) -> Clap:
    """Set the scale of the logits, 1 / temperature.

    Raises:
        UserError: a scale above `temperature.maximum_scale`, or one that no `temperature.initial` gives.
    """
    highest = clap.settings.temperature.maximum_scale
    if not 0 < scale <= highest:
        raise UserError(
            f"a logit scale of {scale:g}; allowed: above 0, at most temperature.maximum_scale = {highest:g}"
        )
    initial = 1 / scale
    if 1 / initial > highest:  # by rounding
        initial = math.nextafter(initial, math.inf)
    clap.settings = _changed(clap.settings, temperature={"initial": initial})
    with torch.no_grad():
        clap.log_scale.fill_(math.log(scale))
    clap.bound_logit_scale()
    return clap


def _changed(settings: Model, **changes: Any) -> Model:
    """Return the settings with some keys changed, those of a section beside its others; checked anew."""
    values = settings.model_dump()
    for name, change in changes.items():
        values[name] = {**values[name], **change} if isinstance(change, dict) else change
    return validated(Model, values, "model")


def _placed(clap: Clap, parameter: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(parameter.detach().to(clap.device))
