"""Two experiments on the same queries: hand-computed cases, what is said of them, where runs lie, one-line errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clapline.comparison.differences import paired_difference
from clapline.comparison.paired import mean_and_deviation
from clapline.comparison.runs import read_side
from clapline.comparison.tested import holm
from clapline.tables.per_query import PER_QUERY
from stages.evaluate.compare import main

RESULTS = "reports/evaluate/per_query.parquet"


def rows(values, part="t2a", measure="r10", clips=None, ranks=None, dataset="toy", model="student") -> list[dict]:
    """Return the rows of a part: `values` by query; a query is about the clip of its name if `clips` say nothing."""
    empty = dict.fromkeys(PER_QUERY.schema.names)
    return [
        empty
        | {"model": model, "dataset": dataset, "part": part, "query": query, "words": query, "relevant": 1}
        | {"clips": (clips or {}).get(query, [query]), "best_rank": (ranks or {}).get(query), measure: value}
        for query, value in values.items()
    ]


def save(path: Path, *parts: list[dict]) -> Path:
    frame = PER_QUERY.frame([row for part in parts for row in part]).astype({"best_rank": "Int64"})
    path.parent.mkdir(parents=True, exist_ok=True)
    PER_QUERY.write(path, frame)
    return path


def compared(capsys, *words) -> tuple[list[list[str]], str, str]:
    """Return the cells of the table of all measures, what stands below it, and what was said on standard error."""
    main([*map(str, words), "--all"])
    said = capsys.readouterr()
    lines = said.out.splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    return table[2:], " ".join(lines[lines.index("", 2) + 1 :]), said.err


def refused(capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    return said.err


def test_a_case_by_hand(tmp_path, capsys):
    """B is right on three of four where A is right on one; it is wrong nowhere that A is right."""
    a = save(tmp_path / "a.parquet", rows({"q1": 1, "q2": 0, "q3": 0, "q4": 0}, ranks={"q1": 1, "q2": 4, "q3": 6}))
    b = save(tmp_path / "b.parquet", rows({"q1": 1, "q2": 1, "q3": 1, "q4": 0}, ranks={"q1": 1, "q2": 3, "q3": 2}))
    table, words, said = compared(capsys, a, b, "--json", tmp_path / "deep" / "all.json", "--resamples", 20_000)
    recall, median = table
    assert recall[:7] == ["toy", "t2a", "r10", "4", "0.250", "0.750", "+0.500"]
    assert median[:7] == ["toy", "t2a", "median_rank", "3", "4.000", "2.000", "-2.000"]
    assert said == ""
    results = json.loads((tmp_path / "deep" / "all.json").read_text())
    (one, two) = results["results"]
    # No resample is below 0, and one in 16 is 0: q2 and q3 gain, so all four draws are q1 or q4.
    # That would be p = 2 / 16, but only two clips differ at all: no p-value is below that of the sign test.
    assert one["p_value"] == 2.0**-1
    assert (one["low"], one["high"], one["difference"]) == (0.0, 1.0, 0.5)
    # The median is that of q1 in 7 of the 27 draws of three: then it does not differ.
    assert two["p_value"] == pytest.approx(2 * 7 / 27, abs=0.015)
    assert one["a"] == {"mean": 0.25, "standard_deviation": None, "runs": [0.25]}
    assert [one["p_holm"], two["p_holm"]] == holm([one["p_value"], two["p_value"]])
    assert (one["queries"], one["clips"], two["queries"]) == (4, 4, 3)
    assert results["left_out"] == []
    assert "2 comparisons were made; about 5 % of them (0.1)" in words
    assert "not the seed of training" in words


def test_a_run_against_itself_differs_nowhere(tmp_path, capsys):
    values = {f"q{place}": value for place, value in enumerate(np.random.default_rng(0).random(30).round(6))}
    three = {query: [query, f"{query}-b", "shared"] for query in values}
    path = save(
        tmp_path / "a.parquet",
        rows(values, ranks={query: place for place, query in enumerate(values, 1)}, clips=three),
        rows(values, "traversal", "tau"),
    )
    table, words, _ = compared(capsys, path, path)
    assert len(table) == 3
    assert {tuple(row[6:]) for row in table} == {("+0.000", "+0.000 to +0.000", "1.0000", "no")}
    assert "all of the table) in nothing. B is significantly worse in nothing." in words
    assert "uncorrected p alone: nothing. Worse by it alone: nothing." in words
    assert "Not significant either way: 3." in words


def test_a_planted_improvement_is_found_and_named(tmp_path, capsys):
    random = np.random.default_rng(1)
    base = {f"q{place:03d}": value for place, value in enumerate(random.normal(0.4, 0.2, 200))}
    higher = {query: value + random.normal(0.1, 0.1) for query, value in base.items()}
    noise = {query: value + random.normal(0, 0.1) for query, value in base.items()}
    ranks = {query: int(1 + place % 50) for place, query in enumerate(base)}
    lower_ranks = {query: 1 + rank // 2 for query, rank in ranks.items()}
    a = save(tmp_path / "a.parquet", rows(base, ranks=ranks), rows(base, "a2t"), rows(base, "zero_shot", "accuracy"))
    b = save(
        tmp_path / "b.parquet",
        rows(higher, ranks=lower_ranks),
        rows(noise, "a2t"),
        rows({query: value - 0.1 for query, value in noise.items()}, "zero_shot", "accuracy"),
    )
    table, words, _ = compared(capsys, a, b)
    assert [row[1:3] for row in table] == [
        ["a2t", "r10"],
        ["t2a", "r10"],
        ["t2a", "median_rank"],
        ["zero_shot", "accuracy"],
    ]
    assert [row[-1] for row in table] == ["no", "yes", "yes", "yes"]
    better, worse, rest = (words.split(". ")[place] for place in range(3))
    assert better.startswith("B is significantly better (p ≤ 0.05 after Holm's correction for all of the table) in toy")
    assert "toy t2a (r10 +0." in better
    assert "median_rank -12." in better  # a lower rank is better
    assert worse.startswith("B is significantly worse in toy zero_shot (accuracy -0.")
    assert "a2t" not in worse
    assert rest == "Better by the uncorrected p alone: nothing"
    assert "Not significant either way: 1." in words
    swapped, _, _ = compared(capsys, b, a)
    assert [float(row[6]) for row in swapped] == [-float(row[6]) for row in table]
    assert [row[8:] for row in swapped] == [row[8:] for row in table]


def test_unasked_one_measure_per_part_is_told_and_corrected_for(tmp_path, capsys):
    """As many tests as rows: measures that say nearly the same do not bury a difference under the correction."""
    random = np.random.default_rng(2)
    parts = (("t2a", "map10"), ("t2a_level2", "r10"), ("twin_noun", "accuracy"), ("t2a_drop2", "r10"))

    def side(name: str, mean: float) -> Path:
        every = [rows({f"q{place}": random.normal(mean, 0.1) for place in range(100)}, *part) for part in parts]
        every[0] = [row | {"r1": row["map10"] / 2} for row in every[0]]
        return save(tmp_path / f"{name}.parquet", *every)

    sides = side("a", 0.40), side("b", 0.43)
    main([*map(str, sides), "--json", str(tmp_path / "told.json")])
    assert "3 comparisons were made" in capsys.readouterr().out
    told = json.loads((tmp_path / "told.json").read_text())["results"]
    assert [(one["part"], one["measure"]) for one in told] == [
        ("t2a", "map10"),
        ("t2a_level2", "r10"),
        ("twin_noun", "accuracy"),
    ]
    assert [one["p_holm"] for one in told] == holm([one["p_value"] for one in told])
    every, _, _ = compared(capsys, *sides)
    assert len(every) == 5


def test_several_runs_show_mean_deviation_and_number(tmp_path, capsys):
    paths = [
        save(tmp_path / f"{name}.parquet", rows({"q1": value, "q2": value, "q3": value}))
        for name, value in [("a1", 0.1), ("a2", 0.3), ("b1", 0.5), ("b2", 0.6), ("b3", 0.7)]
    ]
    a, b = ",".join(map(str, paths[:2])), ", ".join(map(str, paths[2:]))
    (row,), words, _ = compared(capsys, a, b, "--json", tmp_path / "all.json")
    assert row[4:7] == ["0.200 ± 0.141 (2)", "0.600 ± 0.100 (3)", "+0.400"]
    assert "cover the choice of clips and of the runs of A and B." in words
    assert "Two runs" in words
    one = json.loads((tmp_path / "all.json").read_text())["results"][0]
    assert one["b"] == {"mean": 0.6, "standard_deviation": 0.1, "runs": [0.5, 0.6, 0.7]}
    # All queries of a run are equal: what moves is the choice of runs, one of two and two of three.
    assert (one["low"], one["high"]) == (0.2, 0.6)
    (row,), words, _ = compared(capsys, paths[0], b)
    assert row[4] == "0.100"
    assert "and of the runs of B, not the seed of A, which is one run." in words
    assert "Two runs" not in words
    assert mean_and_deviation([0.5]) == (0.5, None)


def test_what_one_side_alone_has_is_left_out_and_counted(tmp_path, capsys):
    a = save(
        tmp_path / "a.parquet",
        rows({"q1": 0.0, "q2": 1.0, "only": 1.0, "too": 1.0}),
        rows({"c1": 1.0, "c2": None, "c3": 0.5}, "traversal", "tau"),
        rows({"c1": 1.0}, "zero_shot", "accuracy"),
    )
    b = save(
        tmp_path / "b.parquet",
        rows({"q1": 1.0, "q2": 1.0, "other": 0.0}),
        rows({"c1": 0.0, "c2": 1.0, "c3": 0.5}, "traversal", "tau"),
    )
    table, _, said = compared(capsys, a, b)
    assert [row[1:7] for row in table] == [
        ["t2a", "r10", "2", "0.500", "1.000", "+0.500"],
        ["traversal", "tau", "2", "0.750", "0.250", "-0.500"],
    ]
    assert said.splitlines() == [
        "left out: toy t2a: 2 queries of A, 1 of B (asked of one side only)",
        "left out: toy traversal tau: 0 queries of A, 1 of B (without a value in some run)",
        "left out: toy zero_shot: 1 queries of A, 0 of B (asked of one side only)",
    ]


def test_parts_measures_and_models_are_chosen(tmp_path, capsys):
    values = {"q1": 0.5, "q2": 1.0}
    path = save(
        tmp_path / "a.parquet",
        rows(values, ranks={"q1": 2, "q2": 1}),
        rows(values, "zero_shot", "accuracy"),
        rows({"q1": 0.0, "q2": 0.0}, model="teacher"),
    )
    table, _, _ = compared(capsys, path, path, "--parts", "zero_shot", "--resamples", 100)
    assert [row[1] for row in table] == ["zero_shot"]
    table, _, _ = compared(capsys, path, path, "--measures", "accuracy, median_rank", "--resamples", 100)
    assert [row[2] for row in table] == ["median_rank", "accuracy"]
    table, _, _ = compared(capsys, path, path, "--model", "teacher", "--resamples", 100)
    assert [row[4] for row in table] == ["0.000"]
    (row, *_), words, _ = compared(capsys, path, path, "--resamples", 0)
    assert row[7:] == ["", "", ""]
    assert "without resamples" in words
    _, words, _ = compared(capsys, path, path, "--resamples", 100)
    assert "With 100 resamples none of so many can survive the correction: take 120, or fewer parts." in words


def test_runs_of_equal_seeds_are_compared_run_by_run(tmp_path, capsys):
    """What seeds bring to both sides alike widens the interval of runs drawn apart, and that of pairs not."""
    random = np.random.default_rng(5)
    clips = random.normal(0.5, 0.1, 80)
    sides: dict[str, list[Path]] = {"a": [], "b": []}
    for seed, shift in enumerate((-0.1, 0.0, 0.1)):
        for side, gain in (("a", 0.0), ("b", 0.03)):
            values = clips + shift + gain + random.normal(0, 0.02, 80)
            queries = {f"q{place:02d}": float(value) for place, value in enumerate(values)}
            sides[side].append(save(tmp_path / f"{side}{seed}.parquet", rows(queries)))
    a, b = (",".join(map(str, side)) for side in sides.values())
    (apart,), words, _ = compared(capsys, a, b)
    (pairs,), paired_words, _ = compared(capsys, a, b, "--paired")
    assert apart[6] == pairs[6], "the same difference"
    assert (apart[-1], pairs[-1]) == ("no", "yes")
    assert "--paired tells finer differences" in words
    assert "Runs are taken in pairs, each of one seed." in paired_words
    # p of pairs comes from no resamples: their number bounds nothing.
    assert "can survive the correction" in compared(capsys, a, b, "--resamples", 30)[1]
    assert "can survive the correction" not in compared(capsys, a, b, "--paired", "--resamples", 30)[1]
    frames = [[run.parts["toy", "t2a"] for run in read_side(side, "student")] for side in (b, a)]
    expected = paired_difference(*frames, "r10")
    assert pairs[7] == f"{expected.low:+.3f} to {expected.high:+.3f}"


def test_paired_sides_have_as_many_runs(tmp_path, capsys):
    path = save(tmp_path / "a.parquet", rows({"q1": 0.5}))
    other = save(tmp_path / "b.parquet", rows({"q1": 0.5}))
    with pytest.raises(SystemExit):
        main([f"{path},{other}", str(path), "--paired"])
    assert "--paired: A names 2 runs, B 1" in capsys.readouterr().err


def test_a_second_run_gives_the_same_bytes_and_another_seed_does_not(tmp_path, capsys):
    random, written = np.random.default_rng(5), []
    values = [{f"q{place}": value for place, value in enumerate(random.random(40))} for _ in range(3)]
    paths = [save(tmp_path / f"{place}.parquet", rows(value)) for place, value in enumerate(values)]
    out = tmp_path / "all.json"
    for seed in (0, 0, 1):
        main([str(paths[0]), f"{paths[1]},{paths[2]}", "--all", "--json", str(out), "--seed", str(seed)])
        written.append((capsys.readouterr().out, out.read_bytes().replace(b'"seed": 1', b'"seed": 0')))
    assert written[0] == written[1]
    assert written[0][1] != written[2][1]


def test_errors_are_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(Path("a.parquet"), rows({"q1": 1.0}))
    save(Path("b.parquet"), rows({"other": 1.0}))
    save(Path("clips.parquet"), rows({"q1": 1.0}, clips={"q1": ["elsewhere"]}))
    save(Path("precise.parquet"), rows({"q1": 1.0}, measure="precision"))
    save(Path("about nothing.parquet"), rows({"q1": 1.0}, clips={"q1": []}))
    Path("text.parquet").write_text("no table")
    Path("empty").mkdir()
    old = pd.read_parquet("a.parquet").drop(columns="clips")
    old.to_parquet("old.parquet")
    twice = pd.read_parquet("a.parquet")
    pd.concat([twice, twice]).to_parquet("twice.parquet")
    assert "neither a folder or file, nor a git revision" in refused(capsys, "a.parquet", "nowhere")
    assert "no reports/evaluate/per_query.parquet in this folder" in refused(capsys, "empty", "a.parquet")
    assert "is no Parquet table" in refused(capsys, "text.parquet", "a.parquet")
    assert "missing columns ['clips']" in refused(capsys, "old.parquet", "a.parquet")
    assert "stands there twice" in refused(capsys, "twice.parquet", "a.parquet")
    assert "names no clip" in refused(capsys, "about nothing.parquet", "a.parquet")
    assert "share no query" in refused(capsys, "a.parquet", "b.parquet")
    assert "differ in toy t2a" in refused(capsys, "a.parquet", "a.parquet,b.parquet")
    assert "differ in toy t2a" in refused(capsys, "a.parquet", "a.parquet,clips.parquet")
    assert "a run counts once" in refused(capsys, "a.parquet", "a.parquet,a.parquet")
    assert "empty run" in refused(capsys, "a.parquet,", "a.parquet")
    assert "share no measure that the report tells; --all" in refused(capsys, "a.parquet", "precise.parquet")
    assert "share no measure\n" in refused(capsys, "a.parquet", "precise.parquet", "--all")
    assert "share no measure r5" in refused(capsys, "a.parquet", "a.parquet", "--measures", "r10,r5")
    assert "no part a2t; there is: t2a" in refused(capsys, "a.parquet", "a.parquet", "--parts", "t2a,a2t")
    assert "no model teacher; there is: student" in refused(capsys, "a.parquet", "a.parquet", "--model", "teacher")
    assert "--resamples -1: 0 or more" in refused(capsys, "a.parquet", "a.parquet", "--resamples", "-1")


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A git and DVC repository: tags `none` (no results yet), `first` and `second`, and the experiment `third`."""
    folder = tmp_path_factory.mktemp("repository")

    def run(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    def commit(name: str) -> None:
        run("git", "add", "-A")
        run("git", "-c", "user.email=test@example.org", "-c", "user.name=test", "commit", "-qm", name)
        run("git", "tag", name)

    def evaluate(value: float) -> None:
        save(folder / RESULTS, rows({"q1": value, "q2": value}))
        run(*dvc, "add", "-q", "reports/evaluate")

    dvc = (sys.executable, "-m", "dvc")
    run("git", "init", "-q")
    run(*dvc, "init", "-q")
    run("git", "config", "user.email", "test@example.org")
    run("git", "config", "user.name", "test")
    commit("none")
    evaluate(0.25)
    commit("first")
    evaluate(0.5)
    commit("second")
    evaluate(0.75)
    run(*dvc, "exp", "save", "-q", "-n", "third")
    return folder


def test_revisions_experiments_and_folders_are_read(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(repository)
    (row,), _, _ = compared(capsys, "first", "HEAD")
    assert row[4:7] == ["0.250", "0.500", "+0.250"]
    # As the folder lies there: a checkout, its results, the file.
    for there in (repository, ".", "reports/evaluate", RESULTS):
        (row,), _, _ = compared(capsys, "second", there)
        assert row[4:7] == ["0.500", "0.750", "+0.250"]
    (row,), _, _ = compared(capsys, "first,second", "third")
    assert row[4:7] == ["0.375 ± 0.177 (2)", "0.750", "+0.375"]
    assert "is not in DVC's cache" in refused(capsys, "first", "none")
    assert "neither a folder or file, nor a git revision" in refused(capsys, "fourth", "first")
    Path("first").mkdir()  # a folder without results does not hide the tag
    (row,), _, _ = compared(capsys, "first", "HEAD")
    assert row[4] == "0.250"
    Path("first").rmdir()


def test_a_clone_without_the_cache_is_told_so(repository, tmp_path, capsys, monkeypatch):
    """DVC says it in two ways: by the file, or by the folder where it never saw its listing."""
    subprocess.run(["git", "clone", "-q", str(repository), str(tmp_path / "clone")], check=True)
    monkeypatch.chdir(tmp_path / "clone")
    assert "first: reports/evaluate/per_query.parquet of this revision is not in DVC's cache" in refused(
        capsys, "first", "HEAD"
    )
    monkeypatch.chdir(repository)
    (repository / ".dvc/cache").rename(tmp_path / "cache")
    assert "is not in DVC's cache" in refused(capsys, "first", "HEAD")
    (tmp_path / "cache").rename(repository / ".dvc/cache")


def test_queries_that_were_asked_otherwise_are_told(tmp_path, capsys):
    one = rows({"q1": 1, "q2": 0, "q3": 0})
    other = [one[0] | {"relevant": 7}, *(row | {"words": "put otherwise"} for row in one[1:])]
    a, b = save(tmp_path / "a.parquet", one), save(tmp_path / "b.parquet", other)
    *_, said = compared(capsys, a, b)
    assert "toy t2a: 2 of 3 queries asked with other words in A and B" in said
    assert "toy t2a: 1 of 3 queries with another number of answers in A and B" in said
    *_, said = compared(capsys, a, a)
    assert said == ""
