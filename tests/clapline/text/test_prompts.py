"""Golden sentences of the papers' prompts."""

from __future__ import annotations

import pytest

from clapline.errors import UserError
from clapline.text.prompts import clean_label, fill_prompt, prompted_labels


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("this is a sound of {label}", "this is a sound of dog"),  # paper B
        ("This is a sound of {label}.", "This is a sound of dog."),  # LAION-CLAP
        ("{label} can be heard", "dog can be heard"),  # WavCaps
    ],
)
def test_prompts_are_filled_as_published(prompt, expected):
    assert fill_prompt(prompt, "dog") == expected


@pytest.mark.parametrize(
    ("label", "words"),
    [("cafe/restaurant", "cafe restaurant"), ("car_horn", "car horn"), ("  Gun__Shot ", "gun shot"), ("dog", "dog")],
)
def test_labels_become_words(label, words):
    assert clean_label(label) == words
    assert clean_label(words) == words


def test_other_braces_are_left_alone():
    assert fill_prompt("{a} {label} {0}", "dog") == "{a} dog {0}"


def test_prompts_and_labels_keep_their_order():
    assert prompted_labels(["a {label}", "{label} b"], ["y", "x"]) == [["a y", "a x"], ["y b", "x b"]]


def test_a_prompt_without_a_slot_and_an_empty_label_are_refused():
    with pytest.raises(UserError, match=r"no \{label\}"):
        fill_prompt("a sound", "dog")
    with pytest.raises(UserError, match="no words"):
        fill_prompt("a {label}", "_/_")
