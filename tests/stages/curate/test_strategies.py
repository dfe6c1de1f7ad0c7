"""DU, DS and ADS on the toy of the method notes, and against a dense reference; the guards."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clapline.errors import UserError
from clapline.params.curate import Curate
from stages.curate.pool import Pool, choose, pair_table
from stages.curate.strategies import Found, first_of_each, guarded

LABELS = np.array([[1, 0]], np.float32)


def toy(texts=("one", "two", "three")) -> Pool:
    audio = np.array([[1, 0], [0, 1], [0.7071, 0.7071]], np.float32)
    text = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    return pool_of(audio, text, list(texts))


def pool_of(audio: np.ndarray, text: np.ndarray, texts: list[str]) -> Pool:
    return Pool(
        audio,
        text,
        pd.DataFrame({"dataset": "pool", "clip_id": [f"a{i:03d}" for i in range(1, len(audio) + 1)]}),
        pd.DataFrame(
            {
                "dataset": "paired",
                "clip_id": [f"c{i:03d}" for i in range(1, len(text) + 1)],
                "caption_index": 0,
                "text": texts,
            }
        ),
    )


def all_paired(pool: Pool) -> set[tuple[str, str]]:
    return set(zip(pool.text_rows["dataset"], pool.text_rows["clip_id"], strict=True))


def settings_of(strategy: str, audio_text: float = 0.75, text_text: float = 0.7, **guards) -> Curate:
    return Curate(strategy=strategy, sigma_audio_text=audio_text, sigma_text_text=text_text, **guards)


def pairs_of(found: Found) -> set[tuple[int, int]]:
    return set(zip((found.clip + 1).tolist(), (found.caption + 1).tolist(), strict=True))


def random_pool(seed: int = 0, clips: int = 30, captions: int = 25) -> Pool:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(clips + captions, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return pool_of(rows[:clips], rows[clips:], [f"t{i}" for i in range(captions)])


def test_golden_sets_of_the_toy():
    pool = toy()
    paired = all_paired(pool)
    assert pairs_of(choose(pool, settings_of("du"), None, set()).new) == {(1, 1), (1, 3), (2, 2), (3, 3)}
    ds = choose(pool, settings_of("ds"), LABELS, paired)
    assert (ds.original + 1).tolist() == [1, 3]
    assert len(ds.new) == 0
    ads = choose(pool, settings_of("ads"), LABELS, paired)
    assert pairs_of(ads.new) == {(1, 1), (1, 3), (3, 3)}
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
        du = pairs_of(choose(pool, settings_of("du", sigma), None, set()).new)
        ads = pairs_of(choose(pool, settings_of("ads", sigma, 0.2), labels, paired).new)
        assert ads < du
        assert previous is None or du < previous
        previous = du
    assert len(pairs_of(choose(pool, settings_of("du", -1.0), None, set()).new)) == 30 * 25


def test_du_equals_a_dense_reference():
    pool = random_pool(2)
    dense = pool.audio.astype(np.float64) @ pool.text.astype(np.float64).T
    expected = {(i + 1, j + 1) for i, j in zip(*np.nonzero(dense >= 0.25), strict=True)}
    assert pairs_of(choose(pool, settings_of("du", 0.25), None, set()).new) == expected


def test_labels_that_are_the_captions_keep_everything():
    pool = random_pool(3)
    paired = all_paired(pool)
    for labels, sigma in ((pool.text, 1.0 - 1e-6), (pool.text[:1], -1.0)):
        chosen = choose(pool, settings_of("ads", 0.1, sigma), labels, paired)
        assert len(chosen.original) == 25
        assert pairs_of(chosen.new) == pairs_of(choose(pool, settings_of("du", 0.1), None, set()).new)


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
    assert pairs_of(choose(pool, settings_of("du"), None, set()).new) == {(1, 1)}
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
    assert pairs_of(guarded(found, None, None)) == pairs_of(found)
    two = guarded(found, 2, None)
    assert pairs_of(two) == {(1, 3), (1, 1), (2, 1), (2, 2), (3, 1)}
    assert pairs_of(guarded(found, None, 2)) == {(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)}
    assert pairs_of(guarded(found, 2, 1)) == {(1, 3), (1, 1), (2, 2)}


def test_guards_hold_on_random_pools():
    pool = random_pool(7)
    chosen = choose(pool, settings_of("du", 0.0, maximum_captions_per_clip=3, maximum_clips_per_caption=2), None, set())
    assert np.bincount(chosen.new.clip).max() <= 3
    assert np.bincount(chosen.new.caption).max() <= 2
    assert chosen.before_guards > len(chosen.new)
