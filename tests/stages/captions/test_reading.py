"""What models say when they are asked for one JSON object."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.captions.reading import read_answers, without_reasoning

GOOD = {"level_1": "a dog, barking", "level_2": "a hound {barks}"}
OBJECT = json.dumps({"answers": GOOD})


@pytest.mark.parametrize(
    "content",
    [
        OBJECT,
        json.dumps(GOOD),
        f"Sure!\n```json\n{OBJECT}\n```\nAnything else?",
        f"Use {{braces}} and [brackets] as in {{this}}: {OBJECT} {{so}} there }}",
        f'<think>\nThe form is {{"answers": {{"level_1": "draft"}}}}, I think.\n</think>\n\n{OBJECT}',
        f"no opening mark, {{thoughts}}</think>{OBJECT}",
        json.dumps({"result": {"answers": GOOD}}),
        json.dumps({"answers": {"answers": GOOD}}),
        json.dumps({"answers": json.dumps(GOOD)}),
        json.dumps([{"level_1": GOOD["level_1"]}, {"level_2": GOOD["level_2"]}]),
        json.dumps({"level_1": GOOD["level_1"]}) + "\n" + json.dumps({"level_2": GOOD["level_2"]}),
        json.dumps({"answers": {name: [text] for name, text in GOOD.items()}}),
        json.dumps({"answers": {name: {"text": text} for name, text in GOOD.items()}}),
        json.dumps({"caption": "a dog", "wanted": list(GOOD)}) + OBJECT,
        '{"answers": {"level_1": "a draft", "level_2": null}} No, rather: ' + OBJECT,
        OBJECT.replace('"}}', '",},\n}'),
        json.dumps({"answers": {**GOOD, "level_3": "one too many"}}),
    ],
)
def test_the_texts_are_found_wherever_they_stand(content: str) -> None:
    assert read_answers(content, list(GOOD)) == GOOD


@pytest.mark.parametrize(
    "content",
    [
        '["one", "two", "three"]',
        '{"answers": ["one", "two", "three"]}',
        '[{"caption": "one"}, {"caption": "two"}, {"caption": "three"}]',
        'Here they are: ["one", "two", "three", "four"]',
        "Here they are:\n1. one\n2. two\n3. three",
        '1) "one"\n2) "two"\n3) "three"\n4) "four"',
        "**1.** one\n**2.** two\n**3.** three",
    ],
)
def test_a_list_will_do_where_the_names_are_numbers(content: str) -> None:
    assert read_answers(content, ["1", "2", "3"]) == {"1": "one", "2": "two", "3": "three"}
    assert not read_answers(content, ["level_1", "level_2"])


def test_lines_numbered_anew_or_as_asked_are_told_apart() -> None:
    assert read_answers("2. two\n4. four", ["2", "4"]) == {"2": "two", "4": "four"}
    assert read_answers("1. two\n2. four", ["2", "4"]) == {"2": "two", "4": "four"}
    assert read_answers("1. two", ["2", "4"]) == {"2": "two"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "I cannot.",
        "{level_1: a dog}",
        "{'level_1': 'a dog'}",
        '{"level_1": "a do',
        "[" * 5000,
        "{" * 5000,
        "<think>{}",
    ],
)
def test_what_has_another_form_is_none(content: str) -> None:
    assert read_answers(content, list(GOOD)) is None


def test_too_few_and_too_many_can_be_told() -> None:
    assert read_answers('{"answers": {"level_1": "a"}}', list(GOOD)) == {"level_1": "a"}
    assert read_answers('{"answers": {}}', list(GOOD)) == {}
    assert read_answers('{"answers": {"level_1": ["a", "b"]}}', list(GOOD)) == {"level_1": ["a", "b"]}


def test_half_a_surrogate_pair_is_mended() -> None:
    assert read_answers('{"level_1": "half a \\ud83d pair"}', list(GOOD)) == {"level_1": "half a ? pair"}


def test_thoughts_without_an_end_hold_no_answer() -> None:
    assert without_reasoning(f"<think> so {OBJECT}") == ""
    assert without_reasoning("a <think> within") == "a <think> within"


@given(
    st.dictionaries(st.sampled_from(["level_1", "level_2"]), st.text(), min_size=1),
    st.text(st.characters(blacklist_characters='{}[]"')).filter(lambda text: "think" not in text),
    st.text(st.characters(blacklist_characters='{}[]"')).filter(lambda text: "think" not in text),
)
def test_any_text_survives_json_and_chatter(texts: dict[str, str], before: str, after: str) -> None:
    content = before + json.dumps({"answers": texts}) + after
    found = read_answers(content, list(texts))
    plain = {name for name, text in texts.items() if not text.lstrip().startswith("{") and "</think>" not in text}
    assert found is not None
    assert {name: found[name] for name in plain} == {name: texts[name] for name in plain}
