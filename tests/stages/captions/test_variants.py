from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.text.words import tokens
from stages.captions.builtin import variants
from stages.captions.builtin.lexicon import entries, replacements
from stages.captions.builtin.places import agreed, fits, fitting_synonyms
from stages.captions.builtin.variants import back_translations, round_trip
from stages.captions.translating import back_translation, drawn, pivot

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"


def real_captions(count: int) -> list[str]:
    if not MIRROR.is_dir():
        pytest.skip("no mirror of real captions here")
    with (MIRROR / "audiocaps/train.csv").open(encoding="utf-8") as file:
        audiocaps = [row["caption"] for row in csv.DictReader(file)]
    with (MIRROR / "clotho/clotho_captions_development.csv").open(encoding="utf-8") as file:
        clotho = [row[f"caption_{number}"] for row in csv.DictReader(file) for number in range(1, 6)]
    draw = random.Random(0)
    return [*draw.sample(audiocaps, count // 2), *draw.sample(clotho, count // 2)]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("simple_tense", "a dog is barking", "a dog barks"),
        ("simple_tense", "water is running and dripping", "water runs and drips"),
        ("simple_tense", "birds are singing while a man is talking", "birds sing while a man talks"),
        ("progressive", "a dog barks while birds sing", "a dog is barking while birds are singing"),
        ("finite", "a man speaking and birds chirping", "a man is speaking and birds are chirping"),
        ("manner", "a dog barks loudly in a yard", "a dog loudly barks in a yard"),
        ("manner", "a dog loudly barking", "a dog barking loudly"),
        ("place", "a dog barks in the distance", "in the distance, a dog barks"),
        ("place", "in the background, birds sing", "birds sing in the background"),
        ("place", "a dog barks and birds sing in the distance", None),
        ("frame", "you can hear a dog barking", "it is possible to hear a dog barking"),
        ("frame", "birds can be heard in a park", "it is possible to hear birds in a park"),
        ("compound", "a car engine idles", "the engine of a car idles"),
        ("compound", "a man's voice is heard", "the voice of a man is heard"),
        ("compound", "a person's cell phone rings", "a person's cell phone rings"),
        ("background", "a man speaking with birds in the background", "a man speaking against a background of birds"),
        ("meanwhile", "a dog barks while birds sing", "a dog barks as birds sing"),
        ("meanwhile", "a dog barks as well", None),
    ],
)
def test_rules(rule: str, text: str, expected: str | None) -> None:
    assert variants._RULES[rule](text) == expected


def test_real_captions_come_back_otherwise_and_pass_their_checks() -> None:
    captions = real_captions(1000)
    passed = sum(back_translation(caption, round_trip(caption, 0)) is None for caption in captions)
    assert passed >= 0.95 * len(captions)


def test_another_turn_draws_another_text() -> None:
    captions = real_captions(200)
    assert sum(len({round_trip(caption, turn) for turn in range(3)}) > 1 for caption in captions) >= 180


def test_no_phrase_of_the_benchmarks_half_comes_in() -> None:
    train = {phrase for entry in entries() for phrase in entry.alternatives["train"]}
    test = {phrase for entry in entries() for phrase in entry.alternatives["test"]}
    drift = {phrase for phrases in variants._ALL_DRIFT.values() for phrase in phrases}
    assert not drift & (test - train)
    offered = {word for caption in real_captions(200) for *_, options in fitting_synonyms(caption) for word in options}
    assert offered
    assert offered <= forms_of_training()


def forms_of_training() -> set[str]:
    verbs = ("base", "third", "gerund", "past", "participle")
    forms = [("n", "base"), ("n", "plural"), ("w", "base"), *itertools.product(("b", "v", "vi", "vt"), verbs)]
    return {word for part, form in forms for words in replacements("train", part, form).values() for word in words}


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_gets_an_answer_under_every_name(caption: str) -> None:
    texts = back_translations("train", {"caption": caption, "pivot": "German"}, ["text"], 0)
    assert set(texts) == {"text"}
    assert isinstance(texts["text"], str)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a airplane and an dog", "an airplane and a dog"),
        ("a the dog", "the dog"),
        ("an unit an hour", "a unit an hour"),
        ("A engine", "An engine"),
        ("a dog", "a dog"),
    ],
)
def test_articles_agree(before: str, after: str) -> None:
    assert agreed(before) == after


@pytest.mark.parametrize(
    ("text", "word", "new", "fitting"),
    [
        ("a metal object", "metal", "metallic material", False),
        ("made of metal.", "metal", "metallic material", True),
        ("water continuously falling", "continuously", "without a break", False),
        ("very slowly", "slowly", "without haste", False),
        ("an emergency siren", "siren", "emergency horn", False),
        ("a car passes by", "passes", "goes past", False),
        ("a dog barks", "dog", "hound", True),
    ],
)
def test_a_synonym_fits_its_place_or_not(text: str, word: str, new: str, fitting: bool) -> None:
    start = text.index(word)
    assert fits(text, start, start + len(word), new) is fitting


def test_the_draw_of_captions_and_languages_hangs_on_their_text_alone() -> None:
    captions = [f"Sound number {k}" for k in range(30)]
    assert drawn(captions, "x", 3) == drawn(captions[::-1], "x", 3) == drawn(captions * 2, "x", 3)
    assert len(drawn(captions[:2], "x", 3)) == 2
    assert drawn(captions, "x", 3) != drawn(captions, "y", 3)
    assert len({pivot(caption) for caption in captions}) == 5
    assert tokens(pivot(captions[0]))
