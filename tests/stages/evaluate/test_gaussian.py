"""The door with Gaussian models: scores by expected distance, widths held against length, levels and wrong answers."""

from __future__ import annotations

import importlib
import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from clapline.chapter import read_chapter
from clapline.metrics.uncertainty import stranger
from clapline.model.gallery import VectorGallery
from clapline.randomness import generator
from clapline.tables.clips import CLIPS
from clapline.tables.per_query import PER_QUERY
from stages.evaluate.uncertainty import _inclusion
from tests.stages.evaluate.conftest import StandIn, gallery_of_clips


def evaluate() -> None:
    importlib.import_module("stages.evaluate.__main__").main()


def log_variances(texts: list[str]) -> np.ndarray:
    """Fewer words, wider: a parent in a tree always has fewer than its child."""
    return np.stack([np.full(12, -1.0 - 0.3 * len(text.split()), np.float32) for text in texts])


class GaussianStandIn(StandIn):
    def encode_text_gaussians(self, texts):
        return self.encode_texts(texts), log_variances(texts)


def gaussian_gallery(clap, clips, machine, description):
    means = gallery_of_clips(clap, clips, machine, description).vectors
    return VectorGallery(means, np.full_like(means, -4.0))


@pytest.fixture
def gaussian_workspace(evaluate_workspace, monkeypatch):
    monkeypatch.setattr(importlib.import_module("clapline.model.clap"), "Clap", GaussianStandIn)
    monkeypatch.setattr(importlib.import_module("clapline.model.encode"), "gallery_of_clips", gaussian_gallery)
    return evaluate_workspace


def told(kind: str, model: str = "student") -> list[dict]:
    found = json.loads(Path("reports/evaluate/uncertainty.json").read_text(encoding="utf-8"))
    return [entry for entry in found[model] if entry["kind"] == kind]


def set_evaluate(**values) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["evaluate"].update(values)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def test_what_the_widths_say_is_written_and_told(gaussian_workspace):
    evaluate()
    (length,) = told("length")
    assert length["pearson"] < -0.9
    assert length["spearman"] == -1.0
    assert {entry["part"] for entry in told("calibration")} == {"t2a", "a2t", "zero_shot"}
    # All clips are equally wide here: nothing is told of them.
    assert {entry["area"] for entry in told("calibration") if entry["part"] != "t2a"} <= {0.5, None}
    inclusion = {entry["pair"]: entry for entry in told("inclusion")}
    assert list(inclusion) == ["clip in caption", "level 2 in level 1", "level 3 in level 2", "level 4 in level 3"]
    for entry in inclusion.values():
        # The control the paper lacks: a stranger's parent includes as well, since only widths are compared.
        assert entry["included"] == entry["stranger"] == entry["wider"] == 1.0
    chapter = read_chapter("reports/evaluate")
    assert any(block.file == "calibration.svg" for block in chapter.blocks)
    assert sum("inclusion is a matter of width alone" in block.caption for block in chapter.blocks) == 1
    rows = pd.read_csv("reports/evaluate/calibration.tsv", sep="\t")
    assert set(rows["model"]) == {"teacher", "student"}
    assert rows["score"].between(0, 1).all()


def test_levels_are_in_order_of_uncertainty(gaussian_workspace):
    evaluate()
    rows = json.loads(Path("reports/evaluate/intervals.json").read_text(encoding="utf-8"))
    (tau,) = [row for row in rows if row["measure"] == "uncertainty_tau"]
    assert tau["student"]["estimate"] == 1.0
    assert tau["chance"] == 0.0
    values = PER_QUERY.read("reports/evaluate/per_query.parquet")
    assert (values[values.part == "traversal"]["uncertainty_tau"] == 1).all()
    assert values[values.part == "t2a"]["uncertainty_tau"].isna().all()


def test_answers_are_ranked_by_expected_distance_or_by_means_as_asked(gaussian_workspace, monkeypatch):
    def drawn(self, texts):
        widths = [np.full(12, -4 + zlib.crc32(text.encode()) % 3, np.float32) for text in texts]
        return self.encode_texts(texts), np.stack(widths)

    monkeypatch.setattr(GaussianStandIn, "encode_text_gaussians", drawn)
    evaluate()
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    found = rows[(rows.part == "a2t") & (rows.model == "student")].set_index("query")["best_rank"]
    clips = CLIPS.read("data/captioned/retrieval.parquet")
    captions = sorted({text for texts in clips["captions"] for text in texts})
    student = GaussianStandIn("student")
    texts, widths = student.encode_text_gaussians(captions)
    audio = gaussian_gallery(student, clips, None, "").vectors
    by_means = (audio.astype(np.float64) @ texts.T.astype(np.float64)).astype(np.float32)
    by_distance = (by_means - np.exp(widths).sum(axis=1) / 2).astype(np.float32)
    held = np.array([[caption in texts for caption in captions] for texts in clips["captions"]])

    def best(scores):
        own = np.where(held, scores, -np.inf).max(axis=1)
        return 1 + (np.where(held, -np.inf, scores) >= own[:, None]).sum(axis=1)

    np.testing.assert_array_equal(found[clips["clip_id"]].to_numpy(), best(by_distance))
    set_evaluate(gaussian_score="mean")
    evaluate()
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    found = rows[(rows.part == "a2t") & (rows.model == "student")].set_index("query")["best_rank"]
    np.testing.assert_array_equal(found[clips["clip_id"]].to_numpy(), best(by_means))
    assert (best(by_means) != best(by_distance)).any()


def test_a_student_of_gaussians_beside_a_teacher_of_points(gaussian_workspace, monkeypatch):
    def gallery(clap, clips, machine, description):
        kind = gallery_of_clips if clap.noise == StandIn("teacher").noise else gaussian_gallery
        return kind(clap, clips, machine, description)

    monkeypatch.setattr(importlib.import_module("clapline.model.encode"), "gallery_of_clips", gallery)
    evaluate()
    found = json.loads(Path("reports/evaluate/uncertainty.json").read_text(encoding="utf-8"))
    assert list(found) == ["student"]
    rows = json.loads(Path("reports/evaluate/intervals.json").read_text(encoding="utf-8"))
    assert not [row for row in rows if row["measure"] == "uncertainty_tau"]  # the teacher has none to compare with
    values = PER_QUERY.read("reports/evaluate/per_query.parquet")
    assert values[(values.part == "traversal") & (values.model == "student")]["uncertainty_tau"].notna().all()


def test_variances_that_are_no_numbers_are_refused(gaussian_workspace, capsys, monkeypatch):
    def broken(self, texts):
        widths = log_variances(texts)
        widths[3, 0] = 1e4
        return self.encode_texts(texts), widths

    monkeypatch.setattr(GaussianStandIn, "encode_text_gaussians", broken)
    with pytest.raises(SystemExit) as stop:
        evaluate()
    assert stop.value.code == 2
    assert "teacher: texts: the variances of 1 of" in capsys.readouterr().err


def test_the_order_of_widths_is_told_where_the_teacher_has_none(gaussian_workspace, monkeypatch):
    def gallery(clap, clips, machine, description):
        kind = gallery_of_clips if clap.noise == StandIn("teacher").noise else gaussian_gallery
        return kind(clap, clips, machine, description)

    monkeypatch.setattr(importlib.import_module("clapline.model.encode"), "gallery_of_clips", gallery)
    evaluate()
    (order,) = told("order")
    assert (order["tau"], order["low"], order["high"], order["n"]) == (1.0, 1.0, 1.0, 30)


def test_strangers_are_told_apart_from_own_parents():
    """Pairs of two sizes: every own parent is wider, but a small stranger does not include a large child."""
    large = np.arange(40) % 2 == 0
    means = np.zeros((40, 3), np.float32)
    child = means, np.log(np.where(large, 1.0, 0.25))[:, None].repeat(3, axis=1).astype(np.float32)
    parent = means, np.log(np.where(large, 2.0, 0.5))[:, None].repeat(3, axis=1).astype(np.float32)
    found = _inclusion("toy", "child in parent", child, parent, np.arange(40), seed=0)
    strange = stranger(np.arange(40), generator(0, "evaluate", "stranger", "toy", "child in parent"))
    assert found["included"] == found["wider"] == 1.0
    assert found["stranger"] == pytest.approx(1 - (large & ~large[strange]).mean())
    assert 0.5 < found["stranger"] < 0.95
    alike = _inclusion("toy", "child in parent", child, parent, np.zeros(40, int), seed=0)
    assert alike["stranger"] is None
