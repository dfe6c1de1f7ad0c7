"""Calibrated scores are inner products of longer rows, equal to their formulas on dense cosines."""

from __future__ import annotations

import numpy as np
import pytest

from clapline.errors import UserError
from clapline.params.curate import Curate
from clapline.search import Engine
from stages.curate.calibration import background, scored
from stages.curate.choose import choose
from tests.stages.curate.pools import cosines, pairs_of, pool_of, random_pool, settings_of, unit

EXACT = Engine()


def scores_of(pool, **settings) -> np.ndarray:
    rows = scored(pool.audio, pool.text, Curate(quantile_audio_text=0.5, **settings), EXACT)
    return np.asarray(rows.audio[: len(pool.audio)], np.float64) @ rows.text.astype(np.float64).T


def test_without_calibration_the_score_is_the_cosine():
    pool = random_pool(0)
    np.testing.assert_allclose(scores_of(pool), cosines(pool), atol=1e-12)


def test_background_is_mean_and_deviation_over_all_clips(monkeypatch):
    monkeypatch.setattr("stages.curate.calibration._ROWS_AT_ONCE", 7)
    pool = random_pool(1)
    mean, deviation = background(pool.audio, pool.text)
    np.testing.assert_allclose(mean, cosines(pool).mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(deviation, cosines(pool).std(axis=0), atol=1e-12)


def test_z_score_gives_every_caption_the_same_mean_and_deviation():
    pool = random_pool(2)
    scores = scores_of(pool, calibration="z_score")
    dense = cosines(pool)
    np.testing.assert_allclose(scores, (dense - dense.mean(axis=0)) / dense.std(axis=0), atol=1e-5)


@pytest.mark.parametrize("neighbours", [1, 4, 1000])
def test_csls_takes_off_what_both_neighbourhoods_reach(neighbours):
    pool = random_pool(3)
    dense = cosines(pool)
    of_clips = np.sort(dense, axis=1)[:, -neighbours:].mean(axis=1, keepdims=True)
    of_captions = np.sort(dense, axis=0)[-neighbours:].mean(axis=0, keepdims=True)
    scores = scores_of(pool, calibration="csls", calibration_neighbours=neighbours)
    np.testing.assert_allclose(scores, 2 * dense - of_clips - of_captions, atol=1e-5)


def test_a_caption_near_everything_is_a_hub_of_cosines_and_none_of_z_scores():
    rng = np.random.default_rng(4)
    centre = unit(rng.normal(size=(1, 16)))
    clips = unit(0.5 * rng.normal(size=(200, 16)) / 4 + centre)
    captions = np.concatenate([centre, unit(clips[:20] + 0.1 * rng.normal(size=(20, 16)))])
    pool = pool_of(clips, captions, [f"t{i}" for i in range(21)])
    shares = {}
    for calibration in ("none", "z_score", "csls"):
        settings = settings_of("du", quantile_audio_text=0.95, calibration=calibration)
        found = choose(pool, settings, None, set()).new.found
        shares[calibration] = (found.caption == 0).mean()
    assert shares["none"] > 2 / 21
    assert shares["z_score"] < shares["none"] / 2
    assert shares["csls"] < shares["none"]


def test_a_caption_as_near_to_every_clip_keeps_a_finite_score():
    pool = pool_of(np.eye(3, dtype=np.float32), unit(np.ones((1, 3))), ["same"])
    assert np.isfinite(scores_of(pool, calibration="z_score")).all()


def test_ranks_within_a_caption_stay_under_z_scores():
    pool = random_pool(5)
    np.testing.assert_array_equal(
        np.argsort(scores_of(pool, calibration="z_score"), axis=0), np.argsort(cosines(pool), axis=0)
    )


def test_similarities_of_chosen_pairs_are_cosines_whatever_the_score():
    pool = random_pool(6)
    chosen = choose(pool, settings_of("du", quantile_audio_text=0.9, calibration="csls"), None, set())
    found = chosen.new.found
    np.testing.assert_allclose(chosen.similarity, cosines(pool)[found.clip, found.caption], atol=1e-7)


def test_calibrated_scores_need_a_quantile():
    with pytest.raises(ValueError, match="set quantile_audio_text"):
        Curate(calibration="z_score")
    Curate(calibration="z_score", strategy="top_k")


def test_calibration_before_top_k_changes_whom_a_clip_meets():
    pool = random_pool(7)
    plain = choose(pool, settings_of("top_k", nearest_captions=2), None, set()).new.found
    fair = choose(pool, settings_of("top_k", nearest_captions=2, calibration="csls"), None, set()).new.found
    assert len(plain) == len(fair) == 60
    assert pairs_of(plain) != pairs_of(fair)
    assert np.bincount(fair.caption, minlength=25).max() <= np.bincount(plain.caption, minlength=25).max()


def test_nothing_selected_is_one_line():
    with pytest.raises(UserError, match="selects nothing"):
        choose(random_pool(8), settings_of("du", 1.0), None, set())
