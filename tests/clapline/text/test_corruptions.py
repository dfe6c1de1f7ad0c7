from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.storage import mirror
from clapline.text.corruptions import KINDS, corrupted
from clapline.text.order import same_order
from clapline.text.words import tokens

SOME = (
    "a an the dog dogs engine rain man woman barks bark barking speaks is running followed by then before after and "
    "while , . loud loudly quiet distant nearby in distance opens closes slow high pitched Birds of I first"
)
ADVERBS = "loudly quietly quickly slowly indoors outdoors nearby continuously intermittently heavily lightly"
PHRASES = ("in the distance", "far away", "close by", "as a man talks", "as an engine starts", "in a high pitch")
CAPTIONS = st.lists(st.sampled_from(SOME.split()), max_size=14).map(" ".join)


def cases(text: str) -> list[tuple[str, str | None]]:
    """Lines of "caption => twin"; no twin is None."""
    lines = [line.split("=>") for line in text.strip().splitlines()]
    return [(caption.strip(), twin.strip() or None) for caption, twin in lines]


ORDER = """
    A dog barks before a bell rings. => A dog barks after a bell rings.
    A dog barks after the bell rings => A dog barks before the bell rings
    After a bell rings, a dog barks. => Before a bell rings, a dog barks.
    Before a bell rings, a dog barks. => After a bell rings, a dog barks.
    A dog barking followed by a man speaking. => A man speaking followed by a dog barking.
    A dog barking is followed by music. => Music is followed by a dog barking.
    A dog barks, then a man speaks => A man speaks, then a dog barks
    A dog barks and then a man speaks. => A man speaks and then a dog barks.
    A dog barks, and then a man speaks. => A man speaks, and then a dog barks.
    Typing on keys then clicking a mouse. => Clicking a mouse then typing on keys.
    TV static plays, then a man speaks. => A man speaks, then TV static plays.
    In a park, a dog barking followed by music. => In a park, music followed by a dog barking.
    A dog barks, then a man speaks, over traffic. => A man speaks, then a dog barks, over traffic.
    First a dog barks, next a bell rings. => First a bell rings, next a dog barks.
    First comes a dog barking, then a bell ringing. => First comes a bell ringing, then a dog barking.
    The sound of a dog, and then of a bell. => The sound of a bell, and then of a dog.
"""
NO_ORDER = """
    A dog barks while a man speaks.
    A dog barks day after day.
    Dogs bark one after another.
    A dog barks now and then as a man speaks.
    People look after a dog barking in a yard.
    A dog barks and after a while a man speaks.
    A dog barks then stops.
    A dog barks and then runs away.
    Then a dog barks.
    A dog barks before.
    A dog barks, then a man speaks before a bell rings.
    A dog barks followed by a man and then a bell.
    A dog barks. A man speaks, then a bell rings.
    A dog barks, then it growls.
    There is a dog barking followed by a man speaking.
    A man being followed by a dog barks.
    A dog barks then slow down.
    A dog barks then a dog barks.
    Two dogs are followed by music.
"""
ANTONYM = """
    A loud horn blows. => A quiet horn blows.
    Loud horns blow. => Quiet horns blow.
    LOUD HORNS BLOW => QUIET HORNS BLOW
    A dog barks loudly. => A dog barks quietly.
    A car drives slow. => A car drives fast.
    A high pitched squeak. => A low pitched squeak.
    A high-pitched squeak. => A low-pitched squeak.
    Heavy rain falls. => Light rain falls.
    A man speaks. => A woman speaks.
    A man's voice is heard. => A woman's voice is heard.
    Several women talk. => Several men talk.
    A girl sings. => A boy sings.
    A door opens. => A door closes.
    An engine starts. => An engine stops.
    An engine starts running. => An engine stops running.
    A motor is turned on. => A motor is turned off.
    A continuous hum. => An intermittent hum.
    An intermittent hum. => A continuous hum.
    A dog barks in the distance. => A dog barks nearby.
    A dog barks nearby. => A dog barks in the distance.
    A distant siren wails. => A nearby siren wails.
    A siren wails far away. => A siren wails close by.
    A car slows down. => A car speeds up.
    A car is approaching. => A car is receding.
    A train accelerates. => A train decelerates.
    Children play outdoors. => Children play indoors.
    A bell rings at regular intervals. => A bell rings at irregular intervals.
    The noise gets louder. => The noise gets quieter.
    A large crowd claps. => A small crowd claps.
    Feet step on a hard surface. => Feet step on a soft surface.
    A horn gives a long beep. => A horn gives a short beep.
"""
NO_ANTONYM = """
    A dog barks.
    Cars pass a traffic light at a high school.
    A person laughs out loud.
    A loud speaker hums.
    A low murmur of voices.
    Someone sits close to a fast food shop.
    A door opens and closes.
    A man and a woman talk.
    A man clears his throat.
    A man made stream.
    A train approaches the station.
    An engine starts to hum.
    The voices get louder and louder.
    A horn blows far off in the distance and nearby.
    People make small talk.
    A small child cries.
    Birds near the road.
    A light is switched.
    A room with an open window.
"""
VERB = """
    A dog barks loudly. => A dog loudly.
    Dogs bark. => Dogs.
    A dog is barking, and rain is falling. => A dog is, and rain is falling.
    A horn loudly blares. => A horn loudly.
    Wind blowing hard => Wind hard
    Typing on a keyboard. => On a keyboard.
    Someone whistles a tune. => Someone a tune.
    Birds can be heard as a man speaks. => Birds can be heard as a man.
    The toilet is flushed. => The toilet is.
    A dog starts barking. => A dog starts.
    People talk and laugh. => People and laugh.
"""
NO_VERB = """
    Running water.
    The barking of a dog.
    Dog barks can be heard.
    A dog barking sound.
    Loud barks.
    A talk about rain.
    Snoring.
    Light rain with a low hum.
    A saw and a file.
"""
NOUN = """
    A dog barks loudly. => A barks loudly.
    An engine hums. => A hums.
    A man eats. => An eats.
    Birds chirp. => Chirp.
    The sound of water running. => The sound of running.
    Heavy rain falls. => Heavy falls.
    Rain is falling. => Is falling.
    A crowd of people talk. => A crowd of talk.
    A train horn blows. => A train blows.
    A person walks across the water as a dog barks. => A walks across the water as a dog barks.
    Birds and crickets chirp. => Birds and chirp.
    A train station is busy while water runs. => A train station is busy while runs.
"""
NO_NOUN = """
    It is getting louder.
    Someone barks.
    To water the plants.
    Near a train station.
    Someone walks into the water.
    Someone steps into the water quickly.
    A bike or motorcycle is passing.
    Someone begins to rain blows.
    Someone hears a loud bang against a wall.
    Dog-like growling.
    It rains.
    A man's.
    Laughter.
    The barking of a dog.
    A dog, a cat, a cow.
    Someone drills.
"""


@pytest.mark.parametrize(
    ("kind", "caption", "twin"),
    [
        (kind, *case)
        for kind, text in {"order": ORDER, "antonym": ANTONYM, "verb": VERB, "noun": NOUN}.items()
        for case in cases(text)
    ],
)
def test_twin(kind: str, caption: str, twin: str) -> None:
    assert corrupted(caption, kind) == twin


@pytest.mark.parametrize(
    ("kind", "caption"),
    [
        (kind, caption.strip())
        for kind, text in {"order": NO_ORDER, "antonym": NO_ANTONYM, "verb": NO_VERB, "noun": NO_NOUN}.items()
        for caption in text.strip().splitlines()
    ],
)
def test_trap_has_no_twin(kind: str, caption: str) -> None:
    assert corrupted(caption, kind) is None


def test_one_way_words_do_not_come_back() -> None:
    assert corrupted("A faint siren.", "antonym") == "A loud siren."
    assert corrupted("A loud siren.", "antonym") == "A quiet siren."


def test_spaces_are_put_right() -> None:
    assert corrupted("  A  dog barks , and wind blows .", "verb") == "A dog, and wind blows."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("caption", ["", " ", ".", "dog", "...", "then", "before", "loud"])
def test_hardly_a_caption_never_leaves_nothing(kind: str, caption: str) -> None:
    twin = corrupted(caption, kind)
    assert twin is None or tokens(twin)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of corruption 'adverb'"):
        corrupted("A dog barks.", "adverb")


def faults(caption: str, kind: str) -> list[str]:
    """What is wrong with the twin of a caption, whatever its words mean."""
    twin = corrupted(caption, kind)
    if twin is None:
        return []
    before, after = bag(caption), bag(twin)
    wrong = {
        "not the same twice": corrupted(caption, kind) != twin,
        "equal to the caption": twin.split() == caption.split(),
        "empty": not tokens(twin),
        "spaces": twin != twin.strip() or "  " in twin or bool(re.search(r" [,.;]", twin)),
        "capital lost": caption.strip()[0].isupper() and twin[0].islower(),
        "full stop lost": caption.strip().endswith(".") != twin.endswith("."),
    }
    if kind in ("verb", "noun"):
        wrong["more or less than one word left out"] = (before - after).total() != 1 or bool(after - before)
    if kind == "order":
        wrong["other words"] = before != after
        wrong["same order"] = same_order(caption, twin)
    if kind == "antonym":
        wrong["more than a phrase exchanged"] = not 1 <= (before - after).total() <= 3
    return [fault for fault, found in wrong.items() if found]


def bag(text: str) -> Counter[str]:
    """The words, where those that a twin may change on the way count as one."""
    same = {"an": "a", "before": "after"}
    return Counter(same.get(word, word) for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.lower()))


@pytest.mark.parametrize("kind", KINDS)
@given(caption=CAPTIONS)
def test_invariants_of_any_words(kind: str, caption: str) -> None:
    assert faults(caption, kind) == []


@pytest.mark.parametrize("kind", KINDS)
@given(caption=st.text(max_size=40))
def test_any_text_is_read(kind: str, caption: str) -> None:
    twin = corrupted(caption, kind)
    assert twin is None or twin == corrupted(caption, kind) != caption


@given(
    start=st.sampled_from(["A dog barks", "Birds chirp", "Wind blows"]),
    word=st.sampled_from([*ADVERBS.split(), *PHRASES]),
    end=st.sampled_from(["", ".", ", and rain falls.", " while rain falls"]),
)
def test_two_way_antonyms_come_back(start: str, word: str, end: str) -> None:
    caption = f"{start} {word}{end}"
    twin = corrupted(caption, "antonym")
    assert twin is not None
    assert corrupted(twin, "antonym") == caption


def real_captions(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"clotho": [], "audiocaps": []}
    for split in ("development", "validation", "evaluation"):
        with (folder / "clotho" / f"clotho_captions_{split}.csv").open(newline="", encoding="utf-8") as lines:
            found["clotho"] += [row[f"caption_{k}"] for row in csv.DictReader(lines) for k in range(1, 6)]
    for split in ("train", "val"):
        with (folder / "audiocaps" / f"{split}.csv").open(newline="", encoding="utf-8") as lines:
            found["audiocaps"] += [row["caption"] for row in csv.DictReader(lines)]
    return found


def test_invariants_and_coverage_of_real_captions() -> None:
    folder = mirror()
    if folder is None or not (folder / "clotho").is_dir() or not (folder / "audiocaps").is_dir():
        pytest.skip("CLAPLINE_MIRROR names no folder with the captions of Clotho and AudioCaps")
    least = {
        "clotho": {"order": 0.03, "antonym": 0.3, "verb": 0.6, "noun": 0.7},
        "audiocaps": {"order": 0.12, "antonym": 0.5, "verb": 0.7, "noun": 0.8},
    }
    for name, captions in real_captions(folder).items():
        some = captions[::15]  # all of them take a minute
        for kind in KINDS:
            assert {caption: found for caption in some if (found := faults(caption, kind))} == {}
            assert sum(corrupted(caption, kind) is not None for caption in some) >= least[name][kind] * len(some)


@pytest.mark.parametrize(
    ("caption", "kind"),
    [
        ("A man speaks before a large crowd.", "order"),
        ("A woman sings before an audience.", "order"),
        ("After five seconds, a horn honks.", "order"),
        ("No loud noise is heard while a man speaks.", "antonym"),
        ("A dog barks without a loud growl.", "antonym"),
    ],
)
def test_places_spans_and_denials_are_left_alone(caption, kind):
    assert corrupted(caption, kind) is None
