"""A quantile of scores against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from stages.curate.calibration import Scored
from stages.curate.choose import choose
from stages.curate.thresholds import GRAIN, evenly_spaced, score_quantile
from tests.stages.curate.pools import cosines, random_pool, settings_of


@pytest.mark.parametrize("quantile", [0.001, 0.3, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_it_is_the_score_that_the_best_share_reaches(quantile, scale, monkeypatch):
    monkeypatch.setattr("stages.curate.thresholds._PRODUCTS_AT_ONCE", 100)
    pool = random_pool(0)
    dense = np.sort((scale * cosines(pool)).ravel())[::-1]
    wanted = max(1, int(np.ceil((1 - quantile) * dense.size)))
    threshold = score_quantile(Scored(pool.audio, np.float32(scale) * pool.text), quantile)
    assert dense[wanted - 1] - 1.5 * GRAIN <= threshold <= dense[wanted - 1]
    assert threshold == round(threshold, 4)


def test_it_keeps_that_share_of_the_pairs():
    pool = random_pool(1, clips=200, captions=50)
    for quantile in (0.5, 0.99):
        found = choose(pool, settings_of("du", quantile_audio_text=quantile), None, set()).new
        assert len(found.found) == pytest.approx((1 - quantile) * 10_000, rel=0.05)
        assert found.threshold == score_quantile(Scored(pool.audio, pool.text), quantile)


def test_a_sample_of_the_clips_is_evenly_spaced(monkeypatch):
    pool = random_pool(2, clips=101)
    monkeypatch.setattr("stages.curate.thresholds.CLIPS", 11)
    sampled = score_quantile(Scored(pool.audio, pool.text), 0.9)
    monkeypatch.undo()
    assert sampled == score_quantile(Scored(pool.audio[::10], pool.text), 0.9)


def test_equal_scores_are_all_kept():
    pool = random_pool(3)
    same = Scored(np.repeat(pool.audio[:1], 9, axis=0), np.repeat(pool.text[:1], 4, axis=0))
    threshold = score_quantile(same, 0.999)
    assert 0 <= (pool.audio[0].astype(float) @ pool.text[0].astype(float)) - threshold <= 2 * GRAIN


def test_evenly_spaced_rows():
    assert evenly_spaced(0, 5).tolist() == []
    assert evenly_spaced(3, 5).tolist() == [0, 1, 2]
    assert evenly_spaced(101, 3).tolist() == [0, 50, 100]


def test_the_share_is_counted_without_a_float_s_last_bit():
    """(1 - 0.99) · 10,000 is 100 and a little in floats: 101 pairs would be one too many."""
    rng = np.random.default_rng(4)
    scores = rng.uniform(-0.01, 0.01, 100).astype(np.float32)
    rows = Scored(scores[:, None].copy(), np.arange(1, 101, dtype=np.float32)[:, None])
    dense = np.sort((scores[:, None].astype(float) * np.arange(1, 101)).ravel())[::-1]
    threshold = score_quantile(rows, 0.99)
    assert dense[99] - 2 * GRAIN <= threshold <= dense[99]


@pytest.mark.parametrize("calibration", ["z_score", "csls"])
def test_one_clip_and_one_caption_are_a_pair_at_any_quantile(calibration):
    for seed in range(40):
        pool = random_pool(seed, clips=1, captions=1)
        settings = settings_of("du", quantile_audio_text=0.5, calibration=calibration, calibration_neighbours=1)
        assert len(choose(pool, settings, None, set()).new.found) == 1
