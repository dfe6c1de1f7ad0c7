from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.text.richness_effects import a12, effect

VALUES = st.lists(st.integers(0, 9), min_size=1, max_size=20)


def test_by_hand():
    # Of the six pairs 3 > 1, 3 > 2 and 3 = 3 count 1, 1 and 0.5; 1 = 1 counts 0.5.
    assert a12([3, 1], [1, 2, 3]) == pytest.approx(3 / 6)
    found = effect([1, 2, 3, 4], [3, 4, 5, 6])
    assert found.ks == 0.5  # below 3 lies half of the first and nothing of the second
    assert found.a12 == pytest.approx(2 / 16)  # 4 > 3; 3 = 3 and 4 = 4 as half
    assert found.p_value == pytest.approx(54 / 70)  # of the 70 ways to deal eight ranks, so many lie as far apart


def test_a_p_for_any_number_of_values():
    for sizes in ((1, 1), (1, 500), (100, 100), (101, 2), (3000, 3000)):
        first, second = ([float(place) for place in range(size)] for size in sizes)
        assert 0 < effect(first, second).p_value <= 1


def test_nothing_beside_something_is_none():
    assert effect([], [1.0]) is None
    assert effect([1.0], []) is None


@given(VALUES, VALUES)
def test_a12_counts_pairs(first, second):
    wins = sum((x > y) + (x == y) / 2 for x in first for y in second)
    assert a12(first, second) == pytest.approx(wins / (len(first) * len(second)))
    assert a12(first, second) + a12(second, first) == pytest.approx(1)
