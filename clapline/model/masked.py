"""Embeddings of masked clips and captions (hierarchical inclusion), for every encoder family; see `masking`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clapline.errors import UserError
from clapline.model.audio.patchout import kept_mask
from clapline.model.audio.vit_sizes import patches_along
from clapline.model.inputs import AudioInputs, Embeddings, Inputs, States, valid_positions
from clapline.model.masking import at_frames, at_positions, replace_frames, valid_units
from clapline.model.pooling import pool_tokens

if TYPE_CHECKING:
    from clapline.model.clap import Clap

SUMMARY_UNITS = 16  # units of a segment of which the encoder gives one state alone
DEVIATION = 0.02  # of the first values of the stand-ins, as of the tokens of a transformer


def new_stand_in(width: int, mean: float = 0.0) -> nn.Parameter:
    """Return a stand-in `(width,)`, drawn from N(mean, 0.02²) with torch's generator on the CPU."""
    return nn.Parameter(mean + DEVIATION * torch.randn(width))


def mask_units(clap: Clap) -> int:
    """Return the units of a clip of full length: its states, or 16 per segment that has but one."""
    each = SUMMARY_UNITS if clap.settings.audio.states == "segment" else clap.audio.positions
    return clap.front_end.segments * each


def valid_units_of(clap: Clap, inputs: AudioInputs) -> Tensor:
    """Return which units of each clip hold something that is no padding, `(n, units)` boolean.

    Raises:
        UserError: cached states in place of features.
    """
    return valid_units(inputs.valid, _present_frames(clap, inputs), mask_units(clap), _full_frames(clap))


def embed_masked_audio(clap: Clap, inputs: AudioInputs, visible: Tensor) -> Embeddings:
    """Return the embeddings `(n, dimension)` of clips of which some units are hidden; tags play no part.

    Frames of hidden units become the learned spectrum. States are pooled where a unit is visible; where none of a clip
    is, all its valid ones are, a learned void. Where the encoder gives one state per segment, segments of which nothing
    is visible count as little, and the summary of the others is used as it is. Padding is never replaced.

    Args:
        clap: with `settings.masked`.
        inputs: features or waveforms.
        visible: `(n, units)` boolean; what it says of units of padding is not looked at.

    Raises:
        UserError: a model without masks, cached states, or text-aware pooling.
    """
    _refuse_audio(clap, inputs)
    valid = valid_units_of(clap, inputs)
    hidden = valid & ~visible
    features = inputs.features
    if features is None:
        features = clap.front_end(inputs.waveforms, valid=inputs.valid)
    features = features.float()
    _, segments, _, frames = features.shape
    full_frames = _full_frames(clap)
    features = replace_frames(features, at_frames(hidden, segments, frames, full_frames), clap.audio_mask)
    with _norms_at_rest(clap.audio):
        states, kept = clap.encode_segments(features, inputs.valid)
    positions = states.shape[1] if kept is None else segments * _columns(clap, frames)
    heard = valid_positions(inputs.valid, positions)
    if clap.settings.audio.states == "segment":
        away = _wholly_hidden(hidden, valid, clap.front_end.segments)[:, :segments]
    else:
        away = at_positions(hidden, valid, positions, segments * frames, full_frames)
    counted = heard & ~away
    if kept is not None:
        columns = positions // segments
        counted = counted.unflatten(1, (-1, columns))[:, :, kept].flatten(1)
        heard = kept_mask(heard, kept, columns)
    return clap.audio_head(clap.pooling(States(states, _or_all(counted, heard))))


def embed_masked_text(clap: Clap, inputs: Inputs, visible: Tensor) -> Embeddings:
    """Return the embeddings `(n, dimension)` of captions of which some tokens are hidden.

    The input embedding of a hidden token becomes the learned stand-in, which keeps its position. What the tokenizer's
    template adds to every text is always visible, padding is neither visible nor replaced. The pooling `mean` is over
    what is visible, or over all valid tokens where nothing is; the others are as ever.

    Args:
        clap: with `settings.masked`.
        inputs: `input_ids` and `attention_mask`, `(n, tokens)` each.
        visible: `(n, tokens)` boolean.

    Raises:
        UserError: a frozen text encoder, or a model without masks.
    """
    if clap.settings.text.frozen:
        raise UserError("words cannot be hidden from a frozen text encoder: its states of whole captions are cached")
    _refuse_maskless(clap)
    valid = inputs["attention_mask"].bool()
    hidden = valid & ~visible & ~clap.text.special_tokens(inputs)
    states = clap.text(inputs, hidden, clap.text_mask)
    pooling = clap.settings.text.pooling
    if pooling == "mean":
        # Of as many positions as the longest caption has tokens: behind them all is padding.
        counted = (valid & ~hidden)[:, : states.mask.shape[1]]
        states = dataclasses.replace(states, mask=_or_all(counted, states.mask))
    return clap.text_head(pool_tokens(states, pooling))


def _or_all(counted: Tensor, valid: Tensor) -> Tensor:
    """Return `counted`, and `valid` in rows where nothing counts; both `(n, positions)` boolean."""
    return torch.where(counted.any(dim=1, keepdim=True), counted, valid)


def _wholly_hidden(hidden: Tensor, valid: Tensor, segments: int) -> Tensor:
    """Return the segments `(n, segments)` of whose valid units none is visible."""
    return ~(valid & ~hidden).unflatten(1, (segments, -1)).any(dim=2)


def _full_frames(clap: Clap) -> int:
    return clap.front_end.segments * clap.front_end.frames


def _present_frames(clap: Clap, inputs: AudioInputs) -> int:
    if inputs.states is not None:
        raise UserError("stretches of a clip cannot be hidden from a frozen audio encoder: its states are cached")
    if inputs.features is None:
        return _full_frames(clap)
    return inputs.features.shape[1] * inputs.features.shape[3]


def _columns(clap: Clap, frames: int) -> int:
    """Return the columns of patches of a segment of so many frames, before patchout; it may have been cropped."""
    return patches_along(frames, clap.audio.sizes.patch[1], clap.audio.sizes.stride[1])


def _refuse_audio(clap: Clap, inputs: AudioInputs) -> None:
    if clap.text_aware:
        raise UserError(
            "under text-aware pooling (audio.pooling: tap) a clip has no embedding of its own, masked or not: masks "
            "need pooling: mean"
        )
    _present_frames(clap, inputs)
    _refuse_maskless(clap)


def _refuse_maskless(clap: Clap) -> None:
    if not clap.settings.masked:
        raise UserError("the model has nothing to put in place of what is hidden: set model.masked: true")


@contextmanager
def _norms_at_rest(encoder: nn.Module) -> Iterator[None]:
    """Keep batch norms in evaluation mode: a masked sub-batch neither moves the running statistics nor is normed by its
    own, which would make a clip depend on its few mates, and on how much of them is hidden. Dropout stays as it is.

    The norms get copies of the statistics: the backward pass looks at them again, and until then the pass over whole
    clips may move the real ones.
    """
    norms = [module for module in encoder.modules() if isinstance(module, _BatchNorm) and module.training]
    before = [(norm.running_mean, norm.running_var) for norm in norms]
    try:
        for norm in norms:
            norm.training = False
            if norm.running_mean is not None:
                norm.running_mean, norm.running_var = norm.running_mean.clone(), norm.running_var.clone()
        yield
    finally:
        for norm, (mean, variance) in zip(norms, before, strict=True):
            norm.training = True
            norm.running_mean, norm.running_var = mean, variance
