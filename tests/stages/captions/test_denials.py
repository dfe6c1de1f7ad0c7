"""What a text denies: how far "no", "not" and "without" go, and that two texts deny the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.text.words import tokens
from stages.captions.denials import denied, denied_stems, heard_stems, same_denials


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man speaks without music", {"music"}),
        ("No birds, just wind", {"bird"}),
        ("A man talks without music or dogs in a hall", {"music", "dog"}),
        ("Wind without rain and thunder", {"rain", "thunder"}),
        ("Wind without rain and a dog barks", {"rain"}),
        ("The engine doesn’t start but a bell rings", {"start"}),
        ("A man says no and claps", set()),
        ("Not only dogs but cats", set()),
        ("Nothing but rain", set()),
        ("A siren, never ending", set()),
        ("A dog barks (no birds) in a yard", {"bird"}),
        ("No dogs near; a dog barks", set()),  # said as heard too
        ("A dog barks", set()),
        ("", set()),
    ],
)
def test_what_is_denied(text: str, words: set[str]) -> None:
    assert denied_stems(text) - {"near"} == words
    assert not denied_stems(text) & heard_stems(text)


@pytest.mark.parametrize(
    ("source", "text", "same"),
    [
        ("A man speaks without music", "A man speaks, no music", True),
        ("A man speaks without music", "Music without a man who speaks", False),
        ("A man speaks without music", "A man speaks to music", False),
        ("Rain falls without stopping", "Rain never stops", True),
        ("A dog barks", "No dog barks", False),
    ],
)
def test_denials_are_compared_both_ways(source: str, text: str, same: bool) -> None:
    assert (same_denials(source, text) is None) is same


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["no", "not", "without", "and", ",", "dog", "don’t", "in", "1,5"])).map(" ".join)
)
def test_every_token_has_its_flag(text: str) -> None:
    assert len(denied(text)) == len(tokens(text))
