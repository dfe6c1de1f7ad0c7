"""Results: differences seed by seed and query by query, claims, what other words lose, and the page of it all."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from clapline.errors import UserError
from clapline.params.base import validated
from studies.definition import Claim, Column, Study
from studies.page import draw, write_page
from studies.results import (
    HELD,
    OPEN,
    REFUTED,
    UNKNOWN,
    against_control,
    datasets_of,
    difference,
    judge,
    read_arm,
    values,
)
from studies.text import Part, against, arms, claims, markdown, published, results, words
from tests.stages.evaluate.test_compare import rows, save

CLAIM = {"says": "s", "arm": "better", "against": "control", "part": "t2a", "measure": "r10", "above": 0.0}
STUDY = validated(
    Study,
    {
        "title": "Small",
        "paper": "A paper, https://example.org/1",
        "recipes": ["thesis-mini"],
        "control": "control",
        "arms": {
            "control": {"says": "as it is"},
            "better": {"says": "better", "set": {"student.steps": 3}},
            "absent": {"says": "not run", "set": {"student.steps": 4}},
        },
        "columns": [
            {"title": "R@10", "part": "t2a", "measure": "r10"},
            {"title": "lost", "part": "t2a_drop2", "measure": "r10"},
        ],
        "claims": [
            CLAIM | {"says": "Better is <better>"},
            {**CLAIM, "says": "It is worse", "above": None, "below": 0.0},
            CLAIM | {"says": "It was run", "arm": "absent"},
        ],
        "published": [
            {"source": "table 1", "protocol": "theirs", "columns": ["system", "R@10"], "rows": [["A | B", "0.5"]]}
        ],
        "not_published": "The rest.",
    },
    "small",
)  # fmt: skip


def run(path: Path, rates: dict[str, float], seed: int, queries: int = 200) -> Path:
    """Write a run of whose queries a share, by part, is answered; the teacher answers a tenth fewer."""
    random = np.random.default_rng([seed, 1])
    found = []
    for part, rate in rates.items():
        draws = random.random(queries)
        for model, of in (("student", rate), ("teacher", rate - 0.1)):
            answered = {f"q{place:03d}": float(draw < of) for place, draw in enumerate(draws)}
            found.append(rows(answered, part=part, model=model))
    return save(path, *found)


@pytest.fixture
def measured(tmp_path):
    made = {}
    for arm, rates in {
        "control": {"t2a": 0.5, "t2a_level2": 0.2},
        "better": {"t2a": 0.7, "t2a_level2": 0.6},
    }.items():
        made[arm] = read_arm({seed: str(run(tmp_path / f"{arm}.{seed}.parquet", rates, seed)) for seed in (2, 0, 1)})
    return made


def claim(**changes) -> Claim:
    return validated(Claim, CLAIM | changes, "claim")


def test_values_are_means_over_queries_seed_by_seed(measured):
    arm = measured["better"]
    assert arm.seeds == (0, 1, 2)
    found = values(arm.student, "toy", STUDY.columns[0])
    expected = [np.mean(np.random.default_rng([seed, 1]).random(200) < 0.7) for seed in (0, 1, 2)]
    assert found == pytest.approx(expected)
    assert values(arm.student, "toy", Column(title="x", part="a2t", measure="r10")) is None
    assert values(arm.student, "other", STUDY.columns[0]) is None
    assert datasets_of(measured, STUDY.columns) == ["toy"]


def test_what_is_lost_is_the_same_query_in_other_words(tmp_path):
    original = rows({"a": 1.0, "b": 1.0, "c": 0.0})
    other = rows({"a": 0.0, "b": 1.0, "d": 1.0}, part="t2a_level2")
    path = save(tmp_path / "one.parquet", original, other, rows({"a": 1.0}, model="teacher"))
    lost = read_arm({0: str(path)}).student[0].parts["toy", "t2a_drop2"]
    assert lost["r10"].to_dict() == {"a": 1.0, "b": 0.0}  # c has no paraphrase, d no original
    assert ("toy", "t2a_drop1") not in read_arm({0: str(path)}).student[0].parts


def test_a_difference_pairs_seeds_and_queries(measured):
    one = difference(measured, "better", "control", "toy", "t2a", "r10")
    rates = [values(measured[arm].student, "toy", STUDY.columns[0]) for arm in ("control", "better")]
    by_seed = [b - a for a, b in zip(*rates, strict=True)]
    assert one.by_seed == pytest.approx(by_seed, abs=1e-6)
    assert one.estimate == pytest.approx(np.mean(by_seed), abs=1e-6)
    assert one.low < one.estimate < one.high
    # Each query is answered by both with the same draw, so the difference is far surer than either value.
    assert one.high - one.low < 0.14
    again = difference(measured, "better", "control", "toy", "t2a", "r10")
    assert (again.low, again.high) == (one.low, one.high)
    assert difference(measured, "absent", "control", "toy", "t2a", "r10") is None


def test_only_common_seeds_are_compared(measured, tmp_path):
    fewer = {**measured, "better": read_arm({1: str(tmp_path / "better.1.parquet")})}
    assert len(difference(fewer, "better", "control", "toy", "t2a", "r10").by_seed) == 1
    apart = {**measured, "better": read_arm({7: str(tmp_path / "better.1.parquet")})}
    assert difference(apart, "better", "control", "toy", "t2a", "r10") is None


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"above": 0.0}, HELD),
        ({"above": 0.1}, HELD),
        ({"above": 0.2}, OPEN),
        ({"above": 0.4}, REFUTED),
        ({"above": None, "below": 0.0}, REFUTED),
        ({"above": None, "below": 0.4}, HELD),
        ({"against": "teacher", "above": 0.02}, HELD),
        ({"against": None, "above": 0.6}, HELD),
        ({"against": None, "above": 0.8}, REFUTED),
        ({"arm": "absent"}, UNKNOWN),
        ({"part": "zero_shot"}, UNKNOWN),
        # Lost: 0.1 of better, 0.3 of control.
        ({"part": "t2a_drop2", "factor": 1.0, "above": None, "below": 0.0}, HELD),
        ({"part": "t2a_drop2", "factor": 1.0, "above": None, "below": -0.5}, REFUTED),
    ],
)
def test_claims(measured, changes, outcome):
    assert judge(claim(**changes), measured, "toy").outcome == outcome


def test_a_single_seed_has_an_interval_over_clips(tmp_path):
    arms_of = {
        arm: read_arm({0: str(run(tmp_path / f"{arm}.parquet", {"t2a": rate}, 0))})
        for arm, rate in (("control", 0.5), ("better", 0.7))
    }
    verdict = judge(claim(), arms_of, "toy")
    assert verdict.outcome == HELD
    assert len(verdict.found.by_seed) == 1


def test_differences_are_corrected_for_their_number(measured):
    found = against_control(STUDY, measured, "toy")
    assert set(found) == {("better", "R@10"), ("better", "lost")}
    assert all(one.p_holm >= round(one.p_value, 6) for one in found.values())
    assert found["better", "R@10"].survives
    assert against_control(STUDY, {"better": measured["better"]}, "toy") == {}


def page_of(measured) -> list[Part]:
    verdicts = [judge(of, measured, "toy") for of in STUDY.claims]
    found = against_control(STUDY, measured, "toy")
    return [
        Part("What held", words(STUDY, verdicts, {"toy": found})),
        results(STUDY, measured, "toy"),
        against(STUDY, found, "toy"),
        claims(verdicts),
        *published(STUDY),
        arms(STUDY, "thesis-mini"),
    ]


def test_the_words_tell_what_held_and_what_did_not(measured):
    said = page_of(measured)[0].sentences
    assert re.fullmatch(r"Held: Better is <better>: better − control \+0\.\d{3} \[\+0\.\d{3}, \+0\.\d{3}\]\.", said[0])
    assert said[1].startswith("Did not hold: It is worse: better − control +0.")
    assert said[2] == "Not measured: It was run."
    assert said[3].startswith("On toy 2 of 2 differences to a control outlast Holm's correction: better R@10 +0.")


def test_many_differences_are_counted_by_arm_and_few_are_named(measured):
    one = against_control(STUDY, measured, "toy")["better", "R@10"]
    found = {(arm, f"R@{k}"): one for arm in ("better", "other") for k in (1, 5, 10)}
    assert words(STUDY, [], {"toy": found})[0].count("R@") == 6
    (said,) = words(STUDY, [], {"toy": found | {("other", "mAP"): one}})
    assert said == "On toy 7 of 7 differences to a control outlast Holm's correction: 3 of better, 4 of other."


def test_the_page_as_markdown_and_html(measured, tmp_path):
    draw(STUDY, against_control(STUDY, measured, "toy"), tmp_path / "small_1.svg")
    parts = [*page_of(measured), Part("Drawn", figure="small_1.svg")]
    write_page(tmp_path, "small", "Small: thesis-mini", [STUDY.paper, "By `make study NAME=thesis-mini`."], parts)
    text, html = ((tmp_path / f"small.{kind}").read_text() for kind in ("md", "html"))
    assert "| teacher | " in text
    assert "| A ¦ B | 0.5 |" in text  # a bar inside a cell would end it
    assert text == markdown("Small: thesis-mini", [STUDY.paper, "By `make study NAME=thesis-mini`."], parts)
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert '<a href="https://example.org/1">' in html
    assert "<code>make study NAME=thesis-mini</code>" in html
    assert "Better is &lt;better&gt;" in html
    assert "<svg" in html
    assert not re.search(r'(src|href)="(?!https://example|data:|#)', html)  # one file that needs no other


def test_two_pages_of_the_same_runs_are_equal_to_the_byte(measured, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        draw(STUDY, against_control(STUDY, measured, "toy"), tmp_path / name / "f.svg")
        write_page(tmp_path / name, "small", "t", [], [*page_of(measured), Part("Drawn", figure="f.svg")])
    for file in ("f.svg", "small.md", "small.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_runs_of_an_arm_must_have_been_asked_the_same(tmp_path):
    save(tmp_path / "a.parquet", rows({"q": 1.0}))
    save(tmp_path / "b.parquet", rows({"p": 1.0}))
    with pytest.raises(UserError, match="queries differ"):
        read_arm({0: str(tmp_path / "a.parquet"), 1: str(tmp_path / "b.parquet")})
