"""Bootstrap over clips: right on average, paired, clustered, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from clapline.metrics.bootstrap import (
    Units,
    bootstrap_means,
    bootstrap_medians,
    bootstrap_ratios,
    interval,
    sign_p_value,
)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_whole_sample_is_the_mean_over_queries():
    # Clips 0 and 1 share a query, and clips 2 and 3; clip 6 is asked about by nobody.
    units = Units(np.array([0, 2, 3, 5, 6, 7]), np.array([0, 1, 1, 2, 3, 4, 5]), 7)
    values = np.array([[1.0], [0.0], [0.5], [0.25], [1.0]])
    totals, weights = units.sums(values)
    assert totals.sum() / weights.sum() == pytest.approx(values.mean())
    assert weights.tolist() == [2, 1, 1, 1]
    assert totals[:, 0].tolist() == [1.0, 0.5, 0.25, 1.0]


def test_where_most_hangs_together_each_query_stands_for_itself():
    """Judged answers: query i is about clips i and i + 1, so that all are joined; one group would tell nothing."""
    clips = np.repeat(np.arange(30), 2)
    clips[1::2] += 1
    units = Units(np.arange(0, 61, 2), clips, 31)
    assert units.groups()[1] == 30
    low, high = interval(bootstrap_means(rng_of(0).random((30, 1)), units, 400, rng_of(1))[:, 0])
    assert high - low > 0.1


def test_intervals_cover_where_clips_share_their_queries():
    """Classes of clips with common captions, as on labelled recordings: the classes are the units, not the clips."""
    classes, clips, covered = 30, 8, 0
    starts = np.arange(0, classes * clips * 3 + 1, clips)  # three captions a class, each of all its clips
    about = np.concatenate([np.arange(kind * clips, (kind + 1) * clips) for kind in range(classes) for _ in range(3)])
    units = Units(starts, about, classes * clips)
    assert units.groups()[1] == classes
    for seed in range(200):
        values = np.repeat(rng_of(seed).normal(size=classes), 3)[:, None]
        low, high = interval(bootstrap_means(values, units, 300, rng_of(1000 + seed))[:, 0])
        covered += low <= 0 <= high
    assert 0.85 <= covered / 200 <= 0.99


@pytest.mark.parametrize("clips", [1, 2, 3, 5])
def test_a_handful_of_clips_is_never_significant(clips):
    """All differences are 1: resamples are all alike, and the sign test still says 2^(1 - n)."""
    drawn = bootstrap_means(np.ones((clips, 1)), Units.one_each(clips), 1000, rng_of(0))[:, 0]
    assert sign_p_value(drawn, clips) == 2.0 ** (1 - clips) > 0.05
    assert sign_p_value(drawn) < 0.01


def test_no_number_no_p_value():
    assert sign_p_value(np.full(50, np.nan)) is None
    assert interval(np.full(50, np.nan)) == (None, None)
    assert sign_p_value(np.array([np.nan, 1.0, 1.0])) == pytest.approx(2 / 3)


def test_spread_is_the_standard_error():
    values = rng_of(0).random((400, 1))
    means = bootstrap_means(values, Units.one_each(400), 4000, rng_of(1))
    assert means.mean() == pytest.approx(values.mean(), abs=0.002)
    assert means.std() == pytest.approx(values.std() / 20, rel=0.06)


def test_queries_of_one_clip_stand_or_fall_together():
    """Five equal queries per clip tell no more than one: the interval must not shrink by √5."""
    per_clip = rng_of(2).random(100)
    many = Units(np.arange(501), np.repeat(np.arange(100), 5), 100)
    clustered = bootstrap_means(np.repeat(per_clip, 5)[:, None], many, 2000, rng_of(3))
    single = bootstrap_means(per_clip[:, None], Units.one_each(100), 2000, rng_of(3))
    np.testing.assert_allclose(clustered, single)


def test_blocks_of_resamples_and_seeds(monkeypatch):
    values = rng_of(4).random((30, 2))
    whole = bootstrap_means(values, Units.one_each(30), 50, rng_of(5))
    monkeypatch.setattr("clapline.metrics.bootstrap._DRAWS_AT_ONCE", 100)
    np.testing.assert_allclose(bootstrap_means(values, Units.one_each(30), 50, rng_of(5)), whole)
    assert not np.array_equal(bootstrap_means(values, Units.one_each(30), 50, rng_of(6)), whole)


def test_equal_models_differ_by_exactly_nothing():
    values = np.repeat(rng_of(7).random((40, 1)), 2, axis=1)
    means = bootstrap_means(values, Units.one_each(40), 200, rng_of(8))
    gap = means[:, 1] - means[:, 0]
    assert interval(gap) == (0.0, 0.0)
    assert sign_p_value(gap) == 1.0


def test_a_clear_difference_has_a_small_p_value_and_no_resamples_no_claim():
    assert sign_p_value(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert interval(np.empty(0)) == (None, None)
    assert sign_p_value(np.empty(0)) is None


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = rng_of(9)
    covered = 0
    for _ in range(300):
        low, high = interval(bootstrap_means(rng.random((80, 1)), Units.one_each(80), 300, rng)[:, 0])
        covered += low <= 0.5 <= high
    assert 0.89 <= covered / 300 <= 0.99


def test_medians_are_those_of_the_drawn_values():
    """Against drawing by hand: with one value per clip the resampled median is np.median of the drawn values."""
    values = np.random.default_rng(4).integers(1, 30, (41, 2)).astype(float)
    found = bootstrap_medians(values, Units.one_each(41), 300, np.random.default_rng(5))
    draws = np.random.default_rng(5).integers(0, 41, size=(300, 41))
    np.testing.assert_allclose(found, np.median(values[draws], axis=1))
    even = bootstrap_medians(values[:40], Units.one_each(40), 300, np.random.default_rng(6))
    draws = np.random.default_rng(6).integers(0, 40, size=(300, 40))
    np.testing.assert_allclose(even, np.median(values[:40][draws], axis=1))


def test_medians_in_blocks_and_over_clips_with_several_values(monkeypatch):
    units = Units(np.arange(61), np.repeat(np.arange(20), 3), 22)
    values = np.random.default_rng(7).integers(1, 9, (60, 1)).astype(float)
    whole = bootstrap_medians(values, units, 200, np.random.default_rng(8))
    monkeypatch.setattr("clapline.metrics.bootstrap._DRAWS_AT_ONCE", 70)
    np.testing.assert_array_equal(bootstrap_medians(values, units, 200, np.random.default_rng(8)), whole)
    draws = np.random.default_rng(8).integers(0, 20, size=(200, 20))
    by_clip = values[:, 0].reshape(20, 3)[draws].reshape(200, -1)
    np.testing.assert_allclose(whole[:, 0], np.median(by_clip, axis=1))


def test_ratios_are_sums_over_the_drawn_clips():
    rng = np.random.default_rng(9)
    above, below = rng.random((30, 2)), rng.integers(0, 2, (30, 2)).astype(float)
    found = bootstrap_ratios(above, below, Units.one_each(30), 100, np.random.default_rng(10))
    draws = np.random.default_rng(10).integers(0, 30, size=(100, 30))
    np.testing.assert_allclose(found, above[draws].sum(axis=1) / below[draws].sum(axis=1))
    nothing = bootstrap_ratios(above, np.zeros((30, 2)), Units.one_each(30), 5, np.random.default_rng(11))
    assert np.isnan(nothing).all()
    assert interval(found[:, 0])[0] < (above[:, 0].sum() / below[:, 0].sum()) < interval(found[:, 0])[1]
