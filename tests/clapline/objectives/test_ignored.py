"""Pairs too alike to be negatives: above the threshold, never a positive, block by block."""

from __future__ import annotations

import pytest
import torch

from clapline.objectives.ignored import Ignored
from clapline.objectives.positives import PositivePairs
from tests.clapline.objectives.losses import positives_of, unit


@pytest.mark.parametrize("above", [-1.0, 0.0, 0.5, 0.99])
def test_rows_are_those_of_the_matrix(above: float):
    states, positives = unit(8, 3, 0), positives_of(8)
    expected = (states @ states.T > above) & ~positives.matrix()
    found = torch.cat([Ignored(positives, states, above).rows(start, start + 2) for start in range(0, 8, 2)])
    assert torch.equal(found, expected)
    assert torch.equal(expected, expected.T)


def test_a_positive_is_never_ignored():
    """Equal captions of different clips are; captions of one clip, and a pair itself, are not."""
    states = unit(1, 4, 0).expand(4, -1)
    found = Ignored(positives_of(4), states, 0.9).rows(0, 4)
    assert found.sum(dim=1).tolist() == [2, 2, 3, 3]
    assert not (found & positives_of(4).matrix()).any()
    assert not Ignored(PositivePairs.identity(4), states, 1.0 + 1e-6).rows(0, 4).any()
