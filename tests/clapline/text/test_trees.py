"""Built caption trees: levels, their order and form, what is left out; and on real captions."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.datasets import esc50
from clapline.text.ontology import Ontology
from clapline.text.trees import built_tree

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"
real = pytest.mark.skipif(not MIRROR.is_dir(), reason="the mirror is not here")
CLASSES = {"Animal": ["Domestic animals, pets"], "Domestic animals, pets": ["Dog", "Cat"], "Music": []}
SMALL = Ontology.of(
    [
        {"id": name, "name": name, "child_ids": CLASSES.get(name, [])}
        for name in ("Animal", "Domestic animals, pets", "Dog", "Cat", "Music")
    ],
    "here",
)


def test_four_levels_from_the_most_abstract() -> None:
    tree = built_tree(["a dog  barks, then rain falls", "rain"], ["purring", "dog"], None, SMALL)
    assert tree == ("Domestic animals, pets.", "Dog.", "A dog barks.", "A dog barks, then rain falls.")


def test_the_label_that_the_caption_mentions_goes_first() -> None:
    cat = ("Domestic animals, pets.", "Cat.", "Two cats meow.")
    assert built_tree(["Two cats meow."], ["Dog", "Cat"], None, SMALL) == cat
    assert built_tree(["Two cats meow."], ["Dog"], "cat", SMALL) == cat
    assert built_tree(["It meows."], ["bell", "Dog", "Cat"], None, SMALL)[1] == "Dog."
    assert built_tree(["A pet sneezes."], ["Dog", "Domestic animals, pets"], None, SMALL)[:2] == (
        "Animal.",
        "Domestic animals, pets.",
    )


def test_what_a_clip_lacks_is_left_out() -> None:
    assert built_tree([], ["dog"], "dog", SMALL) == ("Domestic animals, pets.", "Dog.")
    assert built_tree([" "], [], "hot_dog", SMALL) == ("Domestic animals, pets.", "Hot dog.")
    assert built_tree(["A song plays"], ["music"], None, SMALL) == ("Music.", "A song plays.")  # a root
    assert built_tree(["A bell rings while rain falls"], [], None, SMALL) == (
        "A bell rings.",
        "A bell rings while rain falls.",
    )
    assert built_tree(["A bell rings"], ["bell"], "bell", SMALL) == ()
    assert built_tree([], ["music"], None, SMALL) == ()
    assert built_tree([], [], None, SMALL) == ()


def test_levels_that_say_the_same_are_one() -> None:
    assert built_tree(["The dog."], ["Dog"], None, SMALL) == ("Domestic animals, pets.", "Dog.")
    assert built_tree(["The dog, followed by a cat"], ["Dog"], None, SMALL)[1:] == (
        "Dog.",
        "The dog, followed by a cat.",
    )


@pytest.mark.parametrize(
    ("caption", "event"),
    [
        ("A dog barks followed by rain", "A dog barks."),
        ("A dog barking is followed by rain", "A dog barking."),
        ("A dog barks shortly before it rains", "A dog barks."),
        ("A dog barks, and then rain falls", "A dog barks."),
        ("A dog barks as rain falls", "A dog barks."),
        ("A dog barks and rain falls", "A dog barks."),
        ("A dog barks. Rain falls.", "A dog barks."),
        ("Thunder then rain", "Thunder."),
        ("After a dog barks, rain falls", "A dog barks."),
        ("While a dog barks, rain falls", "A dog barks."),
        ("First a dog barks, next rain falls", "A dog barks."),
        ("In a large hall, a dog barks while rain falls", "A dog barks."),
        # One word before a comma or an "and" may be a part of a phrase.
        ("A long, loud horn blows while rain falls", "A long, loud horn blows."),
        ("Two men and a woman talk as rain falls", "Two men and a woman talk."),
        ("Now and then a dog barks loudly after rain", "Now and then a dog barks loudly."),
        ("A dog barks for a little while in the rain", None),
        ("A man and a woman", None),
        ("A dog barks", None),
        ("犬が吠える", None),
    ],
)
def test_the_first_event(caption: str, event: str | None) -> None:
    tree = built_tree([caption], ["dog"], None, SMALL)
    assert (tree[2] if len(tree) == 4 else None) == event


pieces = ["a", "dog", "cat", "barks", ",", ",", "and", "then", "while", ".", "music", "rain", "_", "Ä"]
words = st.lists(st.sampled_from(pieces), max_size=12).map(" ".join)


@given(st.lists(words, max_size=3), st.lists(st.sampled_from(["dog", "Cat", "music", "bell", ""]), max_size=3), words)
def test_levels_are_different_sentences(captions: list[str], tags: list[str], label: str) -> None:
    tree = built_tree(captions, tags, label, SMALL)
    assert tree == built_tree(captions, tags, label, SMALL)
    assert len(tree) in {0, 2, 3, 4}
    assert len({level.lower() for level in tree}) == len(tree)
    for level in tree:
        assert level[-1] in ".!?"
        assert level == level.strip()
        assert level[0] == level[0].upper()


@pytest.fixture(scope="module")
def ontology() -> Ontology:
    return Ontology.read(MIRROR / "audioset/ontology.json")


@real
def test_real_labels_are_placed(ontology: Ontology) -> None:
    trees = {
        clip.label: built_tree(clip.captions, clip.tags, clip.label, ontology)
        for clip in esc50.read(esc50.Options(), MIRROR / "esc50")
    }
    assert sum(map(bool, trees.values())) == 42
    assert trees["crying baby"] == ("Crying, sobbing.", "Crying baby.")
    assert trees["dog"] == ("Domestic animals, pets.", "Dog.")
    assert trees["can opening"] == ()


@real
def test_real_captions_have_events(ontology: Ontology) -> None:
    with (MIRROR / "audiocaps/val.csv").open(encoding="utf-8") as file:
        captions = [row["caption"] for row in csv.DictReader(file)]
    trees = [built_tree([caption], [], None, ontology) for caption in captions]
    assert {len(tree) for tree in trees} == {0, 2}
    assert 0.7 < sum(map(bool, trees)) / len(trees) < 0.9
    assert all(tree[1].rstrip(".").casefold().find(tree[0].rstrip(".").casefold()) >= 0 for tree in trees if tree)
    tagged = built_tree(["A man speaks then a dog barks"], ["Music", "Male speech, man speaking"], None, ontology)
    assert tagged == ("Speech.", "Male speech, man speaking.", "A man speaks.", "A man speaks then a dog barks.")
