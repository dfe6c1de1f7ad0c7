from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from stages.analyse.lexical import measure, measure_sources
from stages.analyse.lexical_chapter import warnings

CLOTHO = (
    Path(__file__).resolve().parents[3] / "../shared/mirror/clotho/clotho_captions_development_plus_phi_generated.csv"
)
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
    assert only.mtld_captions[0] == 3
    assert only.mtld_captions[2] == 1


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


def test_warns_where_mtld_counts_words():
    rows = pd.DataFrame([("a", "1", "original", 0, "a dog barks")], columns=ROWS)
    assert "100% of original" in warnings(measure_sources(rows, 0.72))[0].caption
    rows = pd.DataFrame([("a", "1", "original", 0, "rain rain rain rain")], columns=ROWS)
    assert warnings(measure_sources(rows, 0.72)) == []


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (1, {"caption": 22.10, "sd": 17.00, "clip": 32.52, "corpus": 34.39, "overlap": 0.208}),
        (6, {"caption": 19.23, "sd": 15.51, "clip": 68.98, "corpus": 83.93, "overlap": 0.103}),
    ],
    ids=["human", "phi-4"],
)
def test_published_values_on_clotho(first, expected):
    if not CLOTHO.exists():
        pytest.skip("the mirror's Clotho captions are not here")
    with CLOTHO.open(newline="", encoding="utf-8") as file:
        clips = list(csv.DictReader(file))
    captions = pd.DataFrame(
        [(str(i), clip[f"caption_{k}"]) for i, clip in enumerate(clips) for k in range(first, first + 5)],
        columns=["clip_id", "text"],
    ).assign(dataset="clotho", source="original", caption_index=0)
    numbers = measure_sources(captions, 0.72)[0].numbers
    assert numbers["captions"] == 19195
    assert numbers["mtld_caption_mean"] == pytest.approx(expected["caption"], abs=0.005)
    assert numbers["mtld_caption_sd"] == pytest.approx(expected["sd"], abs=0.005)
    assert numbers["mtld_clip_mean"] == pytest.approx(expected["clip"], abs=0.005)
    assert numbers["mtld_corpus"] == pytest.approx(expected["corpus"], abs=0.005)
    assert numbers["overlap_within_clip"] == pytest.approx(expected["overlap"], abs=0.0005)


def test_measure_needs_no_order():
    rows = pd.DataFrame(
        [("a", "1", ["x", "y"]), ("a", "2", ["x", "x"]), ("a", "1", ["y"])], columns=["dataset", "clip_id", "words"]
    )
    forward = measure("a", "s", rows, 0.72).numbers
    other = measure("a", "s", rows.iloc[[1, 0, 2]], 0.72).numbers
    assert {k: v for k, v in forward.items() if "corpus" not in k} == {
        k: v for k, v in other.items() if "corpus" not in k
    }
