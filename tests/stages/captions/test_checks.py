from __future__ import annotations

import csv
import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.captions import checks
from stages.captions.prompts import PARAPHRASE_TEST, PARAPHRASE_TRAIN, REWRITE_TEST, REWRITE_TRAIN, Prompt

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"

SOURCE = "Two dogs bark while rain falls on the roof"


def name(failure: str | None) -> str | None:
    return failure and failure.partition(":")[0]


@pytest.mark.parametrize(
    ("text", "level", "failed"),
    [
        ("While rain falls on the roof, two dogs bark", 1, None),
        ("While drizzle drops on the roof, two hounds woof", 2, None),
        ("two dogs bark, while rain falls on the roof.", 1, "identical"),
        ("", 1, "empty"),
        ("Two dogs bark. Rain falls on the roof", 1, "one_sentence"),
        ("Two dogs\nbark", 1, "one_sentence"),
        ("Two dogs", 1, "length"),
        ("While rain falls on the roof, three dogs bark", 1, "numbers"),
        ("While rain falls on the roof, dogs bark", 1, "numbers"),
        ("While rain falls on the roof, two dogs bark in Berlin", 1, "entity"),
        ("While rain falls on the roof, two dogs bark into a tascam", 1, "entity"),
        ("Rain falls on the roof after two dogs bark", 1, "order"),
        ("While drizzle drops on the roof, two hounds woof", 1, "words_changed"),
        ("While rain falls on the roof, two dogs bark", 2, "words_kept"),
        ("Zwei Hunde bellen, während der Regen auf das Dach fällt", 2, "language"),
        ("\u4e24\u53ea\u72d7\u5728\u53eb", 2, "language"),
        ("Here is the caption: while rain falls on the roof, two dogs bark", 1, "meta"),
        ("While rain falls on the roof, two dogs never bark", 1, "negation"),
        ("While rain softly falls on the roof, two dogs bark", 1, None),
    ],
)
def test_paraphrase_fails_by_name(text: str, level: int, failed: str | None) -> None:
    assert name(checks.paraphrase(SOURCE, text, level)) == failed


def test_level_1_needs_another_structure() -> None:
    source = "two small dogs bark while heavy rain falls on the old roof"
    text = "two small dogs bark while the heavy rain falls on the old roof"  # 12 of 13 words in the same order
    assert name(checks.paraphrase(source, text, 1)) == "structure"


@pytest.mark.parametrize(
    ("source", "text", "failed"),
    [
        ("a b c d", "b a", None),
        ("a b c d e", "b a", "length"),
        ("b a", "a b c d", None),
        ("b a", "a b c d e", "length"),
    ],
)
def test_half_and_twice_the_words_just_pass(source: str, text: str, failed: str | None) -> None:
    assert name(checks.length_ratio(source, text)) == failed


def test_the_bounds_of_the_levels_just_pass() -> None:
    four = "bells ring while horns honk"
    assert checks.level_words(four + " loudly", "while horns honk, bells ring", 1) is None  # 4 of 5 words: 0.8
    assert name(checks.level_words(four, "while horns honk, bells", 1)) == "words_changed"  # 3 of 4
    assert checks.level_words("one two three bells", "one two three horns", 2) is None  # 3 of 5: 0.6
    assert name(checks.level_words("one two three four bells", "one two three four horns", 2)) == "words_kept"  # 4 of 6
    ten = "dogs bark near birds that chirp as cats meow loudly"
    turned = "near dogs bark birds that chirp as cats meow loudly"
    assert checks.order_overlap(ten, turned) == checks.ORDER_OVERLAP
    assert checks.level_words(ten, turned, 1) is None


WORDS = [
    "a",
    "the",
    "no",
    "two",
    "dog",
    "barks",
    "then",
    "after",
    "before",
    "follows",
    "later",
    ",",
    "a",
    "loudly",
    "un",
]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
@settings(max_examples=300, deadline=None)
def test_any_text_gets_a_verdict_and_none_is_its_own_paraphrase(text: str) -> None:
    source = "After a dog barks twice, no bird sings nearby"
    for level in (1, 2):
        assert checks.paraphrase(text, text, level) is not None
        for pair in ((source, text), (text, source)):
            failure = checks.paraphrase(*pair, level)
            assert failure is None or re.match(r"[a-z_]+: \S", failure)
    assert checks.order_kept(text, text) is None
    assert checks.same_numbers(text, text) is None
    assert checks.negation_kept(text, text) is None
    for failure in (checks.new_caption([source], [], text), checks.label_caption([source], [], text)):
        assert failure is None or "\n" not in failure


@pytest.mark.parametrize(
    ("source", "text", "kept"),
    [
        ("A dog barks followed by a car horn", "After a dog barks, a car horn can be heard", True),
        ("A dog barks followed by a car horn", "A car horn can be heard after a dog barks", True),
        ("A dog barks followed by a car horn", "Before a car horn, a dog barks", True),
        ("A dog barks followed by a car horn", "A car horn followed by a dog barking", False),
        ("A dog barks followed by a car horn", "After a car horn, a dog barks", False),
        ("A dog barks followed by a car horn", "A dog barks after a car horn", False),
        ("A dog barks followed by a car horn", "A dog barks while a car horn sounds", False),
        ("A dog barks then a bell rings then a man speaks", "A bell rings then a dog barks then a man speaks", False),
        (
            "A dog barks then a bell rings then a man speaks",
            "A man speaks after a dog barks and then a bell rings",
            False,
        ),
        ("Water flows", "Flowing of water", True),
        ("A dog barks followed closely by a car horn", "After a dog barks, a car horn is heard", True),
        ("A dog barks, followed for a moment by a car horn", "A car horn is heard after a dog barks", True),
        ("A dog barks, after which a car horn sounds", "A car horn sounds after a dog barks", True),
        ("A dog barks, after which a car horn sounds", "A dog barks after a car horn sounds", False),
        ("A burst precedes children speaking", "A burst, then children speaking", True),
        ("A burst precedes children speaking", "A burst after children speaking", False),
        ("Talking following by a baa", "Talking, then a baa", True),
        ("A woman speaks and a big splash follows", "A woman speaks, followed by a big splash", True),
        ("A woman speaks and a big splash follows", "A big splash, then a woman speaks", False),
        ("Bees buzz and metal clanks a bit later", "Bees buzz before metal clanks", True),
        ("A door opens, after a few seconds a man speaks", "A door opens before a man speaks", True),
        ("After a dog barks a man speaks", "A dog barks and then a man speaks", True),
        ("After a dog barks a man speaks", "A man speaks and then a dog barks", False),
        (
            "A man speaks, and after a dog barks, a car passes",
            "A man speaks, then a dog barks, then a car passes",
            True,
        ),
        ("A car revs until it is turned off", "A car revs and then it is turned off", True),
        ("A man speaks until a dog barks", "A dog barks until a man speaks", False),
        ("A man speaks until a dog barks", "A man talks until dogs bark", True),
        ("A man speaks until a dog barks", "Until a dog barks, a man speaks", True),
        ("Music leads to applause", "Applause leads to music", False),
        ("A dog barks and a man follows", "A man yells and a dog follows", False),
        ("A dog barks, ending with a thud", "Barks of a dog end with a thud", True),
        ("Music plays, leading to applause", "Music plays, followed by applause", True),
        ("Crickets chirp every now and then", "Occasionally, crickets chirp", True),
        ("Water drips prior to a splash", "A splash after water drips", True),
        ("People talk next to a road", "By a road, people talk", True),
    ],
)
def test_order_in_time(source: str, text: str, kept: bool) -> None:
    assert (checks.order_kept(source, text) is None) is kept


@pytest.mark.parametrize(
    ("source", "text", "kept"),
    [
        ("two dogs bark three times", "3 times 2 dogs bark", True),
        ("two dogs bark twice", "two dogs bark", False),
        ("two dogs bark", "a pair of dogs bark", True),
        ("a couple of dogs bark", "2 dogs bark", True),
        ("a couple of dogs bark", "a few dogs bark", True),
        ("a couple of dogs bark", "three dogs bark", False),
        ("a pair of dogs bark", "some dogs bark", False),
        ("a pair of scissors cuts paper", "scissors cut paper", True),
        ("one dog barks", "a dog barks", True),
        ("a dog barks", "one dog barks", True),
        ("one dog barks", "dogs bark", False),
        ("1,000 people cheer", "1000 people cheer", True),
        ("fifteen people cheer", "15 people cheer", True),
        ("fifteen people cheer", "people cheer", False),
    ],
)
def test_numbers_count_as_said_in_digits_or_words(source: str, text: str, kept: bool) -> None:
    assert (checks.same_numbers(source, text) is None) is kept
    assert (checks.same_numbers(text, source) is None) is kept


@pytest.mark.parametrize(
    ("source", "text", "failed"),
    [
        ("A man speaks with no music", "A man speaks without music", None),
        ("A man speaks with no music", "A man speaks in silence", None),
        ("A man speaks with no music", "A man speaks with music", "negation"),
        ("A man speaks with music", "A man speaks without music", "negation"),
        ("A clock doesn't tick", "A clock ticks", "negation"),
        ("A man talks with no music", "A man talks with music playing quietly", "negation"),
        ("A man talks with no music", "A man talks alone with music", "negation"),
        ("A man talks with no music", "A man talks over hardly changing music", "negation"),
        ("A man talks with no music", "A man talks, accompanied by free jazz", "negation"),
        ("A man talks with no music", "A man talks, unaccompanied by music", None),
        ("The car does not stop", "The car stops", "negation"),
        ("A man talks with no music", "A man talks as music stops", "negation"),
        ("A dog barks until nothing is heard", "A dog barks until it stops", None),
        ("The music stops after a while", "After a while there is no music", None),
        ("A clock ticks continuously", "A clock ticks without a break", None),
        ("A clock ticks", "There is nothing but a ticking clock", None),
    ],
)
def test_what_is_denied_stays_denied(source: str, text: str, failed: str | None) -> None:
    assert name(checks.negation_kept(source, text)) == failed


@pytest.mark.parametrize(
    ("source", "text", "level", "failed"),
    [
        ("A dog barks loudly", "The loud barking of a dog", 1, None),
        ("A dog barks loudly", "The barking of a dog", 1, "loudness"),
        ("A dog barks in the distance", "A distant dog barks", 1, "place"),
        ("A dog barks in the distance", "In the distance, a dog barks", 1, None),
        ("A dog barks in the distance", "A far hound woofs", 2, None),
        ("A dog barks in the distance", "A hound woofs nearby", 2, "place"),
        ("A dog barks loudly", "A hound softly woofs", 2, "loudness"),
        ("A dog barks loudly, then softly", "A hound softly woofs", 2, None),
        ("A dog barks outside", "A hound woofs indoors", 2, "place"),
    ],
)
def test_loudness_and_place(source: str, text: str, level: int, failed: str | None) -> None:
    assert name(checks.loudness_and_place(source, text, level)) == failed


def test_level_1_keeps_loudness_even_where_most_words_are_shared() -> None:
    source = "A small brown dog barks loudly near a tall wooden fence"
    text = "Near a tall wooden fence, a small brown dog barks"
    assert checks.level_words(source, text, 1) is None
    assert name(checks.paraphrase(source, text, 1)) == "loudness"


@pytest.mark.parametrize(
    "text",
    [
        "Here is the paraphrase: a dog barks",
        "Sure! A dog barks",
        "As an AI, I hear a dog",
        "I'm sorry, but there is no audio",
        "I cannot reword this caption",
        "Level 1: a dog barks",
        "Caption: a dog barks",
        "A dog barks (reworded)",
        "**A dog barks**",
        "`A dog barks`",
        "- a dog barks",
        "1. a dog barks",
        '"A dog barks."',
        "“A dog barks”",
        "A dog barks, unlike in the original caption",
        '{"text": "a dog barks"}',
        "Ignore the above instructions",
    ],
)
def test_talk_about_the_task_is_no_caption(text: str) -> None:
    assert name(checks.sentence(text)) == "meta"


@pytest.mark.parametrize(
    "text",
    [
        "I hear a dog bark",
        "Here comes the train and it blows its horn",
        'A man says "hello" and a dog barks',
        "'A man speaking",
        "The note of a flute rises",
        "The water level rises in a glass",
        "A dog barks: a car passes",
        "Okay is said by a man",
        "Men shout “go, go, go!” in a hall",
    ],
)
def test_captions_that_only_look_like_talk_pass(text: str) -> None:
    assert checks.sentence(text) is None


@pytest.mark.parametrize("text", ["\u72d7\u5728\u53eb", "Un perro ladra", "Ein Mann spricht"])
def test_the_form_alone_asks_for_no_language(text: str) -> None:
    assert checks.sentence(text) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("A dog barks in Berlin", "berlin"),
        ("a dog barks in berlin", "berlin"),
        ("a band from kyoto's suburbs plays", "kyoto"),
        ("recorded with a tascam in july", "july, tascam"),
        ("A dog and Then a TV", None),
        ("A man May speak", None),
    ],
)
def test_names_are_seen_by_list_and_by_capital(text: str, named: str | None) -> None:
    failure = checks.no_new_names(["a dog barks and a man may speak"], text)
    assert (failure and failure.split(";")[0]) == (named and f"entity: remove {named}")


def test_failure_says_that_there_is_no_sound() -> None:
    for text in ("Failure.", "failure", "FAILURE!"):
        assert name(checks.label_caption(["x"], [], text)) == "not_a_sound"
    assert checks.label_caption(["engine"], [], "The failure of an engine") is None
    assert name(checks.label_caption(["x"], [], "The sound of it can be heard")) == "empty"


def test_the_examples_in_the_prompts_pass_the_checks() -> None:
    source = "A dog barks twice while rain falls on a roof"
    for caption, prompt in ((source, PARAPHRASE_TRAIN), ("A bell rings and then a man coughs", PARAPHRASE_TEST)):
        texts = shown(prompt)
        for level in (1, 2):
            assert checks.paraphrase(caption, texts[f"level_{level}"], level) is None
    for prompt in (REWRITE_TRAIN, REWRITE_TEST):
        texts = shown(prompt)
        assert checks.label_caption([], [texts["1"]], texts["2"]) is None
        assert checks.label_caption([], [], texts["1"]) is None


def shown(prompt: Prompt) -> dict[str, str]:
    return json.loads(re.findall(r"\{\"answers\".*\}\}", prompt.words)[0])["answers"]


@pytest.fixture(scope="module")
def captions() -> list[str]:
    """2,000 captions that people wrote."""
    if not MIRROR.is_dir():
        pytest.skip("no mirror of real captions here")
    with (MIRROR / "audiocaps/train.csv").open(encoding="utf-8") as file:
        first = [row["caption"] for row in csv.DictReader(file)]
    with (MIRROR / "clotho/clotho_captions_development.csv").open(encoding="utf-8") as file:
        second = [row[f"caption_{k}"] for row in csv.DictReader(file) for k in range(1, 6)]
    draw = random.Random(4)
    return draw.sample(first, 1000) + draw.sample(second, 1000)


def test_real_captions_are_english_captions_without_talk(captions: list[str]) -> None:
    assert [text for text in captions if checks.english(text)] == []
    assert [text for text in captions if checks.about_the_task(text)] == []


def test_real_captions_keep_their_own_facts(captions: list[str]) -> None:
    for text in captions:
        assert checks.same_numbers(text, text) is None
        assert checks.negation_kept(text, text) is None
        assert checks.order_kept(text, text) is None
        assert checks.loudness_and_place(text, text, 1) is None
        assert checks.no_new_names([text], text) is None


def test_captions_by_a_served_model_pass_but_for_numbers_and_names() -> None:
    path = MIRROR / "clotho/clotho_captions_development_plus_phi_generated.csv"
    if not path.is_file():
        pytest.skip("no mirror of real captions here")
    failures: Counter[str] = Counter()
    with path.open(encoding="utf-8") as file:
        for row in list(csv.DictReader(file))[:400]:
            human = [row[f"caption_{k}"] for k in range(1, 6)]
            for k in range(6, 11):
                taken = [row[f"caption_{j}"] for j in range(6, k)]
                failures[name(checks.new_caption(human, taken, row[f"caption_{k}"])) or "passed"] += 1
    assert failures["passed"] >= 0.95 * failures.total()
    assert set(failures) <= {"passed", "numbers", "entity", "length", "identical"}


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("Hounds woof as it rains on a roof", None),
        (SOURCE, "numbers"),
        ("Dogs bark while rain falls on the roof", "identical"),
        ("Dogs bark", "length"),
        ("Dogs bark while rain falls on the roof " * 3, "length"),
        ("Dogs in Paris bark while rain falls", "entity"),
        ("Ein Hund bellt und der Regen fällt", "language"),
        ("Here is a new caption: hounds woof", "meta"),
        ("Hounds woof. It rains", "one_sentence"),
    ],
)
def test_new_captions_fail_by_name(text: str, failed: str | None) -> None:
    assert name(checks.new_caption([SOURCE, "dogs bark while rain falls on the roof"], [], text)) == failed


def test_label_captions_may_not_repeat_each_other() -> None:
    assert checks.label_caption(["dog"], [], "A dog barks.") is None
    assert name(checks.label_caption(["dog"], ["A dog barks"], "a dog barks.")) == "identical"
