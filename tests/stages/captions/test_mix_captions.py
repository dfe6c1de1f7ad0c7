"""The joint caption of two clips: what its checks refuse, and that the builtin model's captions pass them."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.params.captions import Mix
from stages.captions.builtin.mix import mixed_captions
from stages.captions.mixing import MIX_TRAIN, NAME, asked, joint_caption
from stages.captions.recipes import Edit, Recipe, drawn_recipes

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"
DOG, RAIN = "A dog barks in a yard", "Rain falls on a tin roof"
NO_EDIT = (None, None)
HIGHER = (Edit("pitch", 3.0), None)


@pytest.mark.parametrize(
    ("relation", "edits", "text"),
    [
        ("concatenate", NO_EDIT, "A dog barks in a yard, followed by rain falling on a tin roof."),
        ("concatenate", NO_EDIT, "After a dog barks in a yard, rain falls on a roof."),
        ("concatenate", NO_EDIT, "Before rain falls on a tin roof, a dog barks in a yard."),
        ("concatenate", HIGHER, "A dog barks in a high-pitched voice in a yard, then rain falls on a roof."),
        ("mix", NO_EDIT, "A dog barks in a yard while rain falls on a tin roof."),
        ("mix", NO_EDIT, "Rain falls on a tin roof and a dog barks."),
        ("mix", (None, Edit("volume", -6.0)), "A dog barks in a yard as rain falls softly on a roof."),
    ],
)
def test_good_captions_pass(relation: str, edits: tuple, text: str) -> None:
    assert joint_caption((DOG, RAIN), relation, edits, text) is None


@pytest.mark.parametrize(
    ("relation", "edits", "text", "check"),
    [
        ("mix", NO_EDIT, "", "empty"),
        ("mix", NO_EDIT, "A dog barks in a yard. Rain falls on a roof.", "one_sentence"),
        ("mix", NO_EDIT, "Dog and rain", "length"),
        ("mix", NO_EDIT, "A dog barks in a yard while rain falls on a roof " + "and on and on " * 6, "length"),
        ("mix", NO_EDIT, DOG, "identical"),
        ("mix", NO_EDIT, "A dog barks in a yard three times while rain falls on a roof", "numbers"),
        ("mix", NO_EDIT, "A dog barks in a yard in Berlin while rain falls on a roof", "entity"),
        ("mix", NO_EDIT, "A dog barks in a yard while birds sing", "content"),
        ("mix", NO_EDIT, "Rain falls on a tin roof while birds sing", "content"),
        ("mix", HIGHER, "A dog barks in a yard while rain falls on a roof", "edits"),
        ("mix", (None, Edit("speed", 0.7)), "A dog barks in a yard while rain falls fast on a roof", "edits"),
        ("mix", NO_EDIT, "A dog barks in a yard, followed by rain falling on a roof", "order"),
        ("concatenate", NO_EDIT, "A dog barks in a yard while rain falls on a roof", "order"),
        ("concatenate", NO_EDIT, "Rain falls on a roof, then a dog barks in a yard", "order"),
        ("concatenate", NO_EDIT, "A dog barks in a yard after rain falls on a roof", "order"),
    ],
)
def test_bad_captions_are_refused_by_name(relation: str, edits: tuple, text: str, check: str) -> None:
    failure = joint_caption((DOG, RAIN), relation, edits, text)
    assert failure is not None
    assert failure.split(":")[0] == check


def test_the_order_within_a_clip_is_kept_too() -> None:
    captions = ("A dog barks, then a door slams", RAIN)
    assert joint_caption(captions, "mix", NO_EDIT, "A dog barks, then a door slams while rain falls on a roof") is None
    turned = joint_caption(captions, "mix", NO_EDIT, "A door slams, then a dog barks while rain falls on a roof")
    assert turned is not None
    assert turned.startswith("order: what comes first and what later within")


@pytest.mark.parametrize(
    ("captions", "text", "check"),
    [
        (
            ("A dog barks", "A man talks without music"),
            "A dog barks, then a man talks with music while a siren wails and a baby cries",
            "negation",
        ),
        (("A dog barks", "A man talks"), "A dog barks, then a man talks while a siren wails", "new_event"),
        (("A dog barks", "A man talks"), "A dog barks, then a man talks without music", "negation"),
        (("No birds, a dog barks", "A man talks"), "Birds, no dog barks, then a man talks", "negation"),
        (("A dog barks", "A man talks"), "A dog barks und ein man talks mit dem Hund, dann der Regen", "language"),
    ],
)
def test_nothing_is_added_denied_or_undenied(captions: tuple[str, str], text: str, check: str) -> None:
    failure = joint_caption(captions, "concatenate", NO_EDIT, text)
    assert failure is not None
    assert failure.split(":")[0] == check
    faithful = ", then ".join(caption[0].lower() + caption[1:] for caption in captions)
    assert joint_caption(captions, "concatenate", NO_EDIT, faithful) is None


LOUDER, QUIETER = Edit("volume", 6.0), Edit("volume", -6.0)
FASTER, DEEPER, SHRILLER = Edit("speed", 1.4), Edit("pitch", -3.0), Edit("pitch", 3.0)


@pytest.mark.parametrize(
    ("captions", "edits", "text"),
    [
        # The captions had these words anyway.
        (
            ("A dog barks loudly", "A man plays bass guitar"),
            (LOUDER, DEEPER),
            "A dog barks loudly while a man plays bass guitar",
        ),
        (("A dog barks loudly", "A man talks"), (LOUDER, None), "A loud dog barks while a man talks"),
        (("Rain falls fast", "A man talks"), (FASTER, None), "Rain falls fast while a man talks"),
        # The other clip's edit, or the opposite of this one's.
        (("A dog barks", "A man talks"), (LOUDER, None), "A dog barks while a man talks louder than the dog"),
        (("A dog barks", "A man talks"), (LOUDER, None), "A dog barks more quietly than the man who talks"),
        (("A dog barks", "A man talks"), (LOUDER, None), "A dog barks while a man talks loudly"),
        (("A dog barks", "A man talks"), (None, FASTER), "A dog barks faster than usual while a man talks"),
        (("A dog barks", "A man talks"), (SHRILLER, None), "A dog barks high at a lower pitch while a man talks"),
        # One word for two edits.
        (("A dog barks", "A man talks"), (QUIETER, DEEPER), "A dog and a man who talks are heard, lower as it barks"),
    ],
)
def test_an_edit_is_told_by_words_of_its_own_clip_and_direction(
    captions: tuple[str, str], edits: tuple, text: str
) -> None:
    failure = joint_caption(captions, "mix", edits, text)
    assert failure is not None
    assert failure.split(":")[0] == "edits"


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        ((LOUDER, None), "A dog barks louder than the man talks softly"),
        ((LOUDER, None), "A man talks while a dog barks louder"),
        ((LOUDER, None), "A man talks more quietly than a dog barks loudly"),
        ((LOUDER, None), "A dog barks more loudly and a man talks softly"),
        ((None, QUIETER), "A dog barks loudly louder than a man who talks softly"),
        ((QUIETER, DEEPER), "A dog barks more quietly while a man talks softly in a low tone"),
        ((FASTER, FASTER), "A dog barks and a man talks softly, both faster than usual"),
    ],
)
def test_edits_told_in_other_ways_pass(edits: tuple, text: str) -> None:
    assert joint_caption(("A dog barks loudly", "A man talks softly"), "mix", edits, text) is None


def test_a_sound_that_both_clips_share_or_repeat_is_no_disorder() -> None:
    captions = ("A man talks, then a bell rings, then the man talks again", "A man laughs")
    text = "A man talks, then a bell rings, then the man talks again, followed by a man laughing."
    assert joint_caption(captions, "concatenate", NO_EDIT, text) is None


def test_the_request_names_relation_and_edits_in_words() -> None:
    recipe = Recipe("mix-000001", "mix", (0, 1), (DOG, RAIN), (Edit("speed", 1.5), None), 0.0)
    assert asked(recipe) == {"first": DOG, "second": RAIN, "relation": "mix", "edits": {"first": "played faster"}}
    assert MIX_TRAIN.instruction().startswith("[mix-train-2]\n")


def test_builtin_captions_read_as_english() -> None:
    def said(first: str, second: str, relation: str, edits: dict[str, str] | None = None) -> set[str]:
        request = {"first": first, "second": second, "relation": relation, "edits": edits or {}}
        return {mixed_captions("train", request, [NAME], turn)[NAME] for turn in range(12)}

    after = said(DOG, RAIN, "concatenate")
    assert "A dog barks in a yard, followed by rain falling on a tin roof." in after
    assert "First a dog barking in a yard, then rain falling on a tin roof." in after
    at_once = said(DOG, RAIN, "mix")
    assert "A dog barks in a yard while rain falls on a tin roof." in at_once
    higher = said("An engine running", "A bell", "concatenate", {"first": "at a slightly higher pitch"})
    starts = "An engine running at a slightly higher pitch", "An engine running in a slightly higher tone"
    assert any(text.startswith(starts) for text in higher)
    louder = said("A dog barks in a yard", "Rain", "mix", {"first": "played much louder than the other"})
    starts = "A dog is barking very loudly in a yard", "A dog barks in a yard much louder than the other sound"
    assert any(text.startswith(starts) for text in louder)


@given(
    first=st.text(max_size=60),
    second=st.text(max_size=60),
    relation=st.sampled_from(["mix", "concatenate"]),
    edit=st.sampled_from(["", "played louder than the other", "at a much lower pitch", "?"]),
    turn=st.integers(0, 9),
)
@settings(max_examples=200, deadline=None)
def test_any_pair_of_texts_gets_an_answer(first: str, second: str, relation: str, edit: str, turn: int) -> None:
    request = {"first": first, "second": second, "relation": relation, "edits": {"second": edit} if edit else {}}
    assert mixed_captions("train", request, [NAME], turn)[NAME]


def test_nearly_all_pairs_of_real_captions_get_a_caption() -> None:
    if not MIRROR.is_dir():
        pytest.skip("no mirror of real captions here")
    with (MIRROR / "clotho/clotho_captions_development.csv").open(encoding="utf-8") as file:
        captions = [[row[f"caption_{k}"] for k in range(1, 6)] for row in csv.DictReader(file)]
    with (MIRROR / "audiocaps/train.csv").open(encoding="utf-8") as file:
        captions += [[row["caption"]] for row, _ in zip(csv.DictReader(file), range(4000), strict=False)]
    names = [str(k) for k in range(len(captions))]
    frame = pd.DataFrame({"captions": captions, "sha256": names, "source_id": None})
    wordings, passed = set(), 0
    recipes = drawn_recipes(frame, Mix(clips=500), 11)
    for recipe in recipes:
        wording = (mixed_captions("train", asked(recipe), [NAME], turn)[NAME] for turn in range(3))
        texts = []
        for text in wording:
            texts.append(text)
            if joint_caption(recipe.captions, recipe.relation, recipe.edits, text) is None:
                passed += 1
                break
        wordings |= {
            cue for cue in ("followed by", "and then", "afterwards", "along with", " while ") if cue in texts[0]
        }
    assert passed >= 0.95 * len(recipes)
    assert len(wordings) == 5
