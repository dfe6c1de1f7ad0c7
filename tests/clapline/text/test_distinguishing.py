from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.text.distinguishing import distinguishing_words

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50), max_size=6)


def test_by_hand():
    # Prior a 4, b 4. a: 3 + 4 = 7 of 12, odds 7/5; 1 + 4 = 5 of 12, odds 5/7. The difference of the logarithms is
    # 2 ln 1.4 = 0.67294, its variance 1/7 + 1/5 = 0.34286: z = 1.1493.
    first, last = distinguishing_words({"a": 3, "b": 1}, {"a": 1, "b": 3})
    assert (first.word, first.first, first.second) == ("a", 3, 1)
    assert first.z == pytest.approx(1.1493, abs=5e-5)
    assert first.z == pytest.approx(2 * math.log(1.4) / math.sqrt(1 / 7 + 1 / 5))
    assert last.word == "b"
    assert last.z == pytest.approx(-first.z)


def test_a_prior_of_ones_own():
    # a: 2 + 10 = 12 of 22, odds 12/10; 0 + 10 = 10 of 21, odds 10/11. Variance 1/12 + 1/10.
    first, _ = distinguishing_words({"a": 2}, {"b": 1}, {"a": 10, "b": 10})
    assert first.z == pytest.approx((math.log(12 / 10) - math.log(10 / 11)) / math.sqrt(1 / 12 + 1 / 10))


def test_seen_once_counts_less_than_seen_often():
    scores = {score.word: score.z for score in distinguishing_words({"x": 1, "y": 50, "a": 500}, {"a": 551})}
    assert scores["y"] > scores["x"] > 0 > scores["a"]


def test_one_word_alone_has_no_odds():
    assert distinguishing_words({"a": 3}, {"a": 1, "b": 0}) == []
    assert distinguishing_words({}, {}) == []


@given(COUNTS, COUNTS)
def test_the_other_way_round_turns_the_sign(first, second):
    there = {score.word: score.z for score in distinguishing_words(first, second)}
    back = {score.word: -score.z for score in distinguishing_words(second, first)}
    assert there == pytest.approx(back)
    assert list(there.values()) == sorted(there.values(), reverse=True)
