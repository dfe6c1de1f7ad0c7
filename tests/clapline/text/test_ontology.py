"""The ontology: which class a label names, what lies above it, and one line for whatever is no ontology."""

import json
from pathlib import Path

import pytest

from clapline.errors import UserError
from clapline.text.ontology import Ontology, name_parts

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror/audioset/ontology.json"


def node(node_id: str, name: str, *below: str) -> dict:
    return {"id": node_id, "name": name, "description": "", "child_ids": list(below), "restrictions": []}


NODES = [
    node("an", "Animal", "pets", "bird"),
    node("pets", "Domestic animals, pets", "dog"),
    node("dog", "Dog", "bark", "growl"),
    node("bark", "Bark"),
    node("bird", "Bird", "growl"),
    node("growl", "Growling"),
    node("things", "Sounds of things", "shot", "horn", "zip", "ring", "noise", "saw"),
    node("shot", "Gunshot, gunfire"),
    node("horn", "Vehicle horn, car horn, honking"),
    node("zip", "Zipper (clothing)"),
    node("ring", "Ringing (of resonator)"),
    node("noise", "Noise"),
    node("baby", "Baby cry, infant cry"),
    node("saw", "Sawing"),
    node("dogs", "Canidae, dogs, wolves"),
]


@pytest.fixture(scope="module")
def small() -> Ontology:
    return Ontology.of(NODES, "here")


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("Dog", "dog"),
        ("  dOG ", "dog"),
        ("Domestic animals, pets", "pets"),
        ("pets", "pets"),
        ("Car horn", "horn"),
        ("car_horn", "horn"),
        ("gun_shot", "shot"),
        ("gun-shot", "shot"),
        ("crying_baby", "baby"),
        ("dog_bark", "bark"),
        ("hand_saw", "saw"),
        ("birds", "bird"),
        ("dogs", "dogs"),  # a part as it stands goes before an inflected name
        ("Animal_sounds", "an"),
        ("Domestic_animals_and_pets", "pets"),
        ("Zipper_(clothing)", "zip"),
        ("zipper", "zip"),
        ("noise", "noise"),
        ("Alarm_bell_ringing", None),  # a bracket may say that it is of something else
        ("hot dog stand", None),
        ("machine", None),
        ("sound", None),
        ("", None),
        ("_ ,", None),
        ("犬", None),
    ],
)
def test_a_label_names_a_class(small: Ontology, label: str, found: str | None) -> None:
    assert small.find(label) == found


def test_the_first_of_several_parents_in_the_file_counts(small: Ontology) -> None:
    assert small.parent("growl") == "dog"
    assert small.path("growl") == ("an", "pets", "dog", "growl")
    assert small.parent("an") is None
    assert small.path("an") == ("an",)
    turned = Ontology.of(NODES[::-1], "here")
    assert turned.parent("growl") == "bird"
    assert turned.path("growl") == ("an", "bird", "growl")


def test_the_first_of_equal_names_counts() -> None:
    assert Ontology.of([node("a", "Hiss"), node("b", "Hiss, fizz")], "here").find("hiss") == "a"
    assert Ontology.of([node("b", "Fizz, hiss"), node("a", "Hiss, steam")], "here").find("hiss") == "b"
    assert Ontology.of([node("b", "Fizz, hiss"), node("a", "Hiss")], "here").find("hiss") == "a"


def test_parts_of_a_name() -> None:
    assert name_parts("Male speech,  man speaking") == ("male speech", "man speaking")
    assert name_parts("Roaring cats (lions, tigers)") == ("roaring cats",)
    assert name_parts(" , ") == ()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "holds an empty list; expected a list of"),
        ('{"id": "a"}', "holds dict; expected a list of"),
        ("[3]", "entry 1 is no class"),
        (json.dumps([node("a", "A"), {"id": "b", "name": "B"}]), "entry 2 is no class"),
        (json.dumps([node("a", " ")]), "entry 1 is no class"),
        (json.dumps([{"id": "a", "name": "A", "child_ids": [4]}]), "entry 1 is no class"),
        (json.dumps([node("a", "A"), node("a", "B")]), "entry 2 repeats the id 'a'"),
        (json.dumps([node("a", "A", "z")]), "'A' has the child 'z', which has no entry"),
        (json.dumps([node("a", "A", "a")]), "A > A is a cycle"),
        (json.dumps([node("r", "R", "a"), node("a", "A", "b"), node("b", "B", "c"), node("c", "C", "a")]), "a cycle"),
    ],
)
def test_what_is_no_ontology_is_one_line(tmp_path: Path, content: str, fault: str) -> None:
    path = tmp_path / "ontology.json"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        Ontology.read(path)
    assert fault in str(caught.value)
    assert str(path) in str(caught.value)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cycle_is_told_from_above_to_below() -> None:
    with pytest.raises(UserError) as caught:
        Ontology.of([node("a", "A", "b"), node("b", "B", "c"), node("c", "C", "a")], "here")
    assert any(
        f"{cycle} is a cycle" in str(caught.value) for cycle in ("A > B > C > A", "B > C > A > B", "C > A > B > C")
    )


def test_a_missing_file_a_folder_and_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("none.json", "bytes", "."):
        with pytest.raises(UserError, match="expected a list of"):
            Ontology.read(tmp_path / name)


@pytest.mark.skipif(not MIRROR.is_file(), reason="the mirror is not here")
def test_the_real_ontology() -> None:
    real = Ontology.read(MIRROR)
    assert len(real.names) == 632
    assert [name for node_id, name in real.names.items() if real.find(name) != node_id] == []
    roots = [name for node_id, name in real.names.items() if real.parent(node_id) is None]
    assert len(roots) == 7
    assert all(real.names[real.path(node_id)[0]] in roots for node_id in real.names)

    def above(label: str) -> list[str]:
        found = real.find(label)
        assert found is not None, label
        return [real.names[node_id] for node_id in real.path(found)]

    assert above("dog_bark") == ["Animal", "Domestic animals, pets", "Dog", "Bark"]
    assert above("gun_shot") == ["Sounds of things", "Explosion", "Gunshot, gunfire"]
    assert above("children_playing") == ["Human sounds", "Human group actions", "Children playing"]
    assert above("crying_baby")[-1] == "Baby cry, infant cry"
    assert above("siren")[-2:] == ["Alarm", "Siren"]
    assert above("man speaking")[-2:] == ["Speech", "Male speech, man speaking"]
    # A growl lies below four classes; dogs come first in the file.
    assert above("Growling")[-2] == "Dog"
    assert real.find("air_conditioner") is None
