"""Rankings, what moves between two of them, percentiles, and parts of a clip: without a model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.metrics.scores import Side
from stages.serve.part import Unsatisfiable, asked_part
from stages.serve.search import Moved, moved, order, percentile, ranks, scores

similarities = st.lists(st.integers(-3, 3), min_size=1, max_size=30).map(lambda values: np.array(values, np.float32))


def test_points_score_by_cosine_and_gaussians_by_less_half_the_candidates_variance():
    queries, candidates = np.eye(2, dtype=np.float32), np.array([[1, 0], [0.6, 0.8]], np.float32)
    np.testing.assert_allclose(scores(Side(queries), Side(candidates)), [[1, 0.6], [0, 0.8]])
    wide = Side(candidates, np.array([1.0, 0.2]))
    np.testing.assert_allclose(scores(Side(queries, np.ones(2)), wide), [[0.5, 0.5], [-0.5, 0.7]])


def test_without_candidates_there_are_no_scores():
    assert scores(Side(np.eye(2, dtype=np.float32)), Side(np.zeros((0, 2), np.float32))).shape == (2, 0)


@given(similarities)
def test_ranks_are_the_places_in_the_order(values):
    rows, places = order(values), ranks(values)
    assert sorted(places) == list(range(1, len(values) + 1))
    assert [places[row] for row in rows] == list(range(1, len(values) + 1))
    for first, second in pairwise(rows):
        assert values[first] > values[second] or (values[first] == values[second] and first < second)


@given(similarities)
def test_the_same_ranking_moves_nothing(values):
    steps = moved(values, values, 5)
    assert [step.before for step in steps] == list(range(1, min(5, len(values)) + 1))
    assert all(step.before == step.after for step in steps)


def test_what_leaves_and_enters_the_first_and_the_own_clip_are_shown():
    before, after = np.array([5.0, 4, 3, 2, 1]), np.array([5.0, 1, 2, 3, 4])
    assert moved(before, after, 2, own={3}) == [
        Moved(0, 1, 1, False),
        Moved(1, 2, 5, False),
        Moved(3, 4, 3, True),
        Moved(4, 5, 2, False),
    ]


def test_a_percentile_counts_half_of_the_equals():
    widths = np.array([1.0, 2, 2, 3])
    assert [percentile(width, widths) for width in (0.5, 1, 2, 9)] == [0, 12, 50, 100]
    assert percentile(1.0, np.empty(0)) is None


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=0-" + "9" * 400, None),
    ],
)
def test_the_part_that_a_player_asks_for(header, part):
    assert asked_part(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_a_part_beyond_the_clip_is_refused(header):
    with pytest.raises(Unsatisfiable):
        asked_part(header, 100)
