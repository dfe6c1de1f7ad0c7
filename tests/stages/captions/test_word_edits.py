from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.params.captions import Similarity
from clapline.randomness import generator
from clapline.text.order import segments
from clapline.text.words import numbers, tokens
from stages.captions import checks
from stages.captions.builtin.places import fitting_synonyms
from stages.captions.meaning import LexicalMeaning
from stages.captions.word_edits import NAME, _deleted, edit_all, edited, may_be_edited

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"
MEANING = LexicalMeaning(Similarity(model="lexical"))
WORDS = ["a", "the", "dog", "barks", "loudly", "two", "not", "then", "while", "rain", "falls", ",", "no", "and", "3"]


def real_captions(count: int) -> list[str]:
    if not MIRROR.is_dir():
        pytest.skip("no mirror of real captions here")
    with (MIRROR / "audiocaps/train.csv").open(encoding="utf-8") as file:
        captions = [row["caption"] for row in csv.DictReader(file)]
    with (MIRROR / "clotho/clotho_captions_development.csv").open(encoding="utf-8") as file:
        captions += [row["caption_1"] for row in csv.DictReader(file)]
    return random.Random(0).sample(captions, count)


def kept_words(text: str) -> list[str]:
    return [word for word in tokens(text) if not may_be_edited(word)]


@given(st.lists(st.sampled_from(WORDS), max_size=14), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_numbers_negations_and_order_words_stay_in_their_order(words: list[str], turn: int) -> None:
    caption = " ".join(words)
    text = edited(caption, turn)
    assert kept_words(text) == kept_words(caption)
    assert numbers(text) == numbers(caption)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back_as_text(caption: str) -> None:
    assert isinstance(edited(caption, 0), str)


def test_letters_beyond_ascii_are_letters() -> None:
    for caption in (
        "A café plays naïve music",
        "A cafe\u0301 plays nai\u0308ve music",
        "Ein Vögelchen zwitschert über dem Fluss",
    ):
        for turn in range(40):
            assert set(edited(caption, turn).lower().split()) - set(caption.lower().split()) <= {
                word for *_, options in fitting_synonyms(caption.lower()) for word in " ".join(options).split()
            }


@pytest.mark.parametrize(
    ("caption", "kept"),
    [
        ("No man is blowing on the hill", "man hill"),
        ("Two dogs bark at a cat in the old barn", "dogs cat old"),
        ("A small man is blowing on 3 horns", "small man horns"),
        ("Cars can pass without horns near some houses", "cars horns houses"),
        ("There isn't rain on this roof", "rain roof"),
    ],
)
def test_what_is_denied_counted_or_named_by_an_article_is_not_left_out(caption: str, kept: str) -> None:
    gone = set()
    for draw in range(200):
        left = Counter(caption.lower().split()) - Counter(
            str(_deleted(caption, generator(0, "draw", draw))).lower().split()
        )
        assert left.total() == 1
        gone |= set(left)
    assert gone
    assert not gone & set(kept.split())


def test_an_edit_hangs_on_the_caption_and_the_turn_alone() -> None:
    caption = "A dog barks loudly while rain falls on the roof of a small house"
    assert edited(caption, 0) == edited(caption, 0)
    assert len({edited(caption, turn) for turn in range(8)}) > 4


def test_real_captions_change_in_few_words_and_keep_their_order() -> None:
    captions = real_captions(400)
    for caption in captions:
        text = edited(caption, 0)
        assert tokens(text) != tokens(caption)
        gone, new = Counter(tokens(caption)) - Counter(tokens(text)), Counter(tokens(text)) - Counter(tokens(caption))
        # A tenth of the words; a synonym may be a phrase, and an article may follow it.
        assert gone.total() <= 2 + 0.2 * len(tokens(caption))
        assert new.total() <= 6 + 0.2 * len(tokens(caption))
        assert len(segments(text)) <= len(segments(caption))


def test_all_four_operations_occur() -> None:
    seen = Counter()
    for caption in real_captions(300):
        before, after = Counter(tokens(caption)), Counter(tokens(edited(caption, 0)))
        if before == after:
            seen["swapped"] += 1
        elif not after - before:
            seen["deleted"] += 1
        elif not before - after:
            seen["inserted"] += 1
        else:
            seen["replaced"] += 1
    assert all(seen[operation] > 30 for operation in ("swapped", "deleted", "inserted", "replaced")), seen


def test_new_words_are_synonyms_for_training() -> None:
    for caption in real_captions(300):
        offered = {word for *_, options in fitting_synonyms(caption.lower()) for word in tokens(" ".join(options))}
        new = set(tokens(edited(caption, 0))) - set(tokens(caption)) - {"a", "an"}
        assert new <= offered


def test_every_caption_is_accepted_or_dropped_and_equal_ones_share() -> None:
    captions = [*real_captions(200), "No", "No", "two then three"]
    outcomes = edit_all(captions, MEANING, [0.1] * len(captions))
    for caption, outcome in zip(captions, outcomes, strict=True):
        assert bool(outcome.accepted) != bool(outcome.dropped)
        if outcome.accepted:
            text = outcome.accepted[NAME].text
            assert checks.same_numbers(caption, text) is None
            assert checks.order_kept(caption, text) is None
            assert outcome.accepted[NAME].similarity == MEANING.between([((caption,), text)])[0]
    assert outcomes[-2] is outcomes[-3]
    assert outcomes[-1].dropped[NAME].reason.startswith("identical")
    assert sum(bool(outcome.accepted) for outcome in outcomes) >= 0.97 * len(captions)


def test_a_text_too_far_in_meaning_is_drawn_anew_then_dropped() -> None:
    (outcome,) = edit_all(["A dog barks"], MEANING, [1.1])
    assert outcome.failures()["similarity"] == 4
    assert outcome.dropped[NAME].attempts == 4
