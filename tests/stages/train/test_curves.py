from __future__ import annotations

import json
import sys

import pandas as pd
import pytest

from stages.train.curves import LiveCurves

ROWS = [{"step": step, "loss": 1.0 / step, "learning_rate_text": 0.1 * step} for step in (10, 20, 30)]


def curve(folder, name):
    return pd.read_csv(folder / "plots/metrics" / f"{name}.tsv", sep="\t")


def test_each_row_is_on_disk_at_once(tmp_path):
    curves = LiveCurves(tmp_path / "live")
    for count, row in enumerate(ROWS, start=1):
        curves.add(row)
        assert list(curve(tmp_path / "live", "loss").step) == [10, 20, 30][:count]
    curves.add({"step": 30, "val_map10": 0.5})
    assert list(curve(tmp_path / "live", "loss").loss) == pytest.approx([0.1, 0.05, 1 / 30])
    assert list(curve(tmp_path / "live", "val_map10").step) == [30]
    summary = json.loads((tmp_path / "live/metrics.json").read_text())
    assert summary == {
        "step": 30,
        "loss": pytest.approx(1 / 30),
        "learning_rate_text": pytest.approx(3.0),
        "val_map10": 0.5,
    }
    assert not list(tmp_path.rglob("dvc.yaml"))


def test_a_resumed_run_shows_no_step_twice(tmp_path):
    """The killed run had written step 30 after its last checkpoint, at step 20."""
    killed = LiveCurves(tmp_path)
    for row in ROWS:
        killed.add(row)
    resumed = LiveCurves(tmp_path, ROWS[:2])
    resumed.add(ROWS[2])
    assert list(curve(tmp_path, "loss").step) == [10, 20, 30]


def test_a_folder_that_cannot_be_written_costs_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    curves = LiveCurves(tmp_path / "file/live", ROWS)
    curves.add(ROWS[0])
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_the_package_there_are_no_curves(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "dvclive", None)
    LiveCurves(tmp_path / "live").add(ROWS[0])
    assert "dvclive" in capsys.readouterr().err
    assert not (tmp_path / "live").exists()


def test_no_folder_no_curves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LiveCurves(None, ROWS).add(ROWS[0])
    assert list(tmp_path.iterdir()) == [tmp_path / "home"] or not list(tmp_path.iterdir())
