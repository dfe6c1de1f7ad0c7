from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lexicalrichness import LexicalRichness

from clapline.text.richness import (
    distinct_ngrams,
    drawn_type_token_ratio,
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
    assert drawn_type_token_ratio(["a"] * 3, draws=4) is None
    assert distinct_ngrams([["a"], []], 2) == (0, 0)


def test_counts_by_hand():
    captions = [["a", "dog", "barks"], ["a", "dog", "sleeps"], []]
    assert hapax(captions) == 2  # barks, sleeps
    assert distinct_ngrams(captions, 1) == (4, 6)
    assert distinct_ngrams(captions, 2) == (3, 4)  # a dog, dog barks, dog sleeps; nothing across captions
    assert distinct_ngrams(captions, 3) == (2, 2)
    assert pairwise_overlap(captions) == pytest.approx(2 / 4)
    assert type_token_ratio(["a", "b", "a", "b"]) == 0.5


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=60), st.integers(1, 12))
def test_moving_ratio_is_the_mean_over_windows(words, window):
    ratios = [len(set(words[i : i + window])) / window for i in range(len(words) - window + 1)]
    expected = sum(ratios) / len(ratios) if ratios else None
    assert moving_type_token_ratio(words, window) == (None if expected is None else pytest.approx(expected))


def test_drawn_ratio_by_hand():
    # Two of a a b: a is missed by no pair, b by one of three: 1 + 2/3 words of two.
    assert drawn_type_token_ratio(["a", "a", "b"], draws=2) == pytest.approx((1 + 2 / 3) / 2)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=80), st.integers(1, 12))
def test_ratios_are_those_of_the_library(words, length):
    library = LexicalRichness(words, preprocessor=None, tokenizer=None)
    if length > len(words):
        for measure in (library.mattr, library.hdd):
            with pytest.raises(ValueError):
                measure(length)
        assert moving_type_token_ratio(words, length) is None
        assert drawn_type_token_ratio(words, length) is None
    else:
        assert moving_type_token_ratio(words, length) == pytest.approx(library.mattr(length))
        assert drawn_type_token_ratio(words, length) == pytest.approx(library.hdd(length))


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=6), max_size=5))
def test_overlap_lies_between_zero_and_one_and_ignores_order(captions):
    value = pairwise_overlap(captions)
    if value is None:
        assert sum(bool(words) for words in captions) < 2
    else:
        assert 0 <= value <= 1
        assert pairwise_overlap(random.Random(0).sample(captions, len(captions))) == pytest.approx(value)
