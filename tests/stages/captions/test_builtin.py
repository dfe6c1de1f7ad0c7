from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.captions import checks
from stages.captions.builtin.answer import answer
from stages.captions.builtin.labels import _phrases, label_captions
from stages.captions.builtin.lexicon import entries
from stages.captions.builtin.paraphrase import paraphrase
from stages.captions.builtin.synthesize import new_captions
from stages.captions.prompts import PARAPHRASE_TEST, PARAPHRASE_TRAIN, again, request

WORDS = ["a", "the", "dog", "dogs", "bark", "barks", "barking", ",", "and", "while", "then", "after", "is", "in", "as"]
MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"


@pytest.mark.parametrize(
    ("caption", "level", "purpose", "expected"),
    [
        ("A dog barks while rain falls.", 1, "train", "While rain falls, a dog barks."),
        ("A dog barks while rain falls.", 1, "test", "Rain falls while a dog barks."),
        ("A man speaks followed by clicking", 1, "train", "After a man speaks, clicking can be heard"),
        ("A man speaks followed by clicking", 1, "test", "Before clicking, a man speaks"),
        ("An engine idles", 1, "train", "An engine can be heard idling"),
        ("An engine idles", 1, "test", "There is an engine idling"),
        ("Birds chirp and wind blows", 1, "train", "Wind blows and birds chirp"),
        ("Grease is popping in the kitchen", 1, "train", "In the kitchen, grease is popping"),
        ("A woman sneezes and blows her nose", 1, "train", "A woman can be heard sneezing and blowing her nose"),
    ],
)
def test_level_1_rules(caption: str, level: int, purpose: str, expected: str) -> None:
    assert paraphrase(caption, level, purpose, 0) == expected


def test_no_synonym_serves_both_purposes() -> None:
    sides = {purpose: {a for entry in entries() for a in entry.alternatives[purpose]} for purpose in ("train", "test")}
    assert not sides["train"] & sides["test"]
    assert len(entries()) >= 400
    assert len({(entry.part, entry.word) for entry in entries()}) == len(entries())


def test_label_phrases_of_training_and_benchmarks_differ() -> None:
    train = {phrase for sides in _phrases().values() for phrase in sides["train"]}
    test = {phrase for sides in _phrases().values() for phrase in sides["test"]}
    assert not train & test
    assert len(_phrases()) >= 58


@pytest.mark.parametrize("label", [*_phrases(), "violin", "gears_grinding"])
@pytest.mark.parametrize("purpose", ["train", "test"])
def test_label_captions_pass_their_checks(label: str, purpose: str) -> None:
    captions = label_captions([label], "Loud thing outside", purpose, 10)
    assert len(captions) == 10
    for place, text in enumerate(captions):
        assert checks.label_caption([label], captions[:place], text) is None


@given(st.text(max_size=80), st.sampled_from([1, 2]), st.sampled_from(["train", "test"]))
@settings(max_examples=150, deadline=None)
def test_any_text_gets_an_answer(caption: str, level: int, purpose: str) -> None:
    assert isinstance(paraphrase(caption, level, purpose, 0), str)


@given(st.lists(st.sampled_from(WORDS)))
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
    if not MIRROR.is_dir():
        pytest.skip("no mirror of real captions here")
    name = {"clotho": "clotho/clotho_captions_evaluation.csv", "audiocaps": "audiocaps/val.csv"}[source]
    column = {"clotho": "caption_1", "audiocaps": "caption"}[source]
    with (MIRROR / name).open(encoding="utf-8") as file:
        captions = random.Random(0).sample([row[column] for row in csv.DictReader(file)], 200)
    passed = sum(checks.paraphrase(text, paraphrase(text, level, purpose, 0), level) is None for text in captions)
    assert passed >= 0.95 * len(captions)
