from __future__ import annotations

import json
import re

import pytest

from clapline.errors import UserError
from clapline.model.lookup import find_model
from clapline.params.captions import Similarity
from stages.captions import checks
from stages.captions.meaning import NEW, load_meaning
from stages.captions.prompts import (
    PARAPHRASE_TEST,
    PARAPHRASE_TRAIN,
    REWRITE_TEST,
    REWRITE_TRAIN,
    SYNTHESIZE_TRAIN,
    Prompt,
)
from stages.captions.translating import BACK_TRANSLATE_TRAIN, TRANSLATE_TRAIN, back_translation

MINILM = "all-MiniLM-L6-v2"
ALL = (
    PARAPHRASE_TRAIN,
    PARAPHRASE_TEST,
    SYNTHESIZE_TRAIN,
    REWRITE_TRAIN,
    REWRITE_TEST,
    BACK_TRANSLATE_TRAIN,
    TRANSLATE_TRAIN,
)


def example(prompt: Prompt) -> tuple[list[str], dict[str, str]]:
    """Return what the example of a prompt is for, and its answers."""
    head, answers = re.search(r"(?:Example|Form), for (.+?):\s+(\{.*\})\s*$", prompt.words, re.DOTALL).groups()
    return re.findall(r'"([^"]+)"', head), json.loads(answers)["answers"]


@pytest.fixture(scope="module")
def meaning():
    try:
        find_model(f"sentence-transformers/{MINILM}")
    except UserError:
        pytest.skip(f"{MINILM} is not here")
    return load_meaning(Similarity(model=MINILM), progress=False)


@pytest.mark.parametrize("prompt", [PARAPHRASE_TRAIN, PARAPHRASE_TEST], ids=lambda prompt: prompt.version)
def test_examples_of_paraphrases_pass_what_is_asked_of_paraphrases(prompt: Prompt, meaning) -> None:
    (caption,), answers = example(prompt)
    assert sorted(answers) == ["level_1", "level_2"]
    for name, text in answers.items():
        level = int(name[-1])
        assert checks.paraphrase(caption, text, level) is None
        assert meaning.between([([caption], text)])[0] >= meaning.least(level)


def test_examples_of_new_captions_pass_what_is_asked_of_new_captions(meaning) -> None:
    captions, answers = example(SYNTHESIZE_TRAIN)
    assert len(captions) == len(answers) == 2
    taken: list[str] = []
    for text in answers.values():
        assert checks.new_caption(captions, taken, text) is None
        assert 6 <= len(text.split()) <= 20
        assert meaning.between([(captions, text)])[0] >= meaning.least(NEW)
        taken.append(text)


@pytest.mark.parametrize("prompt", [REWRITE_TRAIN, REWRITE_TEST], ids=lambda prompt: prompt.version)
def test_examples_of_label_captions_pass_their_checks(prompt: Prompt) -> None:
    given, answers = example(prompt)
    taken: list[str] = []
    for text in answers.values():
        assert checks.label_caption(given, taken, text) is None
        taken.append(text)
    assert len(taken) == 2


def test_the_example_of_a_benchmark_sentence_tells_of_nothing_but_the_sound() -> None:
    _, answers = example(REWRITE_TEST)
    assert not any(
        word in text.lower() for text in answers.values() for word in (" in ", " room", " and then", "quiet")
    )


def test_the_example_of_a_back_translation_passes_its_checks(meaning) -> None:
    (caption, _), answers = example(BACK_TRANSLATE_TRAIN)
    assert list(answers) == ["text"]
    assert back_translation(caption, answers["text"]) is None
    assert meaning.between([([caption], answers["text"])])[0] >= meaning.least(2)


def test_the_example_of_a_translation_is_in_the_language() -> None:
    (_, language), answers = example(TRANSLATE_TRAIN)
    assert (language, list(answers)) == ("de", ["text"])
    assert checks.sentence(answers["text"]) is None
    assert checks.english(answers["text"]) is not None


@pytest.mark.parametrize("prompt", ALL, ids=lambda prompt: prompt.version)
def test_no_prompt_contradicts_the_form_of_the_answer(prompt: Prompt) -> None:
    told = prompt.instruction()
    assert '{"answers": {' in prompt.words
    assert "sentence alone" not in told
    assert not re.search(r"[Aa]nswer with the \w+ alone", told)
