"""The tables of docs/results.md are those of the studies' pages, with the command that runs their arms."""

from __future__ import annotations

import pytest

from tools.study_tables import RESULTS, pages, results, tables

PAGE = """# A study: toy

Made by `make study NAME=toy`, code of commit abc1234: 4 trials, seeds {seeds}. Each is a DVC experiment.

## Results on sounds

Mean ± standard deviation.

| arm | R@10 |
| --- | --- |
| teacher | 0.1 |
| one | 0.2 |
| two | 0.3 |

## Minus the control on sounds

| arms | R@10 |
| --- | --- |
| two − one | +0.1 |

## Arms

| arm | what it is | changes |
| --- | --- | --- |
| one | the recipe | |
| two | more of it | |
"""


def test_the_tables_are_those_of_the_pages():
    text = RESULTS.read_text(encoding="utf-8")
    assert text == results(text, pages()), "run `make results`"


def test_a_page_gives_command_tables_and_commit():
    made = tables({"toy": PAGE.format(seeds="0, 1, 2")})
    assert '    OMP_NUM_THREADS=1 make study NAME=toy STUDY="--jobs 2"\n\n4 trials, code of commit abc1234.\n' in made
    assert "| teacher | 0.1 |\n| one | 0.2 |\n| two | 0.3 |\n\n| arms | R@10 |" in made
    assert "more of it" not in made
    assert "On sounds" not in made, "one dataset needs no name"


def test_arms_and_seeds_are_named_where_they_are_not_all():
    page = PAGE.format(seeds="0, 1") + "| three | not run | |\n"
    assert 'STUDY="--jobs 2 --arms one two --seeds 0 1"' in tables({"toy": page})


def test_several_datasets_are_named():
    part = PAGE[PAGE.index("## Results") : PAGE.index("## Arms")]
    page = PAGE.format(seeds="0, 1, 2").replace("## Arms", part.replace("sounds", "music") + "## Arms")
    made = tables({"toy": page})
    assert made.index("On sounds:") < made.index("On music:")
    assert made.count("two − one") == 2


def test_what_stands_around_the_tables_stays_and_a_page_without_its_run_is_refused():
    text = "mine\n## Tables\nold\n## What was not run\n\nmine too\n"
    made = results(text, {"toy": PAGE.format(seeds="0, 1, 2")})
    assert made.startswith("mine\n## Tables\n\nMeans")
    assert made.endswith("\n\n## What was not run\n\nmine too\n")
    assert "old" not in made
    with pytest.raises(SystemExit, match="lacks the line"):
        results("no chapters", {})
    with pytest.raises(SystemExit, match=r"toy\.md does not say its commit"):
        tables({"toy": "# nothing"})


def test_a_part_of_a_study_stands_after_it_and_has_its_command():
    page = PAGE.format(seeds="0, 1, 2")
    made = tables({"default": page, "urban.more": page, "urban": page})
    heads = [line for line in made.splitlines() if line.startswith("### ")]
    assert [head.split("]")[0] for head in heads] == ["### [urban", "### [urban.more", "### [default"]
    assert made.count("make study NAME=urban STUDY=") == 2
