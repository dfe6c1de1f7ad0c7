"""Positive pairs: blocks, counts and order, against the plain matrix."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.objectives.positives import PositivePairs


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.data())
def test_a_block_is_that_of_the_matrix(clips: list[int], data: st.DataObject):
    of = torch.tensor(clips)
    matrix = of[:, None] == of
    pairs = PositivePairs.from_matrix(matrix)
    assert torch.equal(pairs.matrix(), matrix)
    assert torch.equal(pairs.counts, matrix.sum(dim=1))
    start = data.draw(st.integers(0, len(clips) - 1))
    stop = data.draw(st.integers(start + 1, len(clips)))
    assert torch.equal(pairs.block(start, stop), matrix[start:stop])
    rows, columns = pairs.within(start, stop)
    assert torch.equal(torch.stack([rows - start, columns], dim=1), matrix[start:stop].nonzero())


def test_the_identity():
    pairs = PositivePairs.identity(5)
    assert torch.equal(pairs.matrix(), torch.eye(5, dtype=torch.bool))
    assert pairs.counts.tolist() == [1] * 5


@pytest.mark.parametrize("matrix", [[[1, 1], [0, 1]], [[1, 0], [0, 0]]])
def test_what_is_no_equivalence_is_refused(matrix: list[list[int]]):
    with pytest.raises(ValueError, match="symmetric, the diagonal among them"):
        PositivePairs.from_matrix(torch.tensor(matrix).bool())


def test_each_changes_both_sides():
    pairs = PositivePairs.identity(3).each(lambda places: places.clone().int())
    assert pairs.rows.dtype == pairs.columns.dtype == torch.int32
    assert pairs.size == 3


def test_positives_among_some_places():
    matrix = torch.eye(6, dtype=torch.bool)
    matrix[1, 4] = matrix[4, 1] = matrix[0, 5] = matrix[5, 0] = True
    places = torch.tensor([4, 1, 3, 5])
    assert torch.equal(PositivePairs.from_matrix(matrix).among(places), matrix[places][:, places])
