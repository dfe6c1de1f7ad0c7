from __future__ import annotations

import csv
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clapline.datasets.soundscapes.grammar import captions as said_of
from clapline.datasets.soundscapes.scene import plan
from clapline.datasets.soundscapes.taxonomy import CLASSES
from clapline.randomness import generator
from clapline.text.seen import seen_share
from clapline.text.words import jaccard, tokens
from stages.captions import checks
from stages.captions.builtin.answer import answer
from stages.captions.builtin.clauses import read_part
from stages.captions.builtin.labels import _phrases, label_captions
from stages.captions.builtin.lexicon import entries, replacements
from stages.captions.builtin.paraphrase import paraphrase
from stages.captions.builtin.reserves import reserved
from stages.captions.builtin.rewording import article, replaceable
from stages.captions.builtin.rules import templates
from stages.captions.builtin.synthesize import new_captions
from stages.captions.builtin.tagging import tagged
from stages.captions.builtin.verbs import base_of_gerund, base_of_past, base_of_third
from stages.captions.prompts import PARAPHRASE_TEST, PARAPHRASE_TRAIN, again, request

WORDS = ["a", "the", "dog", "dogs", "bark", "barks", "barking", ",", "and", "while", "then", "after", "is", "in", "as"]
MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"


# One case per rule and form; the second asking and later give other structures.
@pytest.mark.parametrize(
    ("caption", "purpose", "expected"),
    [
        ("A dog barks while rain falls.", "train", "While rain falls, a dog barks."),
        ("A dog barks while rain falls.", "train", "As rain falls, a dog barks."),
        ("A dog barks while rain falls.", "test", "Whilst rain falls, a dog barks."),
        ("A man speaks followed by clicking", "train", "After a man speaks, clicking can be heard"),
        ("A man speaks followed by clicking", "test", "Clicking, preceded by a man speaking"),
        ("A small engine idles in a yard", "train", "The idling of a small engine in a yard can be heard"),
        ("An engine idles", "test", "There is an engine idling"),
        ("Birds chirp and wind blows", "train", "Wind blows and birds chirp"),
        ("Grease is popping in the kitchen", "train", "In the kitchen, grease is popping"),
        ("Grease is popping in the kitchen", "test", "It is in the kitchen that grease is popping"),
        ("A man strikes a drum", "train", "A drum is struck by a man"),
        ("A man strikes a drum", "test", "There is a drum being struck by a man"),
        ("Water is poured by a woman", "train", "A woman pours water"),
        ("A woman sneezes and blows her nose", "train", "A woman is sneezing and blowing her nose"),
        ("A cart slows, then stops", "train", "After slowing, a cart stops"),
        ("The bus brakes as it comes to a stop", "train", "As it comes to a stop, the bus brakes"),
        ("A person hums while typing on a keyboard", "test", "Whilst typing on a keyboard, a person hums"),
        ("A bell being rung repeatedly", "train", "A bell is being rung repeatedly"),
        ("A dog barks. Then a man talks.", "train", "After a dog barks, a man talks."),
        ("A horn beeps with music in the background", "train", "With music in the background, a horn beeps"),
    ],
)
def test_level_1_rules(caption: str, purpose: str, expected: str) -> None:
    texts = [paraphrase(caption, 1, purpose, turn) for turn in range(6)]
    assert expected in texts
    assert all(checks.sentence(text) is None for text in texts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a train warning horn blows", "D N Q N V"),
        ("loud barking occurs", "A H V"),
        ("waves crash and gulls call", "N V C N V"),
        ("a group of people talk", "D N P N V"),
        ("the water is being poured into a cup", "D N B B E P D N"),
        ("an adult male speaks then laughs", "D A N V J V"),
        ("the contents drop on the floor", "D N V P D N"),
    ],
)
def test_words_are_told_apart_by_their_neighbours(text: str, parts: str) -> None:
    assert " ".join(word.part for word in tagged(text)) == parts


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (lambda part: part.heard_thing(), "a dog loudly barking and growling"),
        (lambda part: part.progressive_clause(), "a dog is loudly barking and growling"),
        (lambda part: part.can_be_heard(), "a dog can be heard loudly barking and growling"),
        (lambda part: part.relative(), "a dog that loudly barks and growls"),
    ],
)
def test_every_verb_of_a_subject_changes_its_form(form, expected: str) -> None:
    assert form(read_part("a dog loudly barks and growls")) == expected


def test_synonyms_fit_the_part_that_a_word_plays() -> None:
    def offered(text: str, word: str) -> set[str]:
        found = [place for place in replaceable(text, "train") if text[place.start : place.end] == word]
        return {phrase for place in found for phrase in place.alternatives}

    assert "foliage" in offered("a man walks on leaves", "leaves")
    assert "foliage" not in offered("a car leaves", "leaves")
    assert offered("water pours into a cup", "pours") == {"streams"}
    assert offered("a man pours water", "pours") == {"tips"}
    assert not offered("an engine revs up", "revs")


def test_articles_agree_with_the_new_word() -> None:
    assert article("he hears a ", "engine") == "he hears an "
    assert article("he hears an ", "unusual hum") == "he hears an "
    assert article("he hears an ", "unit") == "he hears a "
    assert article("he hears an ", "hour") == "he hears an "
    assert article("he hears a ", "an engine") == "he hears "


def test_no_synonym_serves_both_purposes() -> None:
    sides = {purpose: {a for entry in entries() for a in entry.alternatives[purpose]} for purpose in ("train", "test")}
    assert not sides["train"] & sides["test"]
    assert len(entries()) >= 400
    assert len({(entry.part, entry.word) for entry in entries()}) == len(entries())


def test_no_rule_or_frame_serves_both_purposes() -> None:
    train, test = templates("train"), templates("test")
    assert not set(train) & set(test)
    assert min(len(train), len(test)) > 20
    assert len(set(train)) == len(train)
    assert len(set(test)) == len(test)


def test_reserved_words_are_said_by_their_own_purpose_alone() -> None:
    caption = "A dog barks while rain falls."
    for purpose, words in (("train", {"mutt", "yelps"}), ("test", {"pooch", "bays"})):
        other = {"mutt", "yelps", "yelping"} if purpose == "test" else {"pooch", "bays", "baying"}
        said = {word for turn in range(12) for word in tokens(reserved(caption.lower(), purpose, turn, 0.3))}
        assert said & words
        assert not said & other
    assert reserved("an old dog barks at the postman", "test", 0, 0.3) == "an old dog barks at the postman"


def test_the_benchmarks_bring_in_nothing_that_training_has_seen_on_the_default_dataset() -> None:
    train, test = soundscape_captions("train", 120), soundscape_captions("test", 40)
    written = [paraphrase(text, level, "train", 0) for text in train for level in (1, 2)]
    pairs = [(text, paraphrase(text, level, "test", 0)) for text in test for level in (1, 2)]
    seen = seen_share(pairs, [*train, *written])
    assert seen.words > 100
    assert seen.frames > 100
    assert seen.words_seen <= 0.05 * seen.words
    assert seen.frames_seen <= 0.05 * seen.frames


def test_an_asking_anew_stays_nearer() -> None:
    caption = "A person snores loudly while a horse trots on gravel"
    shared = [jaccard(caption, paraphrase(caption, 2, "train", turn)) for turn in range(3)]
    assert max(shared) <= 0.6
    assert len({paraphrase(caption, 2, "train", turn) for turn in range(3)}) == 3


def test_label_phrases_of_training_and_benchmarks_differ() -> None:
    train = {phrase for sides in _phrases().values() for phrase in sides["train"]}
    test = {phrase for sides in _phrases().values() for phrase in sides["test"]}
    assert not train & test
    assert len(_phrases()) >= 58


@pytest.mark.parametrize("label", [*_phrases(), *CLASSES, "violin", "gears_grinding"])
@pytest.mark.parametrize("purpose", ["train", "test"])
def test_label_captions_pass_their_checks(label: str, purpose: str) -> None:
    captions = label_captions([label], "Loud thing outside", purpose, 10)
    assert len(captions) == 10
    for place, text in enumerate(captions):
        assert checks.label_caption([label], captions[:place], text) is None


def test_a_description_that_tells_of_no_sound_is_a_failure() -> None:
    assert label_captions([], "My holiday upload, part 5", "train", 3) == ["Failure."] * 3
    assert label_captions([], None, "test", 2) == ["Failure."] * 2
    told = label_captions([], "Recorded at home. A dog barks at the gate", "train", 3)
    assert len(set(told)) == 3
    assert all("dog" in text for text in told)


def test_a_tag_beside_the_label_is_told() -> None:
    texts = label_captions(["dog_bark"], None, "train", 4, ["rain"])
    assert any("rain" in text for text in texts)
    assert any("rain" not in text for text in texts)


@given(st.text(max_size=80), st.sampled_from([1, 2]), st.sampled_from(["train", "test"]))
@settings(max_examples=150, deadline=None)
def test_any_text_gets_an_answer(caption: str, level: int, purpose: str) -> None:
    assert isinstance(paraphrase(caption, level, purpose, 0), str)


@given(st.lists(st.sampled_from(WORDS)))
@example([",", "then", ",", "in", "a"])
@settings(max_examples=200, deadline=None)
def test_any_heap_of_caption_words_gets_an_answer(words: list[str]) -> None:
    for level in (1, 2):
        for purpose in ("train", "test"):
            paraphrase(" ".join(words), level, purpose, 1)


def test_another_asking_gets_another_text() -> None:
    messages = request(PARAPHRASE_TRAIN, {"caption": "A dog barks while rain falls on a roof"}, ["level_1"])
    first = answer(messages)
    second = answer(messages + again(first, {"level_1": "order: told differently"}))
    assert json.loads(first) != json.loads(second)


def test_training_and_benchmark_answers_differ() -> None:
    asked = {"caption": "A dog barks while rain falls on a roof"}
    answers = [answer(request(prompt, asked, ["level_1", "level_2"])) for prompt in (PARAPHRASE_TRAIN, PARAPHRASE_TEST)]
    assert set(json.loads(answers[0])["answers"].values()).isdisjoint(json.loads(answers[1])["answers"].values())


def test_new_captions_name_no_number() -> None:
    names = [str(k) for k in range(1, 6)]
    given_captions = ["Two dogs bark three times", "A pair of dogs barks while 4 cars pass"]
    texts = new_captions(given_captions, names, names, 0)
    assert len(texts) == 5
    for name, text in texts.items():
        assert checks.new_caption(given_captions, [texts[n] for n in names if n < name], text) is None


@pytest.mark.parametrize("purpose", ["train", "test"])
@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("source", ["clotho", "audiocaps"])
def test_most_real_captions_are_paraphrased(source: str, level: int, purpose: str) -> None:
    captions = real_captions(source, 200)
    passed = sum(
        any(checks.paraphrase(text, paraphrase(text, level, purpose, turn), level) is None for turn in range(3))
        for text in captions
    )
    assert passed >= 0.95 * len(captions)


def real_captions(source: str, count: int) -> list[str]:
    if not MIRROR.is_dir():
        pytest.skip("no mirror of real captions here")
    name = {"clotho": "clotho/clotho_captions_evaluation.csv", "audiocaps": "audiocaps/val.csv"}[source]
    column = {"clotho": "caption_1", "audiocaps": "caption"}[source]
    with (MIRROR / name).open(encoding="utf-8") as file:
        return random.Random(0).sample([row[column] for row in csv.DictReader(file)], count)


def soundscape_captions(split: str, count: int) -> list[str]:
    found: list[str] = []
    for index in range(count):
        scene = plan(0, split, index, 4.0)
        traits = tuple(("loud", "high") for _ in scene.events)
        found += said_of(scene, traits, generator(0, "soundscapes", "captions", split, index))
    return found


_PRINT_ALL = """
import hashlib, json, sys
from stages.captions.builtin.paraphrase import paraphrase
for text in json.load(sys.stdin):
    said = [paraphrase(text, level, side, turn) for level in (1, 2) for side in ("train", "test") for turn in range(3)]
    print(json.dumps(said))
"""


def test_paraphrases_are_the_same_whatever_the_hash_seed() -> None:
    # "whir" and "whirr" share their forms: which of them a text had went by the order of a set.
    captions = ["A fan whirring", "The drill whirred loudly", *soundscape_captions("train", 40)]
    if MIRROR.is_dir():
        captions += [*real_captions("clotho", 100), *real_captions("audiocaps", 100)]
    said = []
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", _PRINT_ALL],
            input=json.dumps(captions),
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).resolve().parents[3],
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        said.append(run.stdout.splitlines())
    assert len(said[0]) == len(captions)
    assert said[0] == said[1]


def test_every_form_of_a_verb_leads_to_one_base() -> None:
    assert base_of_gerund("whirring") == base_of_past("whirred") == "whir"
    assert base_of_third("whirrs") == "whirr"


@pytest.mark.parametrize("purpose", ["train", "test"])
@pytest.mark.parametrize(
    "caption",
    [
        "A two-tone siren.",
        "A quick two-tone siren can be heard.",
        "An ambulance siren alternates two notes.",
        "A two-tone siren alternates two notes in a high pitch and then a storm rolls.",
        "As the surf crashes ashore loudly, a smoke alarm beeps three times over.",
    ],
)
def test_reserved_words_count_what_the_caption_counts(caption: str, purpose: str) -> None:
    for turn in range(3):
        assert checks.paraphrase(caption, paraphrase(caption, 2, purpose, turn), 2) is None


def test_an_event_is_changed_by_half_where_that_is_enough() -> None:
    for purpose in ("train", "test"):
        said = {reserved("a tower bell tolls", purpose, turn, 0.6) for turn in range(8)}
        assert all("bell" in text or "tolls" in text for text in said)
        assert reserved("a tower bell tolls", purpose, 0, 0.0) not in said


@pytest.mark.parametrize(("purpose", "expected"), [("train", "the yelping of a dog"), ("test", "the baying of a dog")])
def test_a_published_noun_phrase_keeps_its_form(purpose: str, expected: str) -> None:
    said = {reserved("the barking of a dog", purpose, turn, 0.6) for turn in range(4)}
    assert expected in said
    assert all(text.startswith("the ") and " of a " in text for text in said)


def test_the_plural_of_a_phrase_is_that_of_its_noun() -> None:
    for purpose in ("train", "test"):
        phrases = [p for some in replacements(purpose, "n", "plural").values() for p in some]
        assert not [p for p in phrases if re.search(r" (?:of|in|with|without|from) (?:an? )\w+s$", p)]
    assert "rumblings from the clouds" in replacements("test", "n", "plural")["thunders"]


def test_water_stays_water_where_other_words_can_change() -> None:
    for purpose, other in (("train", "liquid"), ("test", "fluid")):
        for turn in range(3):
            text = paraphrase("A man talks loudly while water splashes on the floor", 2, purpose, turn)
            assert other not in tokens(text)


@pytest.mark.parametrize("caption", ["A motor vehicle engine is idling", "A male voice talking over a radio"])
def test_two_names_of_one_thing_do_not_stand_side_by_side(caption: str) -> None:
    for purpose in ("train", "test"):
        for turn in range(3):
            text = paraphrase(caption, 2, purpose, turn)
            assert not re.search(r"motor automobile|motor conveyance|vocal sound", text)
