from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.text.richness import (
    distinct_bigrams,
    hapax,
    moving_type_token_ratio,
    mtld,
    pairwise_overlap,
    type_token_ratio,
    words_of,
)


def test_words_drop_case_digits_hyphens_and_punctuation():
    assert words_of("A lo-fi radio, number 42; hums!") == ["a", "lofi", "radio", "number", "hums"]
    assert words_of("12 ... 3") == []


def test_mtld_of_words_that_all_differ_is_their_number():
    assert mtld(["a", "dog", "barks", "at", "night"]) == 5


def test_mtld_by_hand():
    # Forwards: a, then `a a` falls to 1/2 and closes: one factor per two words, 4 / 2 = 2; the same backwards.
    assert mtld(["a", "a", "a", "a"], 0.72) == 2
    # Forwards a b a: the ratio ends at 2/3 ≤ 0.72, one factor, 3 words. Backwards the same.
    assert mtld(["a", "b", "a"], 0.72) == 3
    # a b c a: ratios 1, 1, 1, 3/4: no factor closes, the partial one is (1 - 0.75) / (1 - 0.72).
    assert mtld(["a", "b", "c", "a"], 0.72) == pytest.approx(4 / (0.25 / 0.28))


def test_nothing_to_measure_is_none():
    assert mtld([]) is None
    assert type_token_ratio([]) is None
    assert pairwise_overlap([["a"], []]) is None
    assert moving_type_token_ratio(["a"] * 3, window=4) is None


def test_counts_by_hand():
    captions = [["a", "dog", "barks"], ["a", "dog", "sleeps"], []]
    assert hapax(captions) == 2  # barks, sleeps
    assert distinct_bigrams(captions) == 3  # a dog, dog barks, dog sleeps; nothing across captions
    assert pairwise_overlap(captions) == pytest.approx(2 / 4)
    assert type_token_ratio(["a", "b", "a", "b"]) == 0.5


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=60), st.integers(1, 12))
def test_moving_ratio_is_the_mean_over_windows(words, window):
    ratios = [len(set(words[i : i + window])) / window for i in range(len(words) - window + 1)]
    expected = sum(ratios) / len(ratios) if ratios else None
    assert moving_type_token_ratio(words, window) == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=6), max_size=5))
def test_overlap_lies_between_zero_and_one_and_ignores_order(captions):
    value = pairwise_overlap(captions)
    if value is None:
        assert sum(bool(words) for words in captions) < 2
    else:
        assert 0 <= value <= 1
        assert pairwise_overlap(random.Random(0).sample(captions, len(captions))) == pytest.approx(value)
