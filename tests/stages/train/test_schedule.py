from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.params.training import Training
from stages.train.schedule import learning_rate, set_learning_rates


def thesis(rate: float, step: int, batches: int, ramp_down: int = 15) -> float:
    """The formula of the thesis on text-to-audio retrieval, in epochs."""
    x = step / batches
    if x < 1:
        return rate * x
    if x < ramp_down:
        return 1e-7 + (rate - 1e-7) * 0.5 * (1 + math.cos(math.pi * (x - 1) / (ramp_down - 1)))
    return 1e-7


@given(batches=st.integers(1, 2000), share=st.floats(0, 1, exclude_max=True), rate=st.floats(1e-6, 1e-3))
@settings(max_examples=200, deadline=None)
def test_the_thesis_schedule_is_a_special_case(batches, share, rate):
    steps = 20 * batches
    step = int(share * steps)
    found = learning_rate(rate, step, steps, 1 / 20, 15 / 20, 1e-7)
    if step < batches:  # its line up starts at 0, ours one step later
        assert rate * step / batches <= found <= rate * (step + 1) / batches
    else:
        assert found == pytest.approx(thesis(rate, step, batches), rel=1e-9, abs=1e-15)


@given(steps=st.integers(1, 5000), share=st.floats(0, 1, exclude_max=True), warm_up=st.floats(0, 0.99))
@settings(max_examples=200, deadline=None)
def test_without_a_floor_it_is_warm_up_and_half_a_cosine_to_the_bit(steps, share, warm_up):
    step = int(share * steps)
    rising = warm_up * steps
    factor = (step + 1) / (rising + 1)
    if step >= rising:
        factor = 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))
    assert learning_rate(3e-3, step, steps, warm_up, 1.0, 0.0) == 3e-3 * factor


def test_it_rises_falls_and_stays():
    rates = [learning_rate(1.0, step, 100, 0.1, 0.7, 0.01) for step in range(100)]
    assert rates[:11] == sorted(rates[:11])
    assert max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[69] > 0.01
    assert set(rates[70:]) == {0.01}


def test_each_group_has_its_own_peak_and_the_same_floor():
    groups = [
        {"params": [torch.zeros(1)], "lr": peak, "peak": peak, "part": part} for part, peak in (("a", 1.0), ("b", 0.1))
    ]
    optimiser = torch.optim.SGD(groups, lr=1.0)
    chosen = Training.model_validate({"steps": 10, "warm_up": 0.0, "cosine_until": 0.3, "floor_rate": 0.001})
    set_learning_rates(optimiser, 0, 10, chosen)
    assert [group["lr"] for group in optimiser.param_groups] == [1.0, 0.1]
    set_learning_rates(optimiser, 3, 10, chosen)
    assert [group["lr"] for group in optimiser.param_groups] == [0.001, 0.001]
