"""Plain words."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from clapline.model.text.words import plain_words


def test_plain_words_are_those_of_the_thesis():
    assert plain_words("A dog's bark, far-off; THEN: (rain)!") == "a dogs bark faroff then rain"
    assert plain_words("Ünïcode – stays") == "ünïcode – stays"
    assert plain_words("!?") == ""


@given(st.text())
def test_plain_words_have_no_punctuation_and_stay_plain(caption):
    plain = plain_words(caption)
    assert not set(plain) & set(string.punctuation)
    assert len(plain_words(plain)) <= len(plain)
