"""Trap 17: a bias of -10, made for batches of tens of thousands, silences the negatives of a small one."""

from __future__ import annotations

import math

import pytest
import torch

from clapline.objectives.sigmoid import initial_logits, sigmoid
from clapline.params.training import Training
from stages.train.start import fit_objective
from tests.clapline.model.masked_models import AUDIO, model_of


def pulls(batch: int, bias: float) -> float:
    """Return how many times more the positives pull than all negatives push, at cosine 0."""
    cosines = torch.zeros(batch, batch, dtype=torch.float64, requires_grad=True)
    eye = torch.eye(batch, dtype=torch.bool)
    sigmoid(cosines, 10.0, bias, eye).backward()
    return float(-cosines.grad[eye].sum() / cosines.grad[~eye].sum())


def test_the_published_bias_leaves_small_batches_without_negatives():
    assert pulls(16, initial_logits("siglip", 16)[1]) > 1000
    # It is about the right one where it was made: e¹⁰ pairs.
    assert math.exp(10.0) == pytest.approx(22_026, abs=1)
    assert initial_logits("batch", 22_027)[1] == pytest.approx(-10.0, abs=1e-3)


@pytest.mark.parametrize("batch", [2, 16, 256])
def test_the_bias_of_the_batch_is_even(batch: int):
    assert pulls(batch, initial_logits("batch", batch)[1]) == pytest.approx(1.0)


@pytest.mark.parametrize("form", ["sigmoid", "probabilistic"])
@pytest.mark.parametrize(
    ("chosen", "expected"), [({}, -math.log(15)), ({"initial_logits": "siglip"}, -10.0)], ids=["default", "siglip"]
)
def test_the_batch_decides_unless_told_otherwise(form: str, chosen: dict, expected: float):
    """A model that has no bias yet starts with that of its batch."""
    clap = model_of(*AUDIO["cnn"], head={"dimension": 8, "distribution": "gaussian"}, masked=False)
    assert clap.logit_bias is None
    settings = Training.model_validate(
        {"steps": 1, "batch_size": 16, "objective": {"contrastive": {"form": form, **chosen}}}
    )
    fitted = fit_objective("student", clap, settings, 0.0, 0)
    assert fitted.logit_bias.item() == pytest.approx(expected, abs=1e-6)
