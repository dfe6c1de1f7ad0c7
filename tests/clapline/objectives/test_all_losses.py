"""What holds for every loss: its gradient, its symmetries, its range, its precision. One list, `losses.LOSSES`."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from clapline.objectives.positives import PositivePairs
from tests.clapline.objectives.losses import (
    LOSSES,
    SCORED,
    SHARED,
    Loss,
    Values,
    both_ways,
    gradients_of,
    positives_of,
    unit,
    values_of,
)

SIZE = 5
WAYS = [pytest.param(loss, {}, id=name) for name, loss in LOSSES.items()]
IN_FACTORS = [pytest.param(loss, {"factors": True}, id=f"{name}, in factors") for name, loss in SCORED.items()]


@pytest.mark.parametrize(("loss", "ways"), WAYS + IN_FACTORS)
def test_the_gradient_is_that_of_the_value(loss: Loss, ways: dict):
    """T10, T3: gradcheck in float64, of embeddings, scale, bias and log variances."""
    values, positives = values_of(3, seed=1), positives_of(3)

    def of(*changed: Tensor) -> Tensor:
        return loss.compute(values | dict(zip(loss.learned, changed, strict=True)), positives, **ways)

    leaves = [values[name].clone().requires_grad_() for name in loss.learned]
    # Factors along one random direction: below, their gradient is that of the matrix to ten digits.
    assert torch.autograd.gradcheck(of, leaves, eps=1e-6, atol=1e-6, rtol=1e-5, fast_mode=bool(ways))


@pytest.mark.parametrize(("loss", "ways"), WAYS)
def test_the_gradient_is_not_nothing(loss: Loss, ways: dict):
    """Otherwise the gradcheck above, and finite gradients below, would say nothing."""
    _, gradients = gradients_of(loss, values_of(SIZE, seed=1), positives_of(SIZE), **ways)
    assert all(gradient.abs().max() > 1e-4 for gradient in gradients.values())


@pytest.mark.parametrize(("loss", "ways"), WAYS + IN_FACTORS)
def test_the_order_of_the_batch_plays_no_part(loss: Loss, ways: dict):
    """D 2, D 5, T3: value and gradient go with their pairs."""
    values, positives = values_of(SIZE, seed=2), positives_of(SIZE)
    order = torch.tensor([3, 1, 4, 0, 2])
    moved = {name: value if name in SHARED else value[order] for name, value in values.items()}
    matrix = positives.matrix()[order][:, order]
    value, gradients = gradients_of(loss, values, positives, **ways)
    other, others = gradients_of(loss, moved, PositivePairs.from_matrix(matrix), **ways)
    torch.testing.assert_close(other, value, rtol=0, atol=1e-10)
    for name, gradient in gradients.items():
        expected = gradient if name in SHARED else gradient[order]
        torch.testing.assert_close(others[name], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.symmetric])
def test_clips_and_captions_may_change_places(name: str):
    """D 2: symmetric where it should be; the mean of a row's positives is not, and the inclusion has a direction."""
    loss, values = LOSSES[name], values_of(SIZE, seed=3)
    positives = PositivePairs.identity(SIZE) if loss.symmetric == "single" else positives_of(SIZE)
    value, other = loss.compute(values, positives), loss.compute(both_ways(values), positives)
    assert torch.isclose(other, value, rtol=0, atol=1e-12) == (loss.symmetric != "never")


def opposed(cosines: str) -> Values:
    """Return pairs whose cosines are all 1, all -1, or both, in fp32."""
    values = values_of(4, dtype=torch.float32)
    axis = torch.zeros_like(values["audio"])
    axis[:, 0] = 1
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None]
    audio, text = {"1": (axis, axis), "-1": (axis, -axis), "both": (signs * axis, -signs * axis)}[cosines]
    levels = (axis if cosines == "1" else signs * axis)[:, None].expand_as(values["levels"]).clone()
    teacher = torch.zeros(4, 4)
    teacher[:, 0] = signs[:, 0]
    return values | {
        "audio": audio,
        "text": text,
        "paraphrase": text,
        "levels": levels,
        "teacher_audio": teacher,
        "teacher_text": -teacher,
        "meanings": teacher,
    }


@pytest.mark.parametrize("cosines", ["1", "-1", "both"])
@pytest.mark.parametrize(("loss", "ways"), WAYS + IN_FACTORS)
def test_finite_at_extreme_logits(loss: Loss, ways: dict, cosines: str):
    """T3: scale 100 and cosines ±1, logits ±1e4."""
    for scale in (100.0, 1e4):
        values = opposed(cosines) | {"scale": torch.tensor(scale), "bias": torch.tensor(-10.0)}
        value, gradients = gradients_of(loss, values, positives_of(4), **ways)
        assert value.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients.values())


GAUSSIAN = [name for name, loss in LOSSES.items() if any("log_variance" in learned for learned in loss.learned)]


def spread_out(narrow: float, wide: float, distance: float) -> Values:
    """Return pairs of one log variance and another, their means so far apart, in fp32."""
    values = values_of(4, dtype=torch.float32)
    text = values["audio"] + distance / 3**0.5
    levels = torch.stack([values["audio"], text, text], dim=1)
    spread = torch.stack([torch.full_like(text, value) for value in (narrow, wide, narrow)], dim=1)
    return values | {
        "text": text,
        "audio_log_variance": torch.full_like(text, narrow),
        "text_log_variance": torch.full_like(text, wide),
        "levels": levels,
        "levels_log_variance": spread,
    }


@pytest.mark.parametrize("distance", [0.0, 1e-4, 2.0])
@pytest.mark.parametrize("name", [*GAUSSIAN, "repulsion, other_inputs"])
def test_finite_at_extreme_variances(name: str, distance: float):
    """T10: log variances in [-40, 40], distances in 0..2, in fp32."""
    for narrow, wide in itertools.product((-40.0, -39.9, 0.0, 40.0), (-40.0, -10.0, 40.0)):
        value, gradients = gradients_of(LOSSES[name], spread_out(narrow, wide, distance), positives_of(4))
        assert value.isfinite(), (narrow, wide)
        assert all(gradient.isfinite().all() for gradient in gradients.values()), (narrow, wide)


@pytest.mark.parametrize(("loss", "ways"), WAYS + IN_FACTORS)
def test_a_batch_of_one(loss: Loss, ways: dict):
    value, gradients = gradients_of(loss, values_of(1), positives_of(1), **ways)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize(("loss", "ways"), WAYS + IN_FACTORS)
def test_a_batch_of_equal_captions(loss: Loss, ways: dict):
    """Every caption is of the same clip, so there is no negative at all."""
    values = values_of(4)
    for name in ("text", "paraphrase", "teacher_text", "meanings", "text_log_variance"):
        values[name] = values[name][:1].expand(4, -1).clone()
    everything = PositivePairs.from_matrix(torch.ones(4, 4, dtype=torch.bool))
    value, gradients = gradients_of(loss, values, everything, **ways)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize(("loss", "ways"), WAYS + IN_FACTORS)
def test_half_precision_is_judged_in_full(loss: Loss, ways: dict):
    """Of bf16 inputs the loss is that of the same numbers in fp32, and comes in fp32; float64 stays float64."""
    positives, exact = positives_of(SIZE), values_of(SIZE)
    half = {name: value.bfloat16() if value.is_floating_point() else value for name, value in exact.items()}
    scalars = {"scale": exact["scale"].float(), "bias": exact["bias"].float()}  # parameters, always fp32
    rounded = {name: value.float() if value.is_floating_point() else value for name, value in half.items()}
    value = loss.compute(half | scalars, positives, **ways)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss.compute(rounded | scalars, positives, **ways), rtol=1e-6, atol=1e-6)
    full = {name: value.float() if value.is_floating_point() else value for name, value in exact.items()}
    torch.testing.assert_close(value, loss.compute(full, positives, **ways), rtol=0.05, atol=0.05)
    assert loss.compute(exact, positives, **ways).dtype == torch.float64


@pytest.mark.parametrize("loss", SCORED.values(), ids=SCORED)
def test_in_factors_as_whole(loss: Loss):
    """Value and gradient of factors are those of the matrix."""
    values, positives = values_of(SIZE, seed=4), positives_of(SIZE)
    value, gradients = gradients_of(loss, values, positives)
    other, others = gradients_of(loss, values, positives, factors=True)
    torch.testing.assert_close(other, value, rtol=0, atol=1e-12)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", [name for name, loss in SCORED.items() if "paraphrases" not in name])
def test_a_shared_turn_of_the_sphere_plays_no_part(name: str):
    """D 2: one orthogonal map for clips and captions."""
    values, positives = values_of(SIZE, seed=5), positives_of(SIZE)
    turn = torch.linalg.qr(unit(3, 3, seed=6)).Q
    turned = values | {side: values[side] @ turn for side in ("audio", "text")}
    loss = SCORED[name].compute
    torch.testing.assert_close(loss(turned, positives), loss(values, positives), rtol=0, atol=1e-12)
    alone = values | {"audio": values["audio"] @ turn}
    assert not torch.isclose(loss(alone, positives), loss(values, positives))
