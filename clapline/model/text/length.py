"""Encode captions in groups of like length: a long one pads few others."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from clapline.model.inputs import Inputs, States

GROUP = 32  # captions encoded with one padding


def in_groups(encode: Callable[[Inputs], States], inputs: Inputs) -> States:
    """Return what `encode` gives of each caption, in the order of the captions.

    On a CPU captions are sorted by length and encoded in groups, each padded to its own longest; shorter groups are
    padded with zeros afterwards. An accelerator takes the batch as it is: every further group costs it the launch of
    all kernels again, and the lengths a wait for the work under way.

    Args:
        encode: `input_ids` and `attention_mask`, `(captions, tokens)` each → states `(captions, positions, width)`.
        inputs: the same two for the whole batch.
    """
    mask = inputs["attention_mask"]
    if mask.device.type != "cpu":
        return encode(inputs)
    lengths = mask.sum(dim=1)
    order = lengths.argsort(stable=True)
    parts = []
    for rows in order.split(GROUP):
        tokens = int(lengths[rows].max())
        parts.append(encode({name: tensor[rows, :tokens] for name, tensor in inputs.items()}))
    positions = max(part.states.shape[1] for part in parts)
    back = order.argsort()
    states, masks = [], []
    for part in parts:
        lacking = positions - part.states.shape[1]
        states.append(functional.pad(part.states, (0, 0, 0, lacking)))
        masks.append(functional.pad(part.mask, (0, lacking)))
    return States(torch.cat(states)[back], torch.cat(masks)[back])
