"""Sweeps: which experiments are of one, what their students gained, and what is said and drawn of it.

shown.json is what `dvc exp show --json` printed after a queue on tests/tiny.yaml, cut to what is read. Experiments of
it: sigma-1 (as the commit), sigma-2 (σ -0.5), sigma-0.9999 (failed), sigma-0.5 (σ -0.2 and other steps; failed) and
teacher-0.25.
"""

from __future__ import annotations

import copy
import json
import re
import sys
import time
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from clapline.errors import UserError
from clapline.params.base import read_params
from stages.settings.checks import check_params
from tests.test_reruns import Copy
from tools.sweep import SWEEPS, Experiment, Gain, draw, experiments, gains, queue_commands, refuse_unused, show, table

ROOT = Path(__file__).resolve().parents[2]
SHOWN = json.loads((Path(__file__).parent / "shown.json").read_text())
SIGMA, TEACHER = SWEEPS["sigma"], SWEEPS["teacher"]


def changed(name: str, **changes) -> list:
    """Return the record with changes of one experiment: state, timestamp, or params in dots (`__`)."""
    shown = copy.deepcopy(SHOWN)
    (entry,) = [entry for entry in shown[1]["experiments"] if entry["name"] == name]
    data = entry["revs"][0]["data"]
    for key, value in changes.items():
        if key == "state":
            entry["executor"]["state"] = value
        elif key == "timestamp":
            data["timestamp"] = value
        else:
            *sections, last = key.split("__")
            target = data["params"]["params.yaml"]["data"]
            for section in sections:
                target = target.setdefault(section, {})
            target[last] = value
    return shown


def found(shown, sweep=SIGMA) -> dict[float, str]:
    return {experiment.value: experiment.name for experiment in experiments(shown, sweep.parameter)[0]}


def test_a_sweep_holds_what_differs_from_the_commit_in_its_parameter_alone():
    assert found(SHOWN) == {-1.0: "sigma-1", -0.5: "sigma-2"}
    assert found(SHOWN, TEACHER) == {0.25: "teacher-0.25", 1.0: "sigma-1"}
    assert found(changed("sigma-2", student__steps=7)) == {-1.0: "sigma-1"}
    assert found(changed("sigma-2", seed=1)) == {-1.0: "sigma-1"}
    assert found(changed("sigma-2", machine__workers=1)) == {-1.0: "sigma-1", -0.5: "sigma-2"}


def test_what_has_not_ended_is_named_and_not_taken():
    """An experiment under way is shown with the metrics of its commit, which are not its own."""
    assert experiments(SHOWN, SIGMA.parameter)[1] == {"sigma-0.9999": "failed"}
    for state in ("running", "queued"):
        shown = changed("sigma-2", state=state)
        assert shown[1]["experiments"][1]["revs"][0]["data"]["metrics"]
        assert found(shown) == {-1.0: "sigma-1"}
        assert experiments(shown, SIGMA.parameter)[1] == {"sigma-2": state, "sigma-0.9999": "failed"}


def test_of_two_runs_of_one_value_the_later_counts():
    again = {"curate__sigma_audio_text": -1.0}
    assert found(changed("sigma-2", timestamp="2030-01-01T00:00:00", **again)) == {-1.0: "sigma-2"}
    assert found(changed("sigma-2", timestamp="2020-01-01T00:00:00", **again)) == {-1.0: "sigma-1"}


def test_without_a_commit_or_an_experiment_there_is_one_clear_line():
    with pytest.raises(UserError, match="no commit"):
        experiments(SHOWN[:1], SIGMA.parameter)
    alone = copy.deepcopy(SHOWN)
    alone[1]["experiments"] = None
    with pytest.raises(UserError, match=r"differs from it in curate\.sigma_audio_text alone; queue them: python tools"):
        show("sigma", alone, None)


METRICS = {
    "student": {"b": {"t2a": {"map10": 0.5}, "zero_shot": {"accuracy": 0.25}}, "a": {"zero_shot": {"accuracy": 0.5}}},
    "teacher": {"b": {"t2a": {"map10": 0.625}, "zero_shot": {"accuracy": 0.25}}, "a": {"zero_shot": {"accuracy": 0.4}}},
}
INTERVALS = [
    {
        "dataset": "b", "part": "t2a", "measure": "map10",
        "student_minus_teacher": {"estimate": -0.125, "low": -0.2, "high": 0.05, "p_value": 0.2},
    },
    {
        "dataset": "a", "part": "zero_shot", "measure": "accuracy",
        "student_minus_teacher": {"estimate": 0.1, "low": None, "high": None, "p_value": None},
    },
]  # fmt: skip


def test_gains_of_every_dataset_that_has_the_measure():
    rows = gains(Experiment(0.05, "x", "0", METRICS), INTERVALS)
    assert rows == [
        Gain(0.05, "a", "zero-shot accuracy", 0.4, 0.5, None, None),
        Gain(0.05, "b", "zero-shot accuracy", 0.25, 0.25, None, None),
        Gain(0.05, "b", "text to audio, mAP@10", 0.625, 0.5, -0.2, 0.05),
    ]
    assert table(TEACHER, rows[::-1]).splitlines()[2:] == [
        "| 5 % | a | zero-shot accuracy | 0.400 | 0.500 | +0.100 |  |",
        "| 5 % | b | zero-shot accuracy | 0.250 | 0.250 | +0.000 |  |",
        "| 5 % | b | text to audio, mAP@10 | 0.625 | 0.500 | -0.125 | -0.200 to +0.050 |",
    ]
    assert [row.low for row in gains(Experiment(0.05, "x", "0", METRICS), None)] == [None] * 3


def test_the_figure_names_every_dataset_and_value_and_is_the_same_twice(tmp_path):
    rows = [row for value in (0.01, 0.5) for row in gains(Experiment(value, "x", "0", METRICS), INTERVALS)]
    draw(TEACHER, rows, tmp_path / "once.svg")
    draw(TEACHER, rows[::-1], tmp_path / "again.svg")
    drawn = (tmp_path / "once.svg").read_text()
    assert drawn == (tmp_path / "again.svg").read_text()
    words = set(re.findall(r">([^<>]+)</text>", drawn))
    assert {"a", "b", "1", "50", "zero-shot accuracy", "text to audio, mAP@10"} <= words
    assert "level-2 queries, R@10" not in words
    moved = [Gain(**vars(row) | {"high": 0.06}) if row.high else row for row in rows]
    draw(TEACHER, moved, tmp_path / "moved.svg")
    assert drawn != (tmp_path / "moved.svg").read_text()


def test_a_sweep_is_shown_with_what_is_missing(tmp_path, capsys):
    kept = {SHOWN[1]["experiments"][1]["revs"][0]["rev"]: [INTERVALS[0] | {"dataset": "soundscapes"}]}
    show("sigma", SHOWN, tmp_path / "sigma.svg", kept.get)
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2 + 6
    assert "| -1 | soundscapes | text to audio, mAP@10 | 0.347 | 0.338 | -0.009 |  |" in said.out
    assert "| -0.5 | soundscapes | text to audio, mAP@10 | 0.347 | 0.338 | -0.009 | -0.200 to +0.050 |" in said.out
    assert "not among the values: sigma-0.9999 (failed; dvc queue logs sigma-0.9999)" in said.err
    assert "without intervals: sigma-1" in said.err
    assert (tmp_path / "sigma.svg").exists()


@pytest.mark.parametrize("name", SWEEPS)
def test_every_value_is_one_that_params_allow(name, tmp_path):
    sweep, path = SWEEPS[name], tmp_path / "params.yaml"
    commands = queue_commands(name, sweep.values)
    assert len({words[words.index("-n") + 1] for words in commands}) == len(sweep.values)
    for words, value in list(zip(commands, sweep.values, strict=True))[:: len(commands) - 1]:
        path.write_text((ROOT / "params.yaml").read_text())
        apply_overrides(path, [words[words.index("-S") + 1]])
        check_params(path)
        section = read_params(path)
        for key in sweep.parameter.split("."):
            section = section[key]
        assert section == value


@pytest.mark.parametrize(
    ("name", "section", "key", "value", "words"),
    [
        ("beta", "student.objective.contrastive", "targets", "hard", "targets is hard"),
        ("sigma", "student.sources", "curated", 0.0, "none is drawn"),
        ("sigma", "curate", "strategy", "ds", "strategy is ds"),
        ("sigma", "curate", "strategy", "top_k", "strategy is top_k"),
        ("sigma", "curate", "quantile_audio_text", 0.99, "set it to null"),
    ],
)
def test_a_sweep_of_what_decides_nothing_is_refused(name, section, key, value, words):
    params = read_params(ROOT / "params.yaml")
    refuse_unused(name, params)
    refuse_unused("teacher", params)
    refuse_unused("sigma", read_params(ROOT / "tests/tiny.yaml"))  # where the strategy is left out
    target = params
    for part in section.split("."):
        target = target[part]
    target[key] = value
    with pytest.raises(UserError, match=words):
        refuse_unused(name, params)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_queue_of_two_values_ends_in_a_table_and_a_figure(tmp_path):
    repository = Copy(tmp_path)
    repository.repro()
    repository.commit("first run")
    tool = [sys.executable, "tools/sweep.py"]
    repository.run(*tool, "sigma", "--values", "-1", "-0.9", "--run")
    while re.search(r"Queued|Running", repository.run("dvc", "queue", "status").stdout):
        time.sleep(2)
    shown = repository.run(*tool, "figure", "sigma", "--out", "sigma.svg")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.stdout.splitlines()[2:]]
    assert {(row[0], row[2]) for row in rows} == {
        (value, measure)
        for value in ("-1", "-0.9")
        for measure in ("zero-shot accuracy", "text to audio, mAP@10", "level-2 queries, R@10")
    }
    assert all(re.fullmatch(r"[+-]\d\.\d{3} to [+-]\d\.\d{3}", row[-1]) for row in rows), shown.stdout
    assert "<svg" in (repository.folder / "sigma.svg").read_text()
