"""The prior-matrix revised contrast: ω = 0 is the softmax contrast, and the formula written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.contrastive import softmax_contrast
from clapline.objectives.positives import PositivePairs
from clapline.objectives.prior import prior_contrast
from clapline.objectives.targets import HardTargets
from tests.clapline.objectives.losses import positives_of, scores, unit

WAYS = [pytest.param(False, id="whole"), pytest.param(True, id="factors")]


def written_out(cosines: Tensor, scale: float, omega: float) -> Tensor:
    """Return the loss of single positives by whole matrices."""
    size, places = len(cosines), torch.arange(len(cosines))
    of_clips = size * (omega * cosines).softmax(dim=0)
    of_captions = size * (omega * cosines).softmax(dim=1)
    return 0.5 * (
        functional.cross_entropy(scale * cosines * of_clips, places)
        + functional.cross_entropy((scale * cosines * of_captions).T, places)
    )


@pytest.mark.parametrize("factors", WAYS)
@pytest.mark.parametrize("omega", [0.0, 1.0, 20.0])
def test_value_and_gradient_of_the_formula(omega: float, factors: bool):
    text, found = unit(6, 4, 1), []
    for loss in (
        lambda audio: prior_contrast(scores(audio, text, factors), 7.0, PositivePairs.identity(6), omega),
        lambda audio: written_out(audio @ text.T, 7.0, omega),
    ):
        audio = unit(6, 4, 0).requires_grad_()
        value = loss(audio)
        found.append((value.detach(), torch.autograd.grad(value, audio)[0]))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("factors", WAYS)
def test_without_sharpness_it_is_the_softmax_contrast(factors: bool):
    """For several positives too."""
    compared, positives = scores(unit(6, 4, 0), unit(6, 4, 1), factors), positives_of(6)
    expected = softmax_contrast(compared, 7.0, HardTargets(positives))
    torch.testing.assert_close(prior_contrast(compared, 7.0, positives, 0.0), expected)
    assert not torch.isclose(prior_contrast(compared, 7.0, positives, 5.0), expected, rtol=1e-3)


def test_a_hub_is_held_back():
    """A caption that all clips like gives each of them less than under the softmax contrast."""
    hub = torch.full((4, 4), 0.1, dtype=torch.float64)
    hub[:, 0] = 0.6  # caption 0 is near every clip
    hub.fill_diagonal_(0.7)
    start = [hub.clone().requires_grad_() for _ in range(2)]
    pairs = PositivePairs.identity(4)
    eye = torch.eye(4, dtype=torch.float64)
    prior_contrast(scores(start[0], eye, False), 5.0, pairs, 20.0).backward()
    softmax_contrast(scores(start[1], eye, False), 5.0, HardTargets(pairs)).backward()
    lost = [written_out(hub, 5.0, omega) for omega in (20.0, 0.0)]
    assert lost[0] < lost[1]
    assert start[0].grad.isfinite().all()


def test_a_right_pair_below_nothing_is_pushed_away_by_a_sharp_prior():
    """A consequence of the formula, known and kept: a prior times a cosine below 0 lowers the logit of what is liked.

    So the form wants a start at which right pairs have cosines above 0; there it pulls, as it does when not sharp.
    """
    slopes = {}
    for cosine, omega in ((-0.2, 20.0), (-0.2, 2.0), (0.1, 20.0)):
        cosines = torch.full((4, 4), -0.3, dtype=torch.float64)
        cosines.fill_diagonal_(cosine).requires_grad_()
        prior_contrast(scores(cosines, torch.eye(4).double(), False), 20.0, PositivePairs.identity(4), omega).backward()
        slopes[cosine, omega] = cosines.grad[0, 0].item()
    assert slopes[-0.2, 20.0] > 0 > slopes[-0.2, 2.0]
    assert slopes[0.1, 20.0] < 0
