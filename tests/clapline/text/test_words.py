from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.text.order import same_order, segments
from clapline.text.similarity import lexical_similarity
from clapline.text.words import content_stems, jaccard, names, numbers, order_overlap, stem

TEXTS = st.text("abcdefgh ,.'A1", max_size=40)


@pytest.mark.parametrize(
    "forms",
    [
        "bark barks barked barking",
        "drive drives driving drove",
        "run runs running ran",
        "splash splashes splashed splashing",
        "cry cries cried crying",
        "woman women woman's",
        "noise noises",
        "buzz buzzes buzzing",
        "hiss hisses hissing",
    ],
)
def test_inflections_share_a_stem(forms: str) -> None:
    assert len({stem(word) for word in forms.split()}) == 1


@pytest.mark.parametrize(("one", "other"), [("ring", "rain"), ("bus", "bu"), ("glass", "gla"), ("sing", "s")])
def test_different_words_keep_different_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_frames_and_grammar_are_no_content() -> None:
    assert content_stems("The barking of a dog can be heard") == content_stems("barks dog")


@given(TEXTS, TEXTS)
def test_measures_are_symmetric_and_bounded(one: str, other: str) -> None:
    for measure in (jaccard, order_overlap, lexical_similarity):
        assert measure(one, other) == measure(other, one)
        assert 0 <= measure(one, other) <= 1


@given(TEXTS)
def test_a_text_is_like_itself(text: str) -> None:
    assert jaccard(text, text) == 1
    assert same_order(text, text)
    assert lexical_similarity(text, text) == (1.0 if content_stems(text) else 0.0)


def test_golden_values() -> None:
    assert jaccard("a dog barks", "a cat barks") == pytest.approx(1 / 3)
    assert order_overlap("rain falls while dogs bark", "dogs bark while rain falls") == pytest.approx(2 / 5)


def test_numbers_and_names() -> None:
    assert numbers("Two dogs bark 3 times, twice") == {"2": 2, "3": 1}
    assert names("A man in Paris says I am Bob") == {"paris", "bob"}
    assert names("A dog barks") == set()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A dog barks followed by a bell", [{"dog", "bark"}, {"bell"}]),
        ("A bell after a dog barks", [{"dog", "bark"}, {"bell"}]),
        ("After a dog barks, a bell", [{"dog", "bark"}, {"bell"}]),
        ("Before a bell, a dog barks", [{"dog", "bark"}, {"bell"}]),
        ("A bell preceded by a dog barking", [{"dog", "bark"}, {"bell"}]),
        ("first a dog barks, next a bell, and finally rain", [{"dog", "bark"}, {"bell"}, {"rain"}]),
        ("Before rain, a dog barks and then a bell", [{"dog", "bark"}, {"bell"}, {"rain"}]),
        ("A dog next to a bell", [{"dog", "bell"}]),
        ("A dog barks while a bell tolls", [{"dog", "bark", "bell", "toll"}]),
    ],
)
def test_order_in_time(text: str, parts: list[set[str]]) -> None:
    assert segments(text) == parts
