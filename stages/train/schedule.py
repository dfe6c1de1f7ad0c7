"""The learning rate of each step: a line up, half a cosine down to a floor, then the floor."""

from __future__ import annotations

import math

import torch

from clapline.params.training import Training


def learning_rate(peak: float, step: int, steps: int, warm_up: float, cosine_until: float, floor: float) -> float:
    """Return the rate of a step (from 0 to below `steps`).

    With w = warm_up · steps and u = cosine_until · steps:
        peak · (step + 1) / (w + 1)                                            while step < w
        floor + (peak - floor) · ½ (1 + cos(π (step - w) / (u - w)))           while step < u
        floor                                                                  from u on

    The thesis on text-to-audio retrieval counts in epochs: one of warm-up, a cosine until epoch R of E, then 1e-7. That
    is warm_up = 1 / E, cosine_until = R / E, floor = 1e-7. Only its line up starts at 0, so that the very first step
    changes nothing; here it starts at peak / (w + 1).

    Args:
        peak: the highest rate.
        step: optimiser steps made before.
        steps: optimiser steps of the whole run.
        warm_up: share of the steps with a rising rate, in [0, 1).
        cosine_until: share of the steps after which the rate is at its floor, from warm_up to 1.
        floor: the rate the cosine ends at, absolute, at most `peak`.
    """
    rising, until = warm_up * steps, cosine_until * steps
    if step < rising:
        return peak * ((step + 1) / (rising + 1))
    # A share of steps that is whole may come out a rounding error above it: 0.3 · 10 steps end before step 3.
    if step >= until - 1e-9 * steps:
        return floor
    factor = 0.5 * (1 + math.cos(math.pi * (step - rising) / max(until - rising, 1)))
    return floor + (peak - floor) * factor


def set_learning_rates(optimiser: torch.optim.Optimizer, step: int, steps: int, settings: Training) -> None:
    """Give each group of an optimiser its rate for a step, from the group's `peak`.

    The rate is a function of the step alone, so a resumed run needs nothing saved to go on with the same rates.
    """
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(
            group["peak"], step, steps, settings.warm_up, settings.cosine_until, settings.floor_rate
        )
