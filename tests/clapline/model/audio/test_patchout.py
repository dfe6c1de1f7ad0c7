from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clapline.errors import UserError
from clapline.model.audio.patchout import kept_indices, kept_mask, patchout
from clapline.model.inputs import valid_positions


@given(st.integers(1, 60), st.data())
def test_exactly_so_many_stay_in_order(count, data):
    dropped = data.draw(st.integers(0, count - 1))
    kept = kept_indices(count, dropped).tolist()
    assert len(kept) == count - dropped
    assert kept == sorted(set(kept))
    assert set(kept) <= set(range(count))


@given(st.integers(2, 9), st.integers(2, 12), st.data())
def test_whole_rows_and_columns_go(rows, columns, data):
    bands, frames = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    numbers = torch.arange(rows * columns).reshape(1, 1, rows, columns).expand(2, 3, -1, -1)
    grid, kept = patchout(numbers, bands, frames)
    assert grid.shape == (2, 3, rows - bands, columns - frames)
    kept_rows = grid[0, 0, :, 0] // columns
    kept_columns = grid[0, 0, 0] % columns
    assert torch.equal(grid[1, 2], numbers[0, 0][kept_rows][:, kept_columns])
    if frames:
        assert torch.equal(kept, kept_columns)
    else:
        assert kept is None


def test_every_index_is_as_likely_to_stay():
    torch.manual_seed(0)
    counts = torch.zeros(8)
    for _ in range(2000):
        counts[kept_indices(8, 6)] += 1
    # Each count is binomial(2000, 1/4): mean 500, deviation 19.4; five deviations.
    assert (counts - 500).abs().max() < 97


def test_the_draw_is_torch_s():
    torch.manual_seed(3)
    first = kept_indices(62, 15)
    assert not torch.equal(first, kept_indices(62, 15))
    torch.manual_seed(3)
    assert torch.equal(first, kept_indices(62, 15))


@pytest.mark.parametrize(("bands", "frames"), [(3, 0), (0, 4), (7, 7)])
def test_leaving_nothing_is_refused(bands, frames):
    with pytest.raises(UserError, match="leaves nothing of"):
        patchout(torch.zeros(1, 1, 3, 4), bands, frames)


@given(st.integers(1, 3), st.integers(2, 9), st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4), st.data())
def test_a_mask_follows_the_kept_columns(segments, positions, valid, data):
    kept = kept_indices(positions, data.draw(st.integers(0, positions - 1)))
    mask = valid_positions(torch.tensor(valid), segments * positions)
    thinned = kept_mask(mask, kept, positions)
    assert thinned.shape == (len(valid), segments * len(kept))
    assert thinned.any(dim=1).all()
    for row, thin in zip(mask.tolist(), thinned.tolist(), strict=True):
        expected = [row[segment * positions + column] for segment in range(segments) for column in kept.tolist()]
        assert thin == (expected if any(expected) else [True] + [False] * (len(thin) - 1))
