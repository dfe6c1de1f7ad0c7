"""Experiments side by side: what is read, what differs, what lies apart, the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from stages.report.compare import main
from stages.report.comparison import Metric, cell, cells_of, differing, metrics_of
from stages.report.experiments import Experiment, Value, names_of, read_experiment
from tests.stages.report.test_report import Page

EVIL = "<script>alert(1)</script>"


def run_folder(folder: Path, r10: float, *, steps: int = 180, intervals: bool = True, rank: float = 3.0) -> Path:
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
    params = {"seed": 0, "student": {"steps": steps, "weights": {"a": 1}}, "machine": {"workers": steps},
              "report": {"title": f"{EVIL} {steps}"}}  # fmt: skip
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


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


def test_what_differs_and_what_lies_apart(three):
    experiments = [read_experiment(str(folder)) for folder in three]
    assert differing(experiments) == ["student.steps"]
    assert differing(experiments[:1] * 2) == []
    r10, rank = Metric(("toy", "t2a", "r10")), Metric(("toy", "a2t", "median_rank"))
    assert [cell(one, experiments[0], r10, "student").apart for one in experiments] == ["", "higher", ""]
    assert cell(experiments[0], experiments[1], r10, "student").apart == "lower"
    # A lower median rank is a better one.
    assert cell(experiments[1], experiments[0], rank, "student").apart == "higher"
    assert {metric.key for metric in metrics_of(experiments, "student")} == set(experiments[0].metrics["student"])


def test_a_metric_that_an_experiment_lacks_is_a_gap(three):
    experiments = [read_experiment(str(folder)) for folder in three]
    key = ("toy", "zero_shot", "accuracy")
    del experiments[1].metrics["student"][key]
    rows = cells_of(experiments, [Metric(key)])
    assert [cells["student"][0].value is None for _, cells in rows] == [False, True, False]


def test_the_page(three, tmp_path, monkeypatch):
    out = tmp_path / "out"
    call(*map(str, three), "--out", str(out), monkeypatch=monkeypatch)
    html = (out / "index.html").read_text(encoding="utf-8")
    page = Page(html)
    assert EVIL not in html
    assert "▲ 0.700" in html.replace("\n", "")
    assert "workers" not in html
    assert all((out / name).is_file() for name in page.values("src") if name)
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 2  # mAP@10 and accuracy are chief
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    call(*map(str, three), "--out", str(out), monkeypatch=monkeypatch)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_without_intervals_nothing_lies_apart(tmp_path):
    folders = [run_folder(tmp_path / name, value, intervals=False) for name, value in (("a", 0.1), ("b", 0.9))]
    experiments = [read_experiment(str(folder)) for folder in folders]
    assert cell(experiments[1], experiments[0], Metric(("toy", "t2a", "r10")), "student").apart == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [(["nowhere"], "only nowhere to compare"), (["a", "a"], "named twice"), (["a", "b"], "neither a folder nor")],
)
def test_bad_names_are_refused(words, said, tmp_path, monkeypatch, capsys):
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
    assert sum(tag == "tr" for tag, _ in page.tags) == 3 * 36
    assert isinstance(read_experiment(str(folders[0])), Experiment)
