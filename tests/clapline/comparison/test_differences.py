"""The interval over clips and seeds: the paired t-test where it is one, and what it covers in simulations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clapline.comparison.differences import corrected, mean_difference, paired_difference
from clapline.metrics.bootstrap import Units, bootstrap_means


def test_one_seed_and_a_clip_per_query_is_the_paired_t_test():
    random = np.random.default_rng(0)
    a, b = random.normal(size=40), random.normal(0.3, size=40)
    found = mean_difference((b - a)[None], Units.one_each(40))
    expected = stats.ttest_rel(b, a)
    low, high = expected.confidence_interval(0.95)
    assert (found.estimate, found.p_value) == pytest.approx((np.mean(b - a), expected.pvalue))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.queries, found.clips, len(found.by_seed)) == (40, 40, 1)


def test_seeds_alone_are_the_t_test_of_their_means():
    """Clips that all say the same leave the seeds as the one source of chance."""
    means = np.array([0.1, 0.3, 0.25])
    found = mean_difference(np.repeat(means[:, None], 50, axis=1), Units.one_each(50))
    low, high = stats.t.interval(0.95, 2, means.mean(), means.std(ddof=1) / 3**0.5)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.by_seed == pytest.approx(tuple(means))


def test_queries_of_a_clip_go_together():
    """The spread is that of the bootstrap over clips, not that of five times as many queries."""
    random = np.random.default_rng(1)
    gaps = np.repeat(random.normal(size=60), 5)
    units = Units.about([[f"c{place // 5}"] for place in range(300)])
    found = mean_difference(gaps[None], units)
    drawn = bootstrap_means(gaps[:, None], units, 4000, np.random.default_rng(2))[:, 0]
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * drawn.std(), rel=0.06)
    alone = mean_difference(gaps[None], Units.one_each(300))
    assert found.high - found.low > 2 * (alone.high - alone.low)
    assert (found.queries, found.clips) == (300, 60)


def test_clips_of_unlike_numbers_of_queries_agree_with_the_bootstrap():
    random = np.random.default_rng(3)
    counts = random.integers(1, 9, 80)
    about = [[f"c{clip}"] for clip, count in enumerate(counts) for _ in range(count)]
    gaps = np.repeat(random.normal(size=80), counts) + random.normal(scale=0.2, size=len(about))
    found = mean_difference(gaps[None], Units.about(about))
    drawn = bootstrap_means(gaps[:, None], Units.about(about), 4000, np.random.default_rng(4))[:, 0]
    assert (found.high - found.low) / 2 == pytest.approx(1.99 * drawn.std(), rel=0.08)


@pytest.mark.parametrize("noise", [0.3, 3.0])
@pytest.mark.parametrize("ratio", [0.0, 1.0, 3.0])
def test_it_covers_the_truth_whatever_part_the_seeds_have(ratio, noise):
    random = np.random.default_rng(5)
    covered, runs = 0, 600
    for _ in range(runs):
        clips = random.normal(size=100)
        seeds = random.normal(scale=ratio * 0.1, size=3)  # 0.1: the standard error of 100 clips
        gaps = 0.2 + clips + seeds[:, None] + random.normal(scale=noise, size=(3, 100))
        found = mean_difference(gaps, Units.one_each(100))
        covered += found.low <= 0.2 <= found.high
    assert 0.90 <= covered / runs <= 0.985


def test_no_spread_and_one_clip():
    same = mean_difference(np.full((3, 10), 0.2), Units.one_each(10))
    assert (same.estimate, same.low, same.high, same.p_value) == pytest.approx((0.2, 0.2, 0.2, 2.0**-9))
    zero = mean_difference(np.zeros((2, 10)), Units.one_each(10))
    assert (zero.estimate, zero.p_value, zero.significant) == (0.0, 1.0, False)
    few = mean_difference(np.array([[0.2, 0.2001, 0.2002, 0.0]]), Units.one_each(4))
    assert few.p_value == 0.25, "three clips that differ: no less than the sign test's"
    single = mean_difference(np.array([[0.1, 0.4]]), Units.about([["a"], ["a"]]))
    assert (single.estimate, single.low, single.p_value) == (0.25, None, None)


def test_many_comparisons_of_nothing_seldom_survive():
    random = np.random.default_rng(6)
    found = [mean_difference(random.normal(size=(3, 50)), Units.one_each(50)) for _ in range(60)]
    adjusted = corrected(found)
    assert sum(one.significant for one in found) >= 1
    assert not any(one.survives for one in adjusted)
    assert corrected([mean_difference(random.normal(1, 0.1, size=(3, 50)), Units.one_each(50))])[0].survives


def test_queries_without_a_value_in_some_run_take_no_part():
    def frame(values: dict[str, float]) -> pd.DataFrame:
        return pd.DataFrame({"clips": [(query,) for query in values], "r10": list(values.values())}, index=list(values))

    other = [frame({"a": 0.1, "b": 0.2, "c": 0.3}), frame({"a": 0.2, "b": 0.2, "c": 0.2})]
    of = [frame({"a": 0.4, "b": np.nan, "d": 0.9}), frame({"a": 0.3, "b": 0.9, "d": 0.9})]
    found = paired_difference(of, other, "r10")
    assert (found.by_seed, found.queries) == (pytest.approx((0.3, 0.1)), 1)
    assert paired_difference([frame({"x": 0.1})], [frame({"y": 0.1})], "r10") is None
