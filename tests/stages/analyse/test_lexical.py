from __future__ import annotations

import csv

import pandas as pd
import pytest

from clapline.storage import mirror
from clapline.text.richness import mtld, words_of
from stages.analyse.lexical import measure, measure_sources
from stages.analyse.lexical_chapter import warnings

ROWS = ["dataset", "clip_id", "source", "caption_index", "text"]


def test_numbers_by_hand():
    captions = pd.DataFrame(
        [
            ("a", "1", "original", 0, "A dog barks."),
            ("a", "1", "original", 1, "A dog sleeps, a dog!"),
            ("a", "2", "original", 0, "Rain"),
        ],
        columns=ROWS,
    )
    (only,) = measure_sources(captions, 0.72)
    numbers = only.numbers
    assert numbers["captions"] == 3
    assert numbers["clips"] == 2
    assert numbers["words"] == 9
    assert numbers["words_per_caption_mean"] == 3
    assert numbers["vocabulary"] == 5  # a dog barks sleeps rain
    assert numbers["hapax"] == 3  # barks, sleeps, rain
    assert numbers["distinct_bigrams"] == 4  # a dog, dog barks, dog sleeps, sleeps a
    assert numbers["overlap_within_clip"] == pytest.approx(2 / 4)
    assert numbers["ttr_per_clip_mean"] == pytest.approx((4 / 8 + 1) / 2)
    assert numbers["mtld_caption_is_length_share"] == 1  # the second: one factor over its 5 words, both ways
    assert numbers["distinct_2_share"] == pytest.approx(4 / 6)
    assert numbers["ttr_per_caption_mean"] == pytest.approx((1 + 3 / 5 + 1) / 3)
    assert numbers["hdd_42"] is None  # 42 words are needed
    assert numbers["hdd_42_clip_share"] == 0
    assert numbers["moving_ttr_50_caption_mean"] is None
    assert [caption.mtld for caption in only.captions] == [3, 5, 1]
    assert numbers["mtld_caption_max"] == 5


def test_ratios_of_the_texts_that_are_long_enough():
    words = " ".join(f"{first}{second}" for first in "abcdefgh" for second in "abcdefg")
    captions = pd.DataFrame(
        [("a", "1", "original", 0, words), ("a", "2", "original", 0, "rain")],
        columns=ROWS,
    )
    numbers = measure_sources(captions, 0.72)[0].numbers
    for level in ("caption", "clip"):
        assert numbers[f"hdd_42_{level}_mean"] == pytest.approx(1)
        assert numbers[f"moving_ttr_50_{level}_mean"] == pytest.approx(1)
        assert numbers[f"hdd_42_{level}_share"] == 0.5


def test_captions_without_words_are_counted_and_left_out():
    captions = pd.DataFrame(
        [("a", "1", "original", 0, ""), ("a", "1", "original", 1, "... 12"), ("a", "2", "synthetic", 0, "")],
        columns=ROWS,
    )
    own, new = measure_sources(captions, 0.72)
    assert own.numbers["wordless_captions"] == 2
    assert own.numbers["mtld_corpus"] is None
    assert new.numbers["words_per_caption_mean"] is None
    assert new.numbers["clips"] == 1


def test_each_dataset_alone_when_there_are_several():
    captions = pd.DataFrame(
        [("b", "1", "original", 0, "rain"), ("a", "1", "original", 0, "a dog"), ("a", "1", "synthetic", 0, "a cat")],
        columns=ROWS,
    )
    found = [(item.dataset, item.source) for item in measure_sources(captions, 0.72)]
    assert found == [
        ("all", "original"),
        ("all", "synthetic"),
        ("a", "original"),
        ("a", "synthetic"),
        ("b", "original"),
    ]


def test_a_clip_id_that_two_datasets_share_is_two_clips():
    captions = pd.DataFrame([("b", "1", "original", 0, "rain"), ("a", "1", "original", 0, "rain")], columns=ROWS)
    assert measure_sources(captions, 0.72)[0].numbers["clips"] == 2


def test_a_short_caption_that_repeats_a_word_comes_out_higher():
    assert mtld(words_of("a dog barks as a cat sleeps")) > mtld(words_of("a dog barks as one cat sleeps"))


def test_warns_where_mtld_counts_words():
    rows = pd.DataFrame([("a", "1", "original", 0, "a dog barks")], columns=ROWS)
    assert "100% of original" in warnings(measure_sources(rows, 0.72))[0].caption
    rows = pd.DataFrame([("a", "1", "original", 0, "rain rain rain rain")], columns=ROWS)
    assert warnings(measure_sources(rows, 0.72)) == []


# Clotho's development captions as people wrote them, and phi-4's for the same clips.
PUBLISHED = {
    "human": {
        "mtld_caption_mean": 22.10,
        "mtld_caption_sd": 17.00,
        "mtld_caption_median": 14.0,
        "mtld_caption_p5": 8,
        "mtld_caption_p25": 10,
        "mtld_caption_p75": 28,
        "mtld_caption_p95": 54.88,
        "mtld_caption_max": 112,
        "mtld_clip_mean": 32.52,
        "mtld_clip_sd": 10.82,
        "mtld_corpus": 34.39,
        "overlap_within_clip": 0.208,
    },
    "phi-4": {
        "mtld_caption_mean": 19.23,
        "mtld_caption_sd": 15.51,
        "mtld_caption_median": 12,
        "mtld_caption_p75": 22.68,
        "mtld_caption_max": 123.48,
        "mtld_clip_mean": 68.98,
        "mtld_clip_sd": 28.63,
        "mtld_corpus": 83.93,
        "overlap_within_clip": 0.103,
    },
}


@pytest.mark.parametrize(("source", "first"), [("human", 1), ("phi-4", 6)])
def test_published_values_on_clotho(source, first):
    folder = mirror()
    path = folder and folder / "clotho/clotho_captions_development_plus_phi_generated.csv"
    if path is None or not path.is_file():
        pytest.skip("CLAPLINE_MIRROR names no folder with Clotho's captions and phi-4's")
    with path.open(newline="", encoding="utf-8") as file:
        clips = list(csv.DictReader(file))
    captions = pd.DataFrame(
        [(str(i), clip[f"caption_{k}"]) for i, clip in enumerate(clips) for k in range(first, first + 5)],
        columns=["clip_id", "text"],
    ).assign(dataset="clotho", source="original", caption_index=0)
    numbers = measure_sources(captions, 0.72)[0].numbers
    assert numbers["captions"] == 19195
    for name, value in PUBLISHED[source].items():
        assert numbers[name] == pytest.approx(value, abs=0.005 if value > 1 else 0.0005), name


def test_measure_needs_no_order():
    rows = pd.DataFrame(
        [("a", "1", ["x", "y"]), ("a", "2", ["x", "x"]), ("a", "1", ["y"])], columns=["dataset", "clip_id", "words"]
    )
    rows["mtld"] = rows["words"].map(mtld)
    forward = measure("a", "s", rows, 0.72).numbers
    other = measure("a", "s", rows.iloc[[1, 0, 2]], 0.72).numbers
    assert {k: v for k, v in forward.items() if "corpus" not in k} == {
        k: v for k, v in other.items() if "corpus" not in k
    }
