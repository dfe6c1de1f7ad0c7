from __future__ import annotations

import pandas as pd
import pytest

from stages.analyse.lexical import measure_sources
from stages.analyse.lexical_comparison import compare_sources
from stages.analyse.lexical_tables import plain_comparisons

ROWS = ["dataset", "clip_id", "source", "caption_index", "text"]


def compared(*rows):
    captions = pd.DataFrame(
        [("a", clip, source, place, text) for place, (clip, source, text) in enumerate(rows)], columns=ROWS
    )
    return compare_sources(measure_sources(captions, 0.72), "original", 0.72)


def test_like_with_like():
    (found,) = compared(
        ("1", "original", "a dog barks"),
        ("1", "original", "a cat"),
        ("2", "original", "rain"),
        ("1", "synthetic", "dogs bark"),
        ("3", "synthetic", "wind blows"),
    )
    assert found.same_clips
    assert found.clips == (1, 1)
    assert found.levels["caption"].texts == (1, 1)  # the first caption of clip 1 alone
    assert found.levels["caption"].means == (3, 2)
    assert found.levels["caption"].effect.a12 == 1
    assert found.levels["clip"].means == (3, 2)
    assert {score.word for score in found.words} == {"a", "dog", "barks", "dogs", "bark"}
    assert found.words[0].word == "bark"  # those of the source first


def test_all_captions_where_no_clip_is_shared():
    (found,) = compared(("1", "original", "rain"), ("1", "original", "a dog"), ("2", "synthetic", "wind blows hard"))
    assert not found.same_clips
    assert found.levels["caption"].texts == (2, 1)
    assert found.levels["caption"].effect.a12 == 0


def test_a_source_without_words_has_no_effect():
    (found,) = compared(("1", "original", "rain"), ("1", "synthetic", "12"))
    row = plain_comparisons([found])[0]
    assert row["texts_source"] == 0
    assert row["mean_source"] is None
    assert row["a12"] is None


def test_an_apostrophe_leaves_no_word_behind():
    (found,) = compared(("1", "original", "a dog barks"), ("1", "synthetic", "the dog's bark, the dog's"))
    assert "s" not in {score.word for score in found.words}


def test_nothing_to_compare_without_originals():
    assert compared(("1", "synthetic", "rain")) == []


def test_equal_sources_do_not_differ():
    rows = [
        (str(number), source, f"rain on {place}")
        for source in ("original", "synthetic")
        for number, place in enumerate(("a roof", "roofs", "the tin roof on a shed"))
    ]
    (found,) = compared(*rows)
    for level in found.levels.values():
        assert level.effect.a12 == pytest.approx(0.5)
        assert level.effect.ks == 0
    assert {score.z for score in found.words} == {0.0}
