"""Parameter groups by name, and the learning-rate schedule."""

from __future__ import annotations

import math

from torch import nn

from clapline.params.training import Training


def parameter_groups(model: nn.Module, settings: Training) -> list[dict]:
    """Return AdamW's groups: each part's rate, and weight decay for matrices only (no biases, norms or scales)."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        of_text = name.startswith("text.")
        rate = settings.text_learning_rate if of_text and settings.text_learning_rate else settings.learning_rate
        decay = settings.weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]


def learning_rate_factor(step: int, steps: int, warm_up: float) -> float:
    """Return the rate of a step over the peak rate, in (0, 1]: a line up over the warm-up share, then half a cosine."""
    rising = warm_up * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))
