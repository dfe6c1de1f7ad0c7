"""The paired comparison of two sides: what its intervals cover, which queries go together, Holm by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clapline.comparison.paired import compare_part
from clapline.comparison.tested import holm

KEY = ("toy", "t2a")


def frame(values, clips=None, measure="r10") -> pd.DataFrame:
    """Return one part of a run as it is read."""
    names = [f"q{place:04d}" for place in range(len(values))]
    about = names if clips is None else [f"c{clip:04d}" for clip in clips]
    table = pd.DataFrame({"clips": [(clip,) for clip in about], measure: np.asarray(values, dtype=float)}, index=names)
    return table.rename_axis("query")


def test_equal_sums_are_equal_whatever_their_last_bits():
    clips = np.repeat(np.arange(10), 3)
    assert sum([0.1, 0.2, 0.3]) > sum([0.3, 0.2, 0.1])
    (one,) = compare_part(KEY, [frame([0.3, 0.2, 0.1] * 10, clips)], [frame([0.1, 0.2, 0.3] * 10, clips)], 200, 0)
    assert (one.low, one.high, one.p_value) == (0.0, 0.0, 1.0)


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    random, truth, covered = np.random.default_rng(2), 0.1, 0
    for simulation in range(300):
        clips = np.repeat(np.arange(60), 3)
        of_clip = random.normal(0, 0.2, 60)[clips]
        a = random.normal(0.5, 0.1, 180)
        b = a + truth + of_clip + random.normal(0, 0.1, 180)
        (one,) = compare_part(KEY, [frame(a, clips)], [frame(b, clips)], 400, simulation)
        covered += one.low <= truth <= one.high
    assert 0.90 <= covered / 300 <= 0.98


def test_with_several_runs_the_interval_covers_the_difference_of_experiments_not_of_runs():
    random, truth, covered, covered_by_clips = np.random.default_rng(3), 0.1, 0, 0
    for simulation in range(200):
        clips = random.normal(0.5, 0.2, 100)
        runs = [clips + random.normal(mean, 0.05) + random.normal(0, 0.1, 100) for mean in [0.0] * 5 + [truth] * 5]
        a, b = [frame(run) for run in runs[:5]], [frame(run) for run in runs[5:]]
        (one,) = compare_part(KEY, a, b, 400, simulation)
        covered += one.low <= truth <= one.high
        (fixed,) = compare_part(KEY, [frame(np.mean(runs[:5], axis=0))], [frame(np.mean(runs[5:], axis=0))], 400, 0)
        covered_by_clips += fixed.low <= truth <= fixed.high
    assert 0.87 <= covered / 200 <= 0.99
    assert covered_by_clips / 200 < 0.75


def test_queries_of_one_clip_go_together():
    """With four equal queries a clip there are no more facts than clips: independent queries would halve the width."""
    gain = np.repeat(np.random.default_rng(4).normal(0, 1, 100), 4)
    zero = np.zeros(400)
    (clustered,) = compare_part(KEY, [frame(zero, np.repeat(np.arange(100), 4))], [frame(gain)], 2000, 0)
    assert clustered.clips == 100  # clips that share a query go together, of either side
    clips = np.repeat(np.arange(100), 4)
    (clustered,) = compare_part(KEY, [frame(zero, clips)], [frame(gain, clips)], 2000, 0)
    (independent,) = compare_part(KEY, [frame(zero)], [frame(gain)], 2000, 0)
    assert (clustered.clips, independent.clips) == (100, 400)
    ratio = (clustered.high - clustered.low) / (independent.high - independent.low)
    assert 1.8 < ratio < 2.2


def test_holm_by_hand():
    # In order: 0.01 · 4, 0.02 · 3, then 0.03 · 2 (no less than the one before), 0.5 · 1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == [0.06, 0.04, 0.5, 0.06]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
