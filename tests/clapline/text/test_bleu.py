from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.text.bleu import corpus_bleu, self_bleu

texts = st.lists(st.sampled_from(["a", "dog", "barks", "rain", "falls", "while"]), min_size=4, max_size=9).map(" ".join)


def test_one_pair_by_hand() -> None:
    # 5 of 6 words, 2 of 5 pairs, 1 of 4 runs of three, none of 3 runs of four (taken for 0.1); of equal length.
    value = corpus_bleu([("the dog barks while rain falls", "a dog barks while the rain")])
    precisions = [5 / 6, 2 / 5, 1 / 4, 0.1 / 3]
    assert value == pytest.approx(math.prod(precisions) ** 0.25)


def test_a_short_text_pays_for_its_brevity() -> None:
    value = corpus_bleu([("the dog barks while rain falls on a roof", "the dog barks while")])
    assert value == pytest.approx(math.exp(1 - 9 / 4))


def test_counts_are_summed_over_the_corpus() -> None:
    same, other = (
        ("a dog barks while rain falls", "a dog barks while rain falls"),
        ("a cat meows now", "wind so loud yes"),
    )
    both = corpus_bleu([same, other])
    assert both == pytest.approx((6 / 10 * 5 / 8 * 4 / 6 * 3 / 4) ** 0.25)


def test_without_words_there_is_no_value() -> None:
    assert corpus_bleu([]) is None
    assert corpus_bleu([("a dog", "...")]) is None
    assert self_bleu(["a dog", "!"]) is None


def test_captions_of_a_clip_by_hand() -> None:
    # First: both words and the pair stand in the second, which is longer. Second: 2 of 4, 1 of 3, none of 2, none of 1.
    second = (2 / 4 * 1 / 3 * 0.1 / 2 * 0.1) ** 0.25
    first = math.exp(1 - 4 / 2)
    assert self_bleu(["dog barks", "a dog barks loudly"]) == pytest.approx((first + second) / 2)


@settings(max_examples=50)
@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, min_size=2, max_size=4))
def test_properties(references: list[str], group: list[str]) -> None:
    pairs = list(zip(references, group, strict=False))
    value = corpus_bleu(pairs)
    assert value is not None
    assert 0 <= value <= 1
    assert corpus_bleu([(text, text) for text in references]) == pytest.approx(1)
    assert corpus_bleu([(a.upper(), f"{b}.") for a, b in pairs]) == value
    inside = self_bleu(group)
    assert inside is not None
    assert inside == pytest.approx(self_bleu(group[::-1]))
    assert self_bleu([group[0]] * 3) == pytest.approx(1)
    assert inside <= 1
