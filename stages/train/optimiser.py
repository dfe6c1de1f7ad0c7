"""Parameter groups by name, and the optimiser over them."""

from __future__ import annotations

import torch
from torch import nn

from clapline.errors import UserError
from clapline.params.training import LearningRates, Training

# Which part of `learning_rates` the parameters of each child of a Clap follow.
PARTS = {
    "front_end": "audio",
    "audio": "audio",
    "text": "text",
    "audio_head": "heads",
    "text_head": "heads",
    "metadata": "heads",
    "pooling": "pooling",
    "audio_mask": "audio",
    "text_mask": "text",
    "log_scale": "logits",
    "logit_bias": "logits",
    "classifier": "objective",  # of the Task, beside its Clap
}
_VARIANCES = ("audio_head.variance.", "text_head.variance.")  # layers that begin anew beside heads that may not


def part_of(name: str) -> str:
    """Return the part (audio, text, heads, variances, pooling, logits, objective) of a parameter by its name.

    The name is that in a Clap, or in a Task around it.

    Raises:
        ValueError: a child of the model that no part names: it would train at a rate nobody chose.
    """
    own = name.removeprefix("clap.")
    if own.startswith(_VARIANCES):
        return "variances"
    child = own.split(".", 1)[0]
    if child not in PARTS:
        raise ValueError(f"parameter {name}: no learning rate is assigned to {child!r}; known: {', '.join(PARTS)}")
    return PARTS[child]


def peak_rate(rates: LearningRates, part: str) -> float:
    """Return the peak learning rate of a part; null: as audio, and of variances as heads."""
    rate = getattr(rates, part)
    if rate is None and part == "variances":
        rate = rates.heads
    return rates.audio if rate is None else rate


def parameter_groups(model: nn.Module, settings: Training) -> list[dict]:
    """Return AdamW's groups of trainable parameters: each part's peak rate, and weight decay for matrices only.

    No decay on parameters of one dimension or none: biases, norms, temperature. Each group says its `part` and, as
    `peak`, the rate that the schedule is a share of.

    Raises:
        UserError: nothing is trainable, or the floor of the schedule lies above a part's peak.
    """
    groups: dict[tuple[str, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.ndim >= 2 else 0.0
            groups.setdefault((part_of(name), decay), []).append(parameter)
    if not groups:
        raise UserError("nothing to train: every part of the model is frozen")
    found = []
    for (part, decay), members in groups.items():
        peak = peak_rate(settings.learning_rates, part)
        if settings.floor_rate > peak:
            raise UserError(f"floor_rate {settings.floor_rate:g} lies above the learning rate of {part}, {peak:g}")
        found.append({"params": members, "lr": peak, "peak": peak, "part": part, "weight_decay": decay})
    return found


def build_optimiser(model: nn.Module, settings: Training, device: torch.device) -> torch.optim.AdamW:
    """Return AdamW, as one fused kernel where there is a GPU."""
    return torch.optim.AdamW(parameter_groups(model, settings), betas=(0.9, 0.999), fused=device.type == "cuda" or None)


def learning_rates(optimiser: torch.optim.Optimizer) -> dict[str, float]:
    """Return the current rate of each part, by part."""
    return {group["part"]: group["lr"] for group in optimiser.param_groups}
