"""Masks of units, level under level, and which frames and states a unit is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clapline.model.inputs import valid_positions
from clapline.model.masking import (
    at_frames,
    at_positions,
    nested_masks,
    replace_frames,
    units_of_frames,
    units_of_positions,
    valid_units,
)


def draws_of(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@given(
    st.integers(1, 4),
    st.integers(1, 12),
    st.lists(st.floats(0, 1), min_size=0, max_size=4),
    st.integers(0, 5),
    st.integers(0, 2**31),
)
def test_masks_are_nested_and_keep_the_smallest_draws(rows, units, keep, minimum, seed):
    valid = valid_positions(draws_of(rows, seed=seed), units)
    draws = draws_of(len(keep), rows, units, seed=seed)
    masks = nested_masks(valid, draws, keep, minimum)
    assert len(masks) == len(keep) + 1
    assert torch.equal(masks[0], valid)
    for level, probability in enumerate(keep):
        above, below = masks[level], masks[level + 1]
        assert not (below & ~above).any()
        for row in range(rows):
            of = sorted(draws[level, row][above[row]].tolist())
            expected = max(sum(draw < probability for draw in of), min(minimum, len(of)))
            assert sorted(draws[level, row][below[row]].tolist()) == of[:expected]
    assert all(map(torch.equal, masks, nested_masks(valid, draws, keep, minimum)))


def test_the_share_that_stays_is_the_product_of_the_levels():
    rows, units, keep = 400, 50, 0.25
    valid = torch.ones(rows, units, dtype=torch.bool)
    masks = nested_masks(valid, draws_of(3, rows, units), [keep] * 3, 0)
    for level, mask in enumerate(masks):
        share = keep**level
        assert abs(float(mask.float().mean()) - share) <= 4 * (share * (1 - share) / valid.numel()) ** 0.5


def test_all_and_nothing():
    valid = valid_positions(torch.tensor([1.0, 0.5]), 4)
    everything, nothing, two = (
        nested_masks(valid, draws_of(1, 2, 4), keep, minimum)[1]
        for keep, minimum in (([1.0], 0), ([0.0], 0), ([0.0], 2))
    )
    assert torch.equal(everything, valid)
    assert not nothing.any()
    assert two.sum(dim=1).tolist() == [2, 2]
    with pytest.raises(ValueError, match="1 levels of draws and 2"):
        nested_masks(valid, draws_of(1, 2, 4), [1.0, 1.0], 0)


@given(st.integers(1, 6), st.integers(1, 40), st.integers(1, 90))
def test_units_of_what_was_not_cut_are_its_positions(segments, positions, frames):
    units = segments * positions
    assert units_of_positions(units, segments * frames, units, segments * frames).tolist() == list(range(units))
    of_frames = units_of_frames(segments * frames, units, segments * frames)
    assert of_frames.tolist() == [frame * units // (segments * frames) for frame in range(segments * frames)]
    for kept in range(1, segments + 1):  # whole segments were cut
        left = units_of_positions(kept * positions, kept * frames, units, segments * frames)
        assert left.tolist() == list(range(kept * positions))


def test_a_cut_clip_holds_the_first_units():
    """10 units of 10 frames; 40 frames are left, of which a clip has 0.6, and 8 states."""
    valid = valid_units(torch.tensor([0.6, 1.0, 0.01]), 40, 10, 100)
    assert valid.sum(dim=1).tolist() == [3, 4, 1]
    assert units_of_positions(8, 40, 10, 100).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    hidden = torch.zeros(3, 10, dtype=torch.bool)
    hidden[:, 2] = True
    assert at_frames(hidden, 1, 40, 100)[0, 0].tolist() == [20 <= frame < 30 for frame in range(40)]
    # Behind the last unit of the first clip there is padding: a state there is of that unit.
    assert at_positions(hidden, valid, 8, 40, 100)[0].tolist() == [False] * 4 + [True] * 4
    assert at_positions(hidden, valid, 8, 40, 100)[1].tolist() == [False] * 4 + [True] * 2 + [False] * 2


def test_visible_frames_stay_bit_for_bit():
    features = torch.randn(2, 3, 4, 5)
    hidden = draws_of(2, 3, 5) < 0.5
    spectrum = torch.arange(4.0)
    replaced = replace_frames(features, hidden, spectrum).transpose(2, 3)
    assert torch.equal(replaced[~hidden], features.transpose(2, 3)[~hidden])
    assert torch.equal(replaced[hidden], spectrum.expand(int(hidden.sum()), -1))
