from __future__ import annotations

import pytest

from stages.captions import checks

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
        ("While rain falls on the roof, two dogs bark into a zoom", 1, "entity"),
        ("Rain falls on the roof after two dogs bark", 1, "order"),
        ("While drizzle drops on the roof, two hounds woof", 1, "words_changed"),
        ("While rain falls on the roof, two dogs bark", 2, "words_kept"),
    ],
)
def test_paraphrase_fails_by_name(text: str, level: int, failed: str | None) -> None:
    assert name(checks.paraphrase(SOURCE, text, level)) == failed


def test_an_unrelated_text_is_no_paraphrase() -> None:
    assert name(checks.paraphrase("A dog barks near a house", "A violin plays some music", 2)) == "similarity"


def test_level_1_needs_another_structure() -> None:
    source = "two small dogs bark while heavy rain falls on the old roof"
    text = "two small dogs bark while the heavy rain falls on the old roof"  # 12 of 13 words in the same order
    assert name(checks.paraphrase(source, text, 1)) == "structure"


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
    ],
)
def test_order_in_time(source: str, text: str, kept: bool) -> None:
    assert (checks.order_kept(source, text) is None) is kept


def test_numbers_count_as_said_in_digits_or_words() -> None:
    assert checks.same_numbers("two dogs bark three times", "3 times 2 dogs bark") is None
    assert name(checks.same_numbers("two dogs bark twice", "two dogs bark")) == "numbers"


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("Hounds woof as it rains on a roof", None),
        (SOURCE, "numbers"),
        ("Dogs bark while rain falls on the roof", "identical"),
        ("Dogs bark", "length"),
        ("Dogs bark while rain falls on the roof " * 3, "length"),
        ("Dogs in Paris bark while rain falls", "entity"),
        ("A violin quartet is performing", "similarity"),
    ],
)
def test_new_captions_fail_by_name(text: str, failed: str | None) -> None:
    assert name(checks.new_caption([SOURCE, "dogs bark while rain falls on the roof"], [], text)) == failed


def test_label_captions_may_not_repeat_each_other() -> None:
    assert checks.label_caption(["dog"], [], "A dog barks.") is None
    assert name(checks.label_caption(["dog"], ["A dog barks"], "a dog barks.")) == "identical"
