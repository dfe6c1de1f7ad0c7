from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from stages.captions.builtin.variants import round_trip
from stages.captions.events import named_families, new_event

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror/clotho"
PHI = MIRROR / "clotho_captions_development_plus_phi_generated.csv"


@pytest.mark.parametrize(
    ("sources", "text", "words"),
    [
        (["A man walks on gravel"], "Someone walks while a siren wails", "siren"),
        (["Rain falls on a roof"], "Rain falls as dogs bark", "bark, dogs"),
        (["Rain falls on a roof"], "Rain patters in a forest with birds and a train", "birds, train"),
        ([], "Thunder rolls", "thunder"),
    ],
)
def test_a_family_that_nothing_speaks_for_is_named(sources: list[str], text: str, words: str) -> None:
    failure = new_event(sources, text)
    assert failure is not None
    assert failure.startswith("new_event: ")
    assert set(failure.removeprefix("new_event: nothing given speaks of ").split(", ")) & set(words.split(", "))


@pytest.mark.parametrize(
    ("sources", "text"),
    [
        (["An animal growls"], "A dog growls at someone"),
        (["Chirping in a forest"], "Birds are chirping"),
        (["Machinery hums"], "The engine of a machine hums"),
        (["A storm passes"], "Heavy rain and thunder"),
        (["Someone wraps a gift"], "A gift is wrapped with care"),
        (["Rain on a roof"], "Raindrops drum on a roof"),
        (["anything"], ""),
    ],
)
def test_what_the_sources_speak_for_is_no_new_event(sources: list[str], text: str) -> None:
    assert new_event(sources, text) is None


@pytest.mark.parametrize(
    ("sources", "text"),
    [
        (["A voice shouts"], "A man barks orders"),
        (["A voice shouts"], "An officer angrily barks out a command"),
        (["Liquid sprays"], "A jet of water sprays"),
        (["Liquid sprays"], "Water jets into a metal bin"),
        (["Something cracks"], "Tree bark cracks"),
        (["Something cracks"], "The bark of an old tree cracks"),
        (["Horses run"], "As hooves thunder by, the race ends"),
        (["Vehicles race"], "Race cars thunder across the track"),
        (["Birds chirp to each other"], "Birds create a rhythmic chirping conversation"),
        (["A crowd chatters"], "A sea of voices chatters"),
        (["A car starts"], "The engine coughs to life"),
        (["An elephant calls"], "An elephant trumpets"),
        (["Planes roll on a runway"], "A plane is taxiing"),
        (["A door alarm rings"], "An insect-like noise is heard"),
        (["Soldiers march"], "Soldiers are training"),
    ],
)
def test_a_word_in_another_sense_is_no_event(sources: list[str], text: str) -> None:
    assert new_event(sources, text) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Someone walks while barking is heard", "barking"),
        ("A man walks as a dog barks at him", "dog"),
        ("A jet passes low", "jet"),
        ("Thunder is near", "thunder"),
        ("Birds chirp during a conversation", "conversation"),
        ("The sea is near a house", "sea"),
        ("A woman screams near a house", "screams"),
        ("An engine and screams are heard", "screams"),
        ("A gust of wind is heard", "gust"),
    ],
)
def test_the_sense_of_the_family_is_still_an_event(text: str, word: str) -> None:
    assert word in str(new_event(["Birds chirp as gravel crunches"], text))


def test_a_tag_speaks_for_an_event() -> None:
    assert new_event(["A loud noise"], "A siren wails") is not None
    assert new_event(["A loud noise", "ambulance"], "A siren wails") is None


def test_a_caption_brings_no_event_that_it_names_itself() -> None:
    text = "A dog barks while a train passes and thunder rolls"
    assert len(named_families(text)) == 3
    assert new_event([text], text) is None


def test_few_captions_of_a_language_model_are_refused_and_most_foreign_events_are_seen() -> None:
    if not PHI.is_file():
        pytest.skip("no mirror of real captions here")
    with PHI.open(encoding="utf-8") as file:
        rows = random.Random(0).sample(list(csv.DictReader(file)), 800)
    given = [[row[f"caption_{number}"] for number in range(1, 6)] for row in rows]
    written = [row[f"caption_{number}"] for row in rows for number in range(6, 11)]
    sources = [captions for captions in given for _ in range(5)]
    refused = [new_event(s, t) is not None for s, t in zip(sources, written, strict=True)]
    assert 0 < sum(refused) <= 0.01 * len(refused)
    added = [f"Someone is near while a {word}" for word in ("dog barks", "siren wails", "baby cries", "train passes")]
    seen = [new_event(captions, text) is not None for captions in given for text in added]
    assert sum(seen) >= 0.75 * len(seen)


def test_rewordings_bring_no_event() -> None:
    if not MIRROR.is_dir():
        pytest.skip("no mirror of real captions here")
    with (MIRROR / "clotho_captions_development.csv").open(encoding="utf-8") as file:
        captions = random.Random(1).sample([row["caption_1"] for row in csv.DictReader(file)], 500)
    assert sum(new_event([caption], round_trip(caption, 0)) is not None for caption in captions) <= 2
