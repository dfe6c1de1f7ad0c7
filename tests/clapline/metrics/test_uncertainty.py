"""Calibration of widths, correlations, strangers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from clapline.metrics.traversal import included_roots, kendall_tau, ordered_recall
from clapline.metrics.uncertainty import calibration, correlation, stranger


def test_widths_that_tell_the_misses_and_widths_that_tell_nothing():
    score = np.array([1.0] * 50 + [0.0] * 50)
    told = calibration(np.arange(100.0), score)
    assert told.area == 1.0
    assert told.correlation == pytest.approx(np.sqrt(3) / 2, abs=0.01)
    assert told.scores == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert told.widths == [9.5, 29.5, 49.5, 69.5, 89.5]
    assert calibration(-np.arange(100.0), score).area == 0.0
    drawn = calibration(np.random.default_rng(0).random(4000), np.random.default_rng(1).integers(0, 2, 4000))
    assert drawn.area == pytest.approx(0.5, abs=0.03)
    equal = calibration(np.ones(100), score)
    assert equal.area == 0.5
    assert equal.correlation is None


def test_nothing_is_told_where_all_or_none_is_missed():
    assert calibration(np.arange(4.0), np.ones(4)).area is None
    assert calibration(np.arange(4.0), np.zeros(4)).area is None
    assert len(calibration(np.arange(3.0), np.array([1.0, 0.0, 1.0])).scores) == 3


def test_correlations():
    words = np.array([1.0, 2.0, 3.0, 10.0])
    assert correlation(words, -np.sqrt(words)) == -1.0
    assert -1 < correlation(words, -np.sqrt(words), ranks=False) < -0.95
    assert correlation(words, np.ones(4)) is None
    assert correlation(words[:2], words[:2]) is None


def test_a_stranger_is_of_another_kind_and_any_of_them():
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, 300)
    drawn = np.stack([stranger(kinds, np.random.default_rng(seed)) for seed in range(40)])
    assert (kinds[drawn] != kinds).all()
    assert len(np.unique(drawn)) == 300  # everyone is someone's
    alone = np.arange(50)
    assert (stranger(alone, rng) != alone).all()


@pytest.mark.parametrize("kinds", [[0], [0, 0, 0]])
def test_where_all_are_of_one_kind_nobody_is_a_stranger(kinds):
    assert (stranger(np.array(kinds), np.random.default_rng(0)) == -1).all()


def test_tau_is_scipys_for_trees_of_any_depth():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 6, 40).astype(float)  # few values: ties
    trees = [rng.choice(40, size, replace=False).tolist() for size in (2, 3, 4, 4, 5, 1, 3, 2)]
    found = kendall_tau(values, trees)
    for tree, tau in zip(trees, found, strict=True):
        expected = kendalltau(range(len(tree)), values[tree]).statistic if len(tree) > 1 else np.nan
        np.testing.assert_allclose(tau, expected)


def test_tau_of_ordered_and_of_shuffled_levels():
    rng = np.random.default_rng(2)
    trees = [list(range(4 * row, 4 * row + 4)) for row in range(500)]
    ordered = np.arange(2000.0)
    assert (kendall_tau(ordered, trees) == 1).all()
    assert (kendall_tau(-ordered, trees) == -1).all()
    assert abs(kendall_tau(rng.permutation(2000).astype(float), trees).mean()) < 0.1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([0, 1, 2, 3], 1.0),
        ([3, 2, 1, 0], 0.25),  # all met, never in order
        ([9, 0, 8, 2, 7], 0.5),  # strangers in between are passed over
        ([2, 0, 1, 3], 0.75),
        ([0, 1, 0, 1], 0.5),
        ([9, 8], 0.0),
    ],
)
def test_ordered_recall(path, expected):
    """HierarCaps' measure: the longest run with rising level over the number of levels."""
    assert ordered_recall(path, [0, 1, 2, 3]) == expected


def test_roots_lie_between_the_empty_text_and_what_includes_the_clip_most():
    captions, empty = np.eye(3, dtype=np.float32)[:2], np.eye(3, dtype=np.float32)[2]
    roots = included_roots(np.array([1, 0]), captions, empty)
    np.testing.assert_allclose(roots, np.array([[0, 1, 1], [1, 0, 1]]) / np.sqrt(2))
