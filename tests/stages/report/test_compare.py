"""Experiments side by side: what is read, what differs, what lies apart, the page."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from scipy import stats

from clapline.comparison.differences import paired_difference
from clapline.comparison.runs import RESULTS
from clapline.comparison.tested import holm
from clapline.errors import UserError
from stages.report.arms import arms_of
from stages.report.compare import main
from stages.report.comparison import Metric, cells_of, changed, differing, metrics_of, not_alike, short_names
from stages.report.experiments import Experiment, Value, names_of, read_experiment
from tests.stages.report.test_report import Page

EVIL = "<script>alert(1)</script>"


def per_query(folder: Path, r10: float, rank: float) -> None:
    """Write results of 60 queries of a clip each, on which r10 is fairly sure of its mean."""
    noise = np.random.default_rng(0).normal(scale=0.02, size=60)
    own = np.random.default_rng(round(1000 * r10)).normal(scale=0.02, size=60)
    parts = {"t2a": {"r10": r10 + noise + own, "map10": (r10 + noise) / 2}, "zero_shot": {"accuracy": 0.5 + noise},
             "a2t": {}}  # fmt: skip
    rows = [
        {"model": model, "dataset": "toy", "part": part, "query": f"q{place}", "words": "a dog", "relevant": 1,
         "clips": [f"c{place}"], "best_rank": int(rank)} | {name: float(values[place]) for name, values in of.items()}
        for model in ("student", "teacher") for part, of in parts.items() for place in range(60)
    ]  # fmt: skip
    columns = {
        name: pd.Series([row.get(name) for row in rows], dtype="float64") for name in ("r10", "map10", "accuracy")
    }
    keys = ["model", "dataset", "part", "query", "words", "relevant", "clips", "best_rank"]
    table = pa.Table.from_pandas(pd.DataFrame(rows)[keys].assign(**columns), preserve_index=False)
    pq.write_table(table, folder / "reports/evaluate/per_query.parquet")


def run_folder(
    folder: Path, r10: float, *, steps: int = 180, intervals: bool = True, rank: float = 3.0, seed: int = 0
) -> Path:
    measures = {"t2a": {"r10": r10, "map10": r10 / 2}, "zero_shot": {"accuracy": 0.5}, "a2t": {"median_rank": rank}}
    metrics = {model: {"toy": measures} for model in ("student", "teacher")}
    (folder / "reports/evaluate").mkdir(parents=True)
    (folder / "reports/metrics.json").write_text(json.dumps(metrics))
    rows = [
        {"dataset": "toy", "part": part, "measure": measure, "chance": 0.1}
        | {model: {"estimate": value, "low": value - 0.05, "high": value + 0.05} for model in ("student", "teacher")}
        for part, values in measures.items()
        for measure, value in values.items()
    ]
    (folder / "reports/evaluate/intervals.json").write_text(json.dumps(rows if intervals else []))
    if intervals:
        per_query(folder, r10, rank)
    params = {"seed": seed, "student": {"steps": steps, "weights": {"a": 1}}, "machine": {"workers": steps},
              "report": {"title": f"{EVIL} {steps}"}}  # fmt: skip
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def commit_all() -> None:
    """Make a repository of git and DVC here and commit what lies in it."""
    for words in ("git init -q", "dvc init -q", "git add .", "git -c user.name=a -c user.email=a@b commit -qm one"):
        subprocess.run([sys.executable, "-m", *words.split()] if words[0] == "d" else words.split(), check=True)


def call(*words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", *words])
    main()


@pytest.fixture
def three(tmp_path):
    return [
        run_folder(tmp_path / "first", 0.50),
        run_folder(tmp_path / "better", 0.70, steps=240, rank=2.0),
        run_folder(tmp_path / "alike", 0.53, steps=181),
    ]


def test_what_is_read(three):
    one = read_experiment(str(three[0]))
    assert one.metrics["student"]["toy", "t2a", "r10"] == Value(0.5, 0.45, 0.55)
    assert one.params == {"seed": "0", "student.steps": "180", "student.weights.a": "1", "report.title": f"{EVIL} 180"}


def test_what_differs(three):
    arms = arms_of([read_experiment(str(folder)) for folder in three])
    assert differing(arms) == ["student.steps"]
    assert differing(arms[:1] * 2) == []
    assert changed(arms[0], arms[0], ["student.steps"]) == [("student.steps", "180")]
    assert changed(arms[1], arms[0], ["student.steps", "seed"]) == [("student.steps", "240")]
    names = ["student.steps", "teacher.learning_rates.audio", "student.learning_rates.audio", "a.b.c"]
    assert list(short_names(names).values()) == [*names[:3], "b.c"]


def test_seeds_of_an_arm_stand_together(tmp_path):
    """Three seeds of two arms; a run with nothing changed but its code is an arm of its own."""
    folders = [run_folder(tmp_path / f"plain.{seed}", 0.5 + seed / 100, seed=seed) for seed in range(3)]
    folders += [run_folder(tmp_path / f"long.{seed}", 0.6 + seed / 50, seed=seed, steps=240) for seed in range(3)]
    folders.append(run_folder(tmp_path / "again", 0.5))
    experiments = [read_experiment(str(folder)) for folder in folders]
    arms = arms_of(experiments)
    assert [len(arm.experiments) for arm in arms] == [3, 3, 1]
    assert [Path(arm.name).name for arm in arms] == ["plain (3 seeds)", "long (3 seeds)", "again"]
    assert differing(arms[:2]) == ["student.steps"]
    assert differing(arms) == ["seed", "student.steps"]
    key = ("toy", "t2a", "r10")
    value, deviation = arms[1].value("student", key)
    assert (value.estimate, deviation) == pytest.approx((0.62, 0.02))
    difference = cells_of(arms, [Metric(key)], "student")[1][0].difference
    frames = [[one.runs["student"].parts["toy", "t2a"] for one in arm.experiments] for arm in arms[:2]]
    assert replace(difference, p_holm=None) == paired_difference(frames[1], frames[0], "r10")
    assert len(difference.by_seed) == 3


def test_differences_are_those_of_the_same_queries(three, tmp_path):
    experiments = [read_experiment(str(folder)) for folder in (*three, run_folder(tmp_path / "worse", 0.46, steps=9))]
    assert {metric.key for metric in metrics_of(experiments, "student")} == set(experiments[0].metrics["student"])
    arms = arms_of(experiments)
    metrics = [Metric(("toy", part, measure)) for part, measure in
               (("t2a", "r10"), ("zero_shot", "accuracy"), ("a2t", "median_rank"))]  # fmt: skip
    rows = cells_of(arms, metrics, "student")
    assert [row[0].direction for row in rows] == ["", "better", "better", "worse"]
    # 0.53 beside 0.50: their own intervals overlap, yet the same queries tell them apart.
    assert rows[2][0].value.low < rows[0][0].value.high
    frames = [one.runs["student"].parts["toy", "t2a"] for one in experiments]
    gaps = frames[2]["r10"] - frames[0]["r10"]
    test = stats.ttest_1samp(gaps, 0)
    found = rows[2][0].difference
    assert found.estimate == pytest.approx(gaps.mean())
    assert (found.low, found.high) == pytest.approx(test.confidence_interval(0.95))
    assert found.p_value == pytest.approx(test.pvalue)
    # Corrected for six tests: of three experiments in two metrics.
    tested = [cell.difference for row in rows[1:] for cell in row[:2]]
    assert [one.p_holm for one in tested] == holm([one.p_value for one in tested])
    assert [row[1].direction for row in rows] == [""] * 4
    # A median is no mean over queries.
    assert [row[2].difference for row in rows] == [None] * 4


def test_a_metric_that_an_experiment_lacks_is_a_gap(three):
    experiments = [read_experiment(str(folder)) for folder in three]
    key = ("toy", "zero_shot", "accuracy")
    del experiments[1].metrics["student"][key]
    rows = cells_of(arms_of(experiments), [Metric(key)], "student")
    assert [row[0].value is None for row in rows] == [False, True, False]


def test_the_page(three, tmp_path, monkeypatch):
    out = tmp_path / "out"
    params = yaml.safe_load((three[1] / "params.yaml").read_text())
    (three[1] / "params.yaml").write_text(yaml.safe_dump(params | {"stress": {"prompt": EVIL}}))
    three[2] = three[2].rename(tmp_path / "a,b <i>")
    call(*map(str, three), "--out", str(out), monkeypatch=monkeypatch)
    html = (out / "index.html").read_text(encoding="utf-8")
    assert EVIL not in html
    assert "stress.prompt: &lt;script&gt;" in html
    assert "<i>" not in html
    page = Page(html)
    assert html.count("▲ +0.20") == 2, "R@10 of better, in the student's and in the teacher's table of all metrics"
    assert "△" not in html.split("<main>")[1]
    assert "student.steps: 240" in html
    assert "workers" not in html
    assert all((out / name).is_file() for name in page.values("src") if name)
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 2  # mAP@10 and accuracy are chief
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    call(*map(str, three), "--out", str(out), monkeypatch=monkeypatch)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_page_without_chief_metrics_has_its_tables_and_no_picture(three, tmp_path, monkeypatch):
    for folder in three:
        read = json.loads((folder / "reports/metrics.json").read_text())
        kept = {model: {"toy": {"t2a": {"r10": of["toy"]["t2a"]["r10"]}}} for model, of in read.items()}
        (folder / "reports/metrics.json").write_text(json.dumps(kept))
    call(*map(str, three), "--out", str(tmp_path / "out"), monkeypatch=monkeypatch)
    html = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert not [tag for tag, _ in Page(html).tags if tag == "img"]
    assert html.count("▲ +0.20") == 2
    assert "None of the chief metrics was measured" in html
    assert 'id="pictures"' not in html


def test_what_p_alone_finds_is_no_more_than_that(three):
    """Forty more experiments of the same make the correction strict: a small difference no longer outlasts it."""
    experiments = [read_experiment(str(folder)) for folder in three]
    close = pd.read_parquet(three[0] / RESULTS)
    close["r10"] += np.random.default_rng(3).normal(0.006, 0.02, len(close))
    close.to_parquet(three[2] / RESULTS)
    many = [experiments[0], read_experiment(str(three[2])), *[replace(experiments[0]) for _ in range(40)]]
    cell = cells_of(arms_of(many), [Metric(("toy", "t2a", "r10"))], "student")[1][0]
    assert (cell.direction, cell.difference.survives) == ("better", False)


def test_experiments_that_were_asked_otherwise_are_named(three):
    table = pd.read_parquet(three[1] / RESULTS)
    table.loc[table["query"] == "q3", "words"] = "another question"
    table[table["query"] != "q59"].to_parquet(three[1] / RESULTS)
    experiments = [read_experiment(str(folder)) for folder in three]
    name = three[1]
    assert not_alike(experiments) == [
        f"{name}: {said}"
        for said in (
            *(f"toy {part}: 1 queries of one alone" for part in ("a2t", "t2a", "zero_shot")),
            *(f"toy {part}: 1 of 59 queries asked with other words" for part in ("a2t", "t2a", "zero_shot")),
        )
    ]


def test_a_damaged_file_of_results_is_told(three, capsys):
    (three[1] / RESULTS).write_text("no parquet")
    experiment = read_experiment(str(three[1]))
    assert experiment.runs == {}
    assert experiment.metrics["student"]
    assert capsys.readouterr().err.count("no Parquet table") == 2


def test_an_experiment_of_a_revision(three, tmp_path, monkeypatch, capsys):
    """The files of a commit, looked up as those of a folder are; what a commit lacks is said."""
    monkeypatch.chdir(three[0])
    commit_all()
    here, committed = read_experiment("."), read_experiment("HEAD")
    assert (committed.metrics, committed.params) == (here.metrics, here.params)
    pd.testing.assert_frame_equal(
        committed.runs["student"].parts["toy", "t2a"], here.runs["student"].parts["toy", "t2a"]
    )
    for words in (f"git rm -q --cached {RESULTS}", "git -c user.name=a -c user.email=a@b commit -qm two"):
        subprocess.run(words.split(), check=True)
    assert read_experiment("HEAD").runs == {}
    for words in ("git rm -q --cached reports/metrics.json", "git -c user.name=a -c user.email=a@b commit -qm three"):
        subprocess.run(words.split(), check=True)
    with pytest.raises(UserError, match=r"HEAD: reports/metrics.json is not there"):
        read_experiment("HEAD")
    with pytest.raises(UserError, match="nowhere is neither a folder nor a revision"):
        read_experiment("nowhere")


def test_a_revision_and_its_hash_are_one_experiment(three, monkeypatch, capsys):
    monkeypatch.chdir(three[0])
    commit_all()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    with pytest.raises(SystemExit):
        call("HEAD", str(three[1]), commit.stdout.strip(), monkeypatch=monkeypatch)
    assert f"HEAD, {commit.stdout.strip()} are one experiment" in capsys.readouterr().err


def test_without_results_per_query_nothing_is_said(tmp_path):
    folders = [run_folder(tmp_path / name, value, intervals=False) for name, value in (("a", 0.1), ("b", 0.9))]
    experiments = [read_experiment(str(folder)) for folder in folders]
    cells = cells_of(arms_of(experiments), [Metric(("toy", "t2a", "r10"))], "student")
    assert [(row[0].direction, row[0].difference) for row in cells] == [("", None)] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "only nowhere to compare"),
        (["tests", "./tests"], "tests, ./tests are one experiment, which is named twice"),
        (["a", "b"], "a is no folder, and there is no DVC repository here"),
    ],
)
def test_bad_names_are_refused(words, said, tmp_path, monkeypatch, capsys):
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        call(*words, monkeypatch=monkeypatch)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_other_files_are_never_replaced(three, tmp_path, monkeypatch, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit):
        call(*map(str, three), "--out", str(mine), monkeypatch=monkeypatch)
    assert "holds other files" in capsys.readouterr().err
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_was_not_run_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit):
        call(str(tmp_path / "empty"), str(tmp_path), monkeypatch=monkeypatch)
    assert "run the pipeline there first" in capsys.readouterr().err


def test_names_are_those_of_the_finished_experiments_of_the_commit():
    def entry(name: str, state: str) -> dict:
        return {"revs": [{"name": name, "rev": "f" * 40, "data": {"params": {}}}], "executor": {"state": state}}

    shown = [
        {"rev": "workspace", "data": {}, "experiments": None},
        {"rev": "a" * 40, "data": {"params": {}}, "experiments": [entry("b", "success"), entry("a", "success"),
                                                                entry("c", "failed")]},
    ]  # fmt: skip
    assert names_of(shown) == ["HEAD", "a", "b"]


def test_many_experiments_stay_one_table(tmp_path, monkeypatch):
    folders = [run_folder(tmp_path / f"run-{number:02d}", number / 40, steps=number + 1) for number in range(35)]
    call(*map(str, folders), "--out", str(tmp_path / "out"), monkeypatch=monkeypatch)
    page = Page((tmp_path / "out/index.html").read_text(encoding="utf-8"))
    assert sum(tag == "tr" for tag, _ in page.tags) == 4 * 36
    assert isinstance(read_experiment(str(folders[0])), Experiment)
