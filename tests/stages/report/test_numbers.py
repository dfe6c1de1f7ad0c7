from __future__ import annotations

import pytest

from stages.report.headline import Comparison, compare, highlights, others
from stages.report.numbers import numeric_columns, shown, signed
from stages.report.picture import BOX_HEIGHT, BOX_WIDTH, STAGES, draw_pipeline


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        ("x", "x"),
        (0, "0"),
        (1234567, "1\u202f234\u202f567"),
        (0.0, "0.000"),
        (0.12345, "0.123"),
        (0.0125, "0.0125"),
        (0.00123456, "0.00123"),
        (1.23456, "1.235"),
        (34.3947, "34.39"),
        (12345.678, "12\u202f346"),
        (-0.5, "−0.500"),
        (1e-12, "1e−12"),
        (True, "True"),
        (9.99999, "10.00"),
        (float("nan"), "nan"),
    ],
)
def test_shown(value, expected):
    assert shown(value) == expected


def test_signed():
    assert (signed(0.03), signed(-0.03), signed(0)) == ("+0.030", "−0.030", "+0.000")


def test_columns_of_numbers():
    assert numeric_columns(3, [["a", 1, None], ["b", None, None], ["c", 2.5, None]]) == [False, True, False]
    assert numeric_columns(1, [[True]]) == [False]


def test_pairs_what_both_models_have():
    metrics = {
        "student": {"made": {"t2a": {"r1": 0.2, "r5": 0.4}, "new": {"x": 1.0}}, "steps": 5},
        "teacher": {"made": {"t2a": {"r1": 0.1}}},
        "n": {"made": {"t2a": 40, "spare": 3}},
    }
    measured = [
        {"dataset": "made", "part": "t2a", "measure": "r1", "chance": 0.01}
        | {"student_minus_teacher": {"estimate": 0.1, "low": 0.01, "high": 0.2, "p_value": 0.02}, "verdict": "better"}
    ]
    (only,) = compare(metrics, measured)
    assert only == Comparison("made", "t2a", "r1", 0.2, 0.1, 40, 0.01, 0.01, 0.2, "better")
    assert (only.verdict, only.task, only.name) == ("better", "text to audio", "R@1")
    assert compare(metrics, [])[0].verdict == ""
    left = [("student.made.t2a.r5", 0.4), ("student.made.new.x", 1.0), ("student.steps", 5)]
    left.append(("n.made.spare", 3))
    assert others(metrics, [only]) == left


def test_highlights_prefer_the_chief_measures():
    models = {"made": {"t2a": {"r1": 1.0, "map10": 2.0}, "odd": {"r1": 1.0}}}
    found = compare({"student": models, "teacher": models}, [])
    assert [item.measure for item in highlights(found)] == ["map10"]
    assert len(highlights([item for item in found if item.measure == "r1"])) == 2
    assert compare({}, []) == []


def test_boxes_do_not_overlap_and_lines_have_ends():
    drawing = draw_pipeline()
    corners = [(x, y) for _, x, y in drawing.boxes]
    for i, (x, y) in enumerate(corners):
        assert 0 <= x <= drawing.width - BOX_WIDTH
        assert 0 <= y <= drawing.height - BOX_HEIGHT
        for other_x, other_y in corners[:i]:
            assert abs(x - other_x) >= BOX_WIDTH or abs(y - other_y) >= BOX_HEIGHT
    assert len(drawing.lines) == sum(len(stage.reads) for stage in STAGES)


def test_a_lower_median_rank_is_a_gain():
    assert Comparison("made", "a2t", "median_rank", 2.0, 5.0).gain == 3.0
    assert Comparison("made", "a2t", "r10", 0.2, 0.5).gain == pytest.approx(-0.3)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.506511, "0.507"), (0.28752, "0.288"), (0.9996, "1.000"), (9.99999, "10.00"), (0.0099996, "0.0100")],
)
def test_a_number_is_rounded_once(value, text):
    assert shown(value) == text
