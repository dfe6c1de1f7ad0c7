"""Ensembles through the door: mean similarity, told beside the student; members once, outside models too."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from clapline.chapter import read_chapter
from clapline.tables.clips import CLIPS
from clapline.tables.per_query import PER_QUERY
from tests.stages.evaluate.conftest import NOISE, StandIn, gallery_of_clips


def evaluate() -> None:
    importlib.import_module("stages.evaluate.__main__").main()


def set_ensembles(ensembles: dict) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["evaluate"].update(ensembles=ensembles)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def read(path: str) -> list:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_both_models_together_score_by_their_mean(evaluate_workspace):
    set_ensembles({"both": ["teacher", "student"]})
    evaluate()
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    found = rows[(rows.part == "t2a") & (rows.model == "both")].set_index("query")["best_rank"]
    clips = CLIPS.read("data/captioned/retrieval.parquet")
    captions = sorted({text for texts in clips["captions"] for text in texts})
    scores = np.mean(
        [
            model.encode_texts(captions).astype(np.float64) @ gallery_of_clips(model, clips, None, "").vectors.T
            for model in map(StandIn, ("teacher", "student"))
        ],
        axis=0,
    )
    held = np.array([[caption in texts for texts in clips["captions"]] for caption in captions])
    own = np.where(held, scores, -np.inf).max(axis=1)
    expected = 1 + (np.where(held, -np.inf, scores) >= own[:, None] - 1e-9).sum(axis=1)
    np.testing.assert_array_equal(found[captions].to_numpy(), expected)
    told = read("reports/evaluate/ensembles.json")
    assert {tuple(key for key in row if key.endswith("_minus_student")) for row in told} == {("both_minus_student",)}
    assert len(told) == len(read("reports/evaluate/intervals.json"))
    chapter = read_chapter("reports/evaluate")
    assert any(block.columns[-2:] == ["both − student", "p"] for block in chapter.blocks)
    assert any("than the student" in block.caption or "Not significant" in block.caption for block in chapter.blocks)


def test_the_metrics_stay_those_of_teacher_and_student(evaluate_workspace):
    evaluate()
    before = Path("reports/metrics.json").read_bytes()
    set_ensembles({"both": ["teacher", "student"]})
    evaluate()
    assert Path("reports/metrics.json").read_bytes() == before


def test_one_model_alone_under_another_name_is_that_model(evaluate_workspace, monkeypatch):
    monkeypatch.setitem(NOISE, "published", NOISE["teacher"])
    set_ensembles({"outside": ["elsewhere/published"], "again": ["student"]})
    evaluate()
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet").set_index(["model", "part", "query"])["best_rank"]
    for name, same in (("outside", "teacher"), ("again", "student")):
        for part in ("t2a", "a2t"):
            np.testing.assert_array_equal(rows[name, part].to_numpy(), rows[same, part].to_numpy())


def test_each_model_is_encoded_once(evaluate_workspace, monkeypatch):
    asked = []

    def counted(clap, clips, machine, description):
        asked.append(description)
        return gallery_of_clips(clap, clips, machine, description)

    monkeypatch.setattr(importlib.import_module("clapline.model.encode"), "gallery_of_clips", counted)
    set_ensembles({"both": ["teacher", "student"], "all": ["student", "teacher", "student"]})
    evaluate()
    assert asked == ["encode clips (teacher)", "encode clips (student)"]


def test_a_name_that_is_taken_is_refused(evaluate_workspace, capsys):
    set_ensembles({"student": ["teacher"]})
    with pytest.raises(SystemExit):
        evaluate()
    assert "'student' is the name of a model of the run" in capsys.readouterr().err
