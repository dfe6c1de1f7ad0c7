"""No pair that counts is lost to the rounding of a pass, even where rounding is at its worst; the bound is sharp."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.search.bound import BFLOAT16, FLOAT32, Precision, before, down, error, kth_similarity, lower_limit
from clapline.search.products import PRODUCTS, new_pass
from clapline.search.rows import lengths


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("nd,md->nm", first.astype(np.float64), second.astype(np.float64)).astype(np.float32)


def multiplied(product: str, first: np.ndarray, second: np.ndarray, nearest: int = 1):
    chosen = new_pass(product, "cpu")
    (rows, lost), (gallery, gallery_lost) = chosen.prepare(first), chosen.prepare(second)
    chosen.multiply(rows, gallery, nearest)
    margin = error(
        Precision(lengths(first), lost), Precision(lengths(second), gallery_lost), first.shape[1], chosen.places
    )
    return chosen, margin


def lost_pairs(product: str, first: np.ndarray, second: np.ndarray, scale: float = 1.0) -> int:
    """Count the pairs that are not proposed at exactly their own similarity, with the margin times `scale`."""
    chosen, margin = multiplied(product, first, second)
    lost = 0
    for column, least in enumerate(similarity(first, second).T):
        chosen.look(lower_limit(least, scale * margin, chosen.places))
        proposed = {pair for found in chosen.reaching() for pair in zip(*map(np.ndarray.tolist, found), strict=True)}
        lost += sum((row, column) not in proposed for row in range(len(first)))
    return lost


def midpoints(seed: int, count: int, dim: int, side: int) -> np.ndarray:
    """Rows whose values lie at or beside the middle of two neighbouring bfloat16 numbers, erring to one side."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([1.0, 1.0078125, 1.5, 1.9921875], (count, dim)).astype(np.float32) * rng.choice([1, -1], dim)
    bits = np.ascontiguousarray(coarse, dtype=np.float32).view(np.uint32) + np.uint32(2**15 + side)
    return bits.view(np.float32) * np.float32(2.0 ** rng.integers(-3, 3))


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("side", [-1, 0, 1])
@pytest.mark.parametrize("dim", [1, 2, 7, 64, 513])
def test_no_pair_is_lost_where_values_lie_between_two_bfloat16_numbers(product, side, dim):
    for seed in range(4):
        assert lost_pairs(product, midpoints(seed, 12, dim, side), midpoints(seed + 100, 40, dim, side)) == 0


def test_with_half_of_the_margin_pairs_are_lost():
    first, second = midpoints(0, 12, 64, -1), midpoints(0, 40, 64, -1)
    assert lost_pairs("bfloat16", first, first) == 0
    assert lost_pairs("bfloat16", first, first, 0.5) > 0
    assert lost_pairs("bfloat16", first, second, 0.0) > 0


finite = st.floats(-(2.0**12), 2.0**12, width=32)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 9), st.sampled_from(PRODUCTS))
def test_no_pair_of_any_numbers_is_lost(data, dim, product):
    row = st.lists(finite, min_size=dim, max_size=dim)
    first, second = (
        np.array(data.draw(st.lists(row, min_size=1, max_size=4)), dtype=np.float32).reshape(-1, dim) for _ in range(2)
    )
    assert lost_pairs(product, first, second) == 0


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("scale", [1e-25, 1e-19, 1.0, 1e6])
def test_rows_of_very_different_lengths_lose_no_pair(product, scale):
    rng = np.random.default_rng(0)
    first = (rng.normal(size=(20, 66)) * scale).astype(np.float32)
    second = (rng.normal(size=(300, 66)) * 10.0 ** rng.integers(-4, 5, (300, 1))).astype(np.float32)
    assert lost_pairs(product, first, second) == 0


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("shift", [-3.0, 0.0, 3.0])
def test_the_kth_best_is_never_below_what_the_maxima_say(product, shift):
    rng = np.random.default_rng(1)
    first, second = (rng.normal(size=(count, 32)).astype(np.float32) for count in (15, 4001))
    first[:, 0], second[:, 0] = 1, shift * np.sqrt(32)
    best = -np.sort(-similarity(first, second), axis=1)
    for k in (1, 3, 50, 700, 4001):
        chosen, margin = multiplied(product, first, second, k)
        known = kth_similarity(chosen.kth_product(k), margin, chosen.places)
        assert (known <= best[:, k - 1]).all()
        if k < 4001:
            assert (known > best[:, min(3 * k + 20, 4000)]).all()  # and near it


def test_the_bound_of_unit_rows_is_as_small_as_bfloat16_allows():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(100, 512)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert 0.001 < multiplied("bfloat16", rows, rows)[1].max() < 0.005
    assert multiplied("numpy", rows, rows)[1].max() < 1e-4


@given(st.lists(st.floats(-1e30, 1e30), min_size=1), st.sampled_from([FLOAT32, BFLOAT16]))
def test_down_is_the_nearest_number_of_the_format_that_is_not_above(values, places):
    values = np.array(values)
    lower = down(values, places)
    dtype = torch.bfloat16 if places == BFLOAT16 else torch.float32
    exact = torch.from_numpy(lower).to(dtype)
    assert (exact.float().numpy() == lower).all()
    assert (lower <= values).all()
    above = torch.nextafter(exact, torch.tensor(float("inf"), dtype=dtype)).float().numpy()
    assert (above > values).all()


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1), st.sampled_from([FLOAT32, BFLOAT16]))
def test_before_is_the_next_smaller_number_of_the_format(values, places):
    dtype = torch.bfloat16 if places == BFLOAT16 else torch.float32
    numbers = torch.tensor(values, dtype=torch.float32).to(dtype)
    expected = torch.nextafter(numbers, torch.tensor(float("-inf"), dtype=dtype)).float().numpy()
    np.testing.assert_array_equal(before(numbers.float().numpy(), places), expected)
