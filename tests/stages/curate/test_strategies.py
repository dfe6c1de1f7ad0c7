"""DU, DS and ADS on the toy of the method notes, and against a dense reference; the guards."""

from __future__ import annotations

import numpy as np
import pytest

from clapline.errors import UserError
from clapline.search import Engine
from stages.curate.choose import choose, pair_table
from stages.curate.found import Found, first_of_each
from stages.curate.guards import MutualNeighbours, capped
from stages.curate.pool import Pool
from tests.stages.curate.pools import all_paired, pairs_of, pool_of, random_pool, settings_of

LABELS = np.array([[1, 0]], np.float32)


def toy(texts=("one", "two", "three")) -> Pool:
    audio = np.array([[1, 0], [0, 1], [0.7071, 0.7071]], np.float32)
    text = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    return pool_of(audio, text, list(texts))


def test_golden_sets_of_the_toy():
    pool = toy()
    paired = all_paired(pool)
    assert pairs_of(choose(pool, settings_of("du"), None, set()).new.found) == {(1, 1), (1, 3), (2, 2), (3, 3)}
    ds = choose(pool, settings_of("ds"), LABELS, paired)
    assert (ds.original + 1).tolist() == [1, 3]
    assert len(ds.new.found) == 0
    ads = choose(pool, settings_of("ads"), LABELS, paired)
    assert pairs_of(ads.new.found) == {(1, 1), (1, 3), (3, 3)}
    assert (ads.original + 1).tolist() == [1, 3]


def test_rows_say_where_they_come_from():
    pool = toy()
    table = pair_table(pool, choose(pool, settings_of("ads"), LABELS, all_paired(pool)), "ads")
    new, original = table[table.strategy == "ads"], table[table.strategy == "ds"]
    assert set(new.dataset) == {"pool"}
    assert (original.clip_id == original.text_clip_id).all()
    assert set(original.dataset) == {"paired"}
    assert original.similarity.round(4).tolist() == [1.0, 0.8]  # m_j, the cosine with the nearest label


def test_ads_lies_inside_du_and_a_higher_threshold_inside_a_lower():
    pool, labels = random_pool(), random_pool(1).text[:2]
    paired = all_paired(pool)
    previous = None
    for sigma in (-1.0, 0.0, 0.3):
        du = pairs_of(choose(pool, settings_of("du", sigma), None, set()).new.found)
        ads = pairs_of(choose(pool, settings_of("ads", sigma, 0.2), labels, paired).new.found)
        assert ads < du
        assert previous is None or du < previous
        previous = du
    assert len(pairs_of(choose(pool, settings_of("du", -1.0), None, set()).new.found)) == 30 * 25


def test_du_equals_a_dense_reference():
    pool = random_pool(2)
    dense = pool.audio.astype(np.float64) @ pool.text.astype(np.float64).T
    expected = {(i + 1, j + 1) for i, j in zip(*np.nonzero(dense >= 0.25), strict=True)}
    assert pairs_of(choose(pool, settings_of("du", 0.25), None, set()).new.found) == expected


def test_labels_that_are_the_captions_keep_everything():
    pool = random_pool(3)
    paired = all_paired(pool)
    for labels, sigma in ((pool.text, 1.0 - 1e-6), (pool.text[:1], -1.0)):
        chosen = choose(pool, settings_of("ads", 0.1, sigma), labels, paired)
        assert len(chosen.original) == 25
        assert pairs_of(chosen.new.found) == pairs_of(choose(pool, settings_of("du", 0.1), None, set()).new.found)


def test_more_labels_never_keep_less_and_their_order_is_nothing():
    pool, labels = random_pool(4), random_pool(5).text
    paired = all_paired(pool)
    few = set(choose(pool, settings_of("ds", text_text=0.3), labels[:5], paired).original.tolist())
    many = choose(pool, settings_of("ds", text_text=0.3), labels, paired).original
    assert few <= set(many.tolist())
    np.testing.assert_array_equal(many, choose(pool, settings_of("ds", text_text=0.3), labels[::-1], paired).original)


def test_ds_takes_training_clips_alone():
    """Captions of validation clips, or of datasets that nobody trains on, are no original pairs."""
    pool = toy()
    chosen = choose(pool, settings_of("ds"), LABELS, {("paired", "c003")})
    assert (chosen.original + 1).tolist() == [3]
    with pytest.raises(UserError, match="none belongs to a training clip"):
        choose(pool, settings_of("ds"), LABELS, {("paired", "c002")})


def test_a_shared_text_is_one_caption_of_du_and_every_row_of_ds():
    text = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    pool = pool_of(np.array([[1, 0]], np.float32), text, ["same", "same", "other"])
    assert pairs_of(choose(pool, settings_of("du"), None, set()).new.found) == {(1, 1)}
    assert len(choose(pool, settings_of("ds"), LABELS, all_paired(pool)).original) == 2
    assert first_of_each(["b", "a", "b"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("strategy", "audio_text", "text_text", "key"),
    [("du", 1.0, 0.7, "sigma_audio_text = 1.0"), ("ds", 0.7, 1.0, "sigma_text_text = 1.0")],
)
def test_a_threshold_that_selects_nothing_says_what_there_is(strategy, audio_text, text_text, key):
    pool = random_pool(6)
    highest = (pool.audio @ pool.text.T).max() if strategy == "du" else (pool.text @ pool.audio[:3].T).max()
    with pytest.raises(UserError, match=rf"{key} selects nothing: the highest similarity seen is {highest:.4f}"):
        choose(pool, settings_of(strategy, audio_text, text_text), pool.audio[:3], all_paired(pool))


def test_guards_keep_the_best_and_break_ties_by_row():
    clip = np.array([0, 0, 0, 1, 1, 2])
    caption = np.array([0, 1, 2, 0, 1, 0])
    similarity = np.array([0.9, 0.9, 0.95, 0.8, 0.7, 0.8], np.float32)
    found = Found(clip, caption, similarity)
    assert pairs_of(capped(found, None, None)) == pairs_of(found)
    two = capped(found, 2, None)
    assert pairs_of(two) == {(1, 3), (1, 1), (2, 1), (2, 2), (3, 1)}
    assert pairs_of(capped(found, None, 2)) == {(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)}
    assert pairs_of(capped(found, 2, 1)) == {(1, 3), (1, 1), (2, 2)}


def test_guards_hold_on_random_pools():
    pool = random_pool(7)
    chosen = choose(pool, settings_of("du", 0.0, maximum_captions_per_clip=3, maximum_clips_per_caption=2), None, set())
    assert np.bincount(chosen.new.found.clip).max() <= 3
    assert np.bincount(chosen.new.found.caption).max() <= 2
    assert chosen.new.steps["found"] > len(chosen.new.found)


def test_the_nearest_captions_are_so_many_for_every_clip_however_far():
    pool = random_pool(8)
    for nearest, expected in ((5, 5), (100, 25)):
        found = choose(pool, settings_of("top_k", 1.0, nearest_captions=nearest), None, set()).new.found
        assert np.bincount(found.clip, minlength=30).tolist() == [expected] * 30
        assert len(pairs_of(found)) == len(found)  # no pair twice
    found = choose(pool, settings_of("top_k", nearest_captions=3), None, set()).new.found
    best = np.argsort(-(pool.audio.astype(float) @ pool.text.astype(float).T), axis=1)[:, :3]
    assert pairs_of(found) == {(clip + 1, caption + 1) for clip in range(30) for caption in best[clip]}
    assert (np.diff(found.clip) >= 0).all()
    assert all((np.diff(found.caption[found.clip == clip]) > 0).all() for clip in range(30))


def test_what_a_guard_leaves_is_counted_step_by_step():
    pool = random_pool(9, clips=60)
    settings = settings_of(
        "du", 0.0, mutual_neighbours=8, maximum_captions_per_clip=3, maximum_clips_per_caption=2,
        near_duplicate_cosine=0.9,
    )  # fmt: skip
    new = choose(pool, settings, None, set()).new
    assert list(new.steps) == [
        "found", "mutual neighbours", "captions per clip", "near-duplicate clips", "clips per caption",
    ]  # fmt: skip
    counts = list(new.steps.values())
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == int((pool.audio @ pool.text.T >= 0).sum())
    assert counts[-1] == len(new.found) > 0


def test_the_best_pair_is_always_mutual():
    audio = np.array([[1, 0], [0.9999, 0.0141]], np.float32)
    pool = pool_of(audio, np.array([[0, 1]], np.float32), ["one"])
    settings = settings_of("du", -1.0, mutual_neighbours=1, near_duplicate_cosine=0.5)
    assert pairs_of(choose(pool, settings, None, set()).new.found) == {(2, 1)}  # the caption's nearest alone
    far = pool_of(np.array([[1, 0]], np.float32), np.array([[1, 0], [0.9, 0.436]], np.float32), ["one", "two"])
    settings = settings_of("du", -1.0, mutual_neighbours=1)
    assert pairs_of(choose(far, settings, None, set()).new.found) == {(1, 1)}


def test_guards_that_keep_nothing_say_what_each_left(monkeypatch):
    monkeypatch.setattr(MutualNeighbours, "has", lambda self, clip, caption: np.zeros(len(clip), bool))
    with pytest.raises(UserError, match=r"the guards keep no pair \(found: 750, mutual neighbours: 0\); loosen them"):
        choose(random_pool(), settings_of("du", -1.0, mutual_neighbours=3), None, set())


@pytest.mark.parametrize(
    "guards", [{}, {"mutual_neighbours": 20}, {"calibration": "csls", "quantile_audio_text": 0.9}], ids=str
)
@pytest.mark.parametrize("strategy", ["du", "top_k"])
def test_an_inexact_search_misses_pairs_and_makes_none_up(strategy, guards):
    pytest.importorskip("faiss")
    pool = random_pool(10, clips=300, captions=200, dim=16)
    settings = settings_of(strategy, 0.3, nearest_captions=20, **guards)
    exact = choose(pool, settings, None, set())
    some = choose(pool, settings, None, set(), Engine(kind="faiss_ivf", lists=40, probes=1))
    found = some.new.found
    assert 0 < len(found) < len(exact.new.found)
    assert len(pairs_of(found)) == len(found)
    assert np.isfinite(found.score).all()
    if strategy == "du" and not guards.get("mutual_neighbours"):
        assert pairs_of(found) < pairs_of(exact.new.found)
    assert np.bincount(found.caption, minlength=200).max() < 0.1 * len(found)
