"""Recipes depend on (seed, number) alone, never pair a recording with itself, and name each edit by its size."""

from __future__ import annotations

import pandas as pd
import pytest

from clapline.errors import UserError
from clapline.params.captions import Mix
from stages.captions.recipes import Edit, drawn_recipes


def clips(count: int = 12, captions: list[str] | None = None, **columns: list) -> pd.DataFrame:
    values = {
        "captions": [captions or [f"A bell number{k} rings", f"Bell{k} rings"] for k in range(count)],
        "sha256": [f"hash{k}" for k in range(count)],
        "source_id": [None] * count,
    }
    return pd.DataFrame({**values, **columns})


def test_a_recipe_depends_on_its_number_not_on_how_many_there_are() -> None:
    few, many = drawn_recipes(clips(), Mix(clips=5), 3), drawn_recipes(clips(), Mix(clips=50), 3)
    assert few == many[:5]
    assert few != drawn_recipes(clips(), Mix(clips=5), 4)
    assert len({recipe.clip_id for recipe in many}) == 50


def test_two_clips_are_never_of_one_recording() -> None:
    frame = clips(
        8,
        source_id=["freesound:1", "freesound:1", "freesound:1", "freesound:2", None, None, None, None],
        sha256=["a", "b", "c", "d", "e", "e", "e", "f"],
    )
    for recipe in drawn_recipes(frame, Mix(clips=500), 0):
        one, other = (frame.iloc[row] for row in recipe.rows)
        assert one.sha256 != other.sha256
        assert one.source_id is None or one.source_id != other.source_id


def test_a_lone_other_recording_is_found_among_thousands() -> None:
    frame = clips(3000, source_id=["freesound:1"] * 2999 + ["freesound:2"])
    for recipe in drawn_recipes(frame, Mix(clips=20), 0):
        assert 2999 in recipe.rows


def test_clips_linked_by_source_and_by_audio_are_one_recording() -> None:
    linked = {"source_id": ["freesound:1", "freesound:1", None], "sha256": ["a", "x", "x"]}
    with pytest.raises(UserError, match="one recording"):
        drawn_recipes(clips(3, **linked), Mix(clips=50), 0)
    fourth = clips(4, source_id=[*linked["source_id"], "freesound:2"], sha256=[*linked["sha256"], "y"])
    assert all(3 in recipe.rows for recipe in drawn_recipes(fourth, Mix(clips=50), 0))


@pytest.mark.parametrize("frame", [clips(0), clips(1), clips(3, source_id=["freesound:1"] * 3)])
def test_one_recording_is_too_few(frame: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="one recording"):
        drawn_recipes(frame, Mix(clips=1), 0)


def test_captions_differ_wherever_they_can() -> None:
    frame = clips(10)
    frame["captions"] = [["A dog barks."]] * 7 + [["a dog barks"]] * 2 + [["Rain falls"]]
    said = [recipe.captions for recipe in drawn_recipes(frame, Mix(clips=200), 0)]
    assert all("Rain falls" in pair for pair in said)
    frame["captions"] = [["A dog barks."]] * 10
    assert len(drawn_recipes(frame, Mix(clips=3), 0)) == 3


def test_edits_keep_to_their_settings() -> None:
    section = Mix(clips=2000, edit_share=0.5, volume_db=6.0, pitch_semitones=2.0, speed_ratio=1.3)
    recipes = drawn_recipes(clips(), section, 0)
    edits = [edit for recipe in recipes for edit in recipe.edits if edit]
    assert 0.42 < len(edits) / 4000 < 0.52  # a second edit of volume is never drawn
    for edit in edits:
        if edit.kind == "volume":
            assert 3.0 <= abs(edit.amount) <= 6.0
        elif edit.kind == "pitch":
            assert 1.0 <= abs(edit.amount) <= 2.0
        else:
            assert 1.15 - 1e-3 <= max(edit.amount, 1 / edit.amount) <= 1.3 + 1e-3
    assert {edit.rises for edit in edits} == {True, False}
    for recipe in recipes:
        assert [edit.kind for edit in recipe.edits if edit].count("volume") <= 1
        assert 0 <= recipe.start_share <= 1


def test_no_edit_and_one_relation_when_so_set() -> None:
    recipes = drawn_recipes(clips(), Mix(clips=100, edit_share=0.0, relations=["mix"]), 0)
    assert {recipe.relation for recipe in recipes} == {"mix"}
    assert {recipe.edits for recipe in recipes} == {(None, None)}
    loud = drawn_recipes(clips(), Mix(clips=100, edit_share=1.0, edits=["volume"]), 0)
    assert all(recipe.edits[0] is not None and recipe.edits[1] is None for recipe in loud)


@pytest.mark.parametrize(
    ("kind", "amount", "words"),
    [
        ("volume", 3.0, "played slightly louder than the other"),
        ("volume", -12.0, "played much quieter than the other"),
        ("pitch", 3.0, "at a higher pitch"),
        ("pitch", -1.0, "at a slightly lower pitch"),
        ("pitch", 7.0, "at a much higher pitch"),
        ("speed", 1.5, "played faster"),
        ("speed", 0.5, "played much slower"),
        ("speed", 0.85, "played slightly slower"),
    ],
)
def test_an_edit_is_told_by_its_size(kind: str, amount: float, words: str) -> None:
    assert Edit(kind, amount).words() == words
