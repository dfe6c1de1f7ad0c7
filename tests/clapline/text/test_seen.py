from __future__ import annotations

import csv
import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.text.seen import Seen, frame, introduced, known_rewording, known_texts, seen_share
from clapline.text.words import FUNCTION_WORDS, NUMBERS, content_stems

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"
CONTENT = ["dog", "rain", "engine", "barks", "falling", "loud", "roof", "idles", "two", "children"]
GRAMMAR = ["while", "and", "then", "after", "as", "is", "can be heard", "with", "followed by", ",", "the", "in", "on"]
sentences = st.lists(st.sampled_from([*CONTENT, *GRAMMAR]), max_size=16).map(" ".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("After a dog barks, rain can be heard", "after _ , _ can be heard"),
        ("Rain falls on a tin roof in the distance while two men talk", "_ while _"),
        ("In the kitchen, grease is popping.", "in _ , _ is _"),
        ("The sound of a cow lowing", "sound of _"),
        ("The sounds of cows lowing", "sound of _"),
        ("You can hear that a dog barks", "you can hear that _"),
        ("Dogs are barking; a car passes", "_ is _ , _"),
        ("A man speaks followed by clicking of a keyboard", "_ followed by _"),
        ("Wind, rain, thunder and a dog", "_ , _ and _"),
        ("Wind, rain, thunder, hail and a dog,", "_ , _ and _"),
        ("", ""),
        (" , ; ", ""),
    ],
)
def test_frames(text: str, expected: str) -> None:
    assert frame(text) == expected


@given(sentences, st.permutations(CONTENT))
def test_a_frame_does_not_depend_on_its_content_words(text: str, other: list[str]) -> None:
    exchanged = " ".join(other[CONTENT.index(word)] if word in CONTENT else word for word in text.split())
    assert frame(exchanged) == frame(text) == frame(text.upper() + ".")


@given(sentences)
def test_a_frame_holds_slots_commas_and_function_words_alone_and_no_two_slots_in_a_row(text: str) -> None:
    pieces = frame(text).split()
    assert all(piece in {"_", ","} or piece in FUNCTION_WORDS for piece in pieces)
    assert ("_", "_") not in itertools.pairwise(pieces)
    assert pieces[:1] != [","]
    assert pieces[-1:] != [","]


@pytest.mark.skipif(not (MIRROR / "clotho").is_dir(), reason="needs the mirror")
def test_frames_of_people_are_templates_not_fingerprints() -> None:
    with (MIRROR / "clotho/clotho_captions_development.csv").open(newline="") as file:
        captions = [row[f"caption_{number}"] for row in csv.DictReader(file) for number in range(1, 6)]
    counts = Counter(map(frame, captions))
    assert len(captions) == 19195
    assert len(counts) < 0.35 * len(captions)
    assert sum(count for _, count in counts.most_common(100)) > 0.5 * len(captions)


def test_introduced_words() -> None:
    assert introduced("A dog barks", "The sound of a hound barking twice, again") == {"hound"}
    assert introduced("A dog barks loudly", "Loudly barking dogs can be heard") == frozenset()


@given(sentences, sentences)
def test_introduced_words_stand_in_the_text_and_not_in_the_original(original: str, text: str) -> None:
    new = introduced(original, text)
    assert new <= set(content_stems(text))
    assert new.isdisjoint(content_stems(original))
    assert new.isdisjoint(NUMBERS)
    assert introduced(text, text) == frozenset()


PAIRS = [
    ("a dog barks", "there is a hound barking"),
    ("a dog barks", "there is a hound barking"),
    ("rain falls", "rain pours down"),
    ("rain falls", "while a gale blows, rain pours"),
]


def test_shares_by_occurrence_and_by_type() -> None:
    seen = seen_share(PAIRS, ["A hound in a yard", "while the wind howls, leaves rustle"])
    assert (seen.words, seen.words_seen, seen.word_types, seen.word_types_seen) == (6, 2, 4, 1)
    # "rain pours down" has the frame of its original: it brings in no frame.
    assert (seen.frames, seen.frames_seen, seen.frame_types, seen.frame_types_seen) == (3, 1, 2, 1)
    assert seen.word_share == pytest.approx(1 / 3)
    assert seen.word_type_share == 0.25
    assert seen.frame_share == pytest.approx(1 / 3)
    assert seen.frame_type_share == 0.5


def test_what_the_training_rewriter_kept_is_not_its_own() -> None:
    pairs = [("a hound barks", "a hound barking"), ("a gale blows", "there is a storm blowing")]
    own = known_rewording(pairs)
    assert own.words == {"storm"}
    assert own.frames == {"there is _"}
    assert "hound" in known_texts(text for _, text in pairs).words


def test_nothing_brought_in_has_no_share() -> None:
    assert seen_share([], ["a dog barks"]) == Seen()
    assert seen_share([("a dog", "the dog")], []).word_share is None
    assert Seen().frame_type_share is None


pairs = st.lists(st.tuples(sentences, sentences), max_size=5)


@given(pairs, st.lists(sentences, max_size=5), st.lists(sentences, max_size=5))
def test_shares_grow_with_what_training_saw(tested: list, training: list[str], more: list[str]) -> None:
    few, many = seen_share(tested, training), seen_share(tested, [*training, *more])
    assert known_texts(training) | known_texts(more) == known_texts([*training, *more])
    whole = seen_share(tested, [text for _, text in tested])
    for kind in ("words", "word_types", "frames", "frame_types"):
        total = getattr(few, kind)
        assert 0 <= getattr(few, f"{kind}_seen") <= getattr(many, f"{kind}_seen") <= total
        assert getattr(whole, f"{kind}_seen") == getattr(whole, kind) == total
