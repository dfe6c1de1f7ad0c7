"""The door evaluate on a small benchmark: what it writes, repeatability, one-line errors."""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from clapline.chapter import read_chapter
from clapline.tables.captions import PARAPHRASES
from clapline.tables.clips import CLIPS
from clapline.tables.per_query import PER_QUERY


def evaluate() -> None:
    importlib.import_module("stages.evaluate.__main__").main()


def refused(capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        evaluate()
    assert stop.value.code == 2
    words = capsys.readouterr().err
    assert words.count("\n") == 1
    return words


def hashes() -> dict[str, str]:
    files = sorted(path for path in Path("reports").rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def set_evaluate(**values) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["evaluate"].update(values)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def leaves(value) -> list[float]:
    return [leaf for inner in value.values() for leaf in leaves(inner)] if isinstance(value, dict) else [value]


def test_everything_is_written_and_a_second_run_gives_the_same_bytes(evaluate_workspace):
    evaluate()
    metrics = json.loads(Path("reports/metrics.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["student", "teacher", "n"]
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    asked = rows[rows["model"] == "student"].groupby("part").size().to_dict()
    counts = metrics.pop("n")
    assert list(counts) == ["toy"]
    assert {part: counts["toy"][part] for part in asked} == asked
    assert set(counts["toy"]) == set(metrics["student"]["toy"])
    toy = metrics["student"]["toy"]
    assert list(toy) == ["t2a", "a2t", "t2a_level1", "t2a_level2", "twin_order", "twin_noun", "zero_shot", "traversal"]
    assert len(leaves(metrics)) == 32
    assert all(0 <= leaf <= 1 for leaf in leaves(metrics))
    assert toy["zero_shot"]["accuracy"] > metrics["teacher"]["toy"]["zero_shot"]["accuracy"] > 1 / 6
    chapter = read_chapter("reports/evaluate")
    assert all((Path("reports/evaluate") / block.file).exists() for block in chapter.blocks if block.file)
    assert sum(block.kind == "audio" for block in chapter.blocks) >= 4
    assert "1 clips without a label were left out" in " ".join(block.caption for block in chapter.blocks)
    before = hashes()
    evaluate()
    assert hashes() == before


def test_per_query_rows_average_to_the_metrics(evaluate_workspace):
    evaluate()
    metrics = json.loads(Path("reports/metrics.json").read_text(encoding="utf-8"))
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    means = rows.groupby(["model", "dataset", "part"])[["r10", "map10"]].mean()
    for (model, dataset, part), mean in means.iterrows():
        for measure in {"r10", "map10"} & set(metrics[model][dataset][part]):
            assert metrics[model][dataset][part][measure] == pytest.approx(mean[measure], abs=2e-6)


def test_a_shared_caption_is_one_query_and_dropped_paraphrases_leave_both_sides(evaluate_workspace):
    evaluate()
    captions = CLIPS.read("data/captioned/retrieval.parquet")["captions"]
    distinct = {text for texts in captions for text in texts}
    shared = {text for texts in captions for text in texts if text.endswith("first")}
    with_level_2 = {text for texts in captions for text in (texts[0], texts[2])}
    intervals = pd.DataFrame(json.loads(Path("reports/evaluate/intervals.json").read_text(encoding="utf-8")))
    queries = intervals.drop_duplicates("part").set_index("part")["queries"]
    assert queries["t2a"] == queries["t2a_level1"] == len(distinct) < 90
    assert queries["t2a_level2"] == queries["t2a_drop2"] == len(with_level_2)
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    first = rows[(rows.part == "t2a") & rows["query"].isin(shared)]
    assert first.relevant.min() > 1


def test_intervals_hold_their_estimate_and_the_paired_difference_is_its_own(evaluate_workspace):
    evaluate()
    for row in json.loads(Path("reports/evaluate/intervals.json").read_text(encoding="utf-8")):
        for model in ("teacher", "student"):
            assert row[model]["low"] - 1e-9 <= row[model]["estimate"] <= row[model]["high"] + 1e-9
        gap = row["student_minus_teacher"]
        assert gap["estimate"] == pytest.approx(row["student"]["estimate"] - row["teacher"]["estimate"], abs=2e-6)
        assert 0 < gap["p_value"] <= 1


def test_paraphrases_that_are_the_captions_lose_nothing(evaluate_workspace):
    paraphrases = PARAPHRASES.read("data/captions/paraphrases_test.parquet")
    PARAPHRASES.write("data/captions/paraphrases_test.parquet", paraphrases.assign(text=paraphrases.original))
    evaluate()
    rows = json.loads(Path("reports/evaluate/intervals.json").read_text(encoding="utf-8"))
    drops = [row for row in rows if row["part"].startswith("t2a_drop")]
    assert len(drops) == 18
    for row in drops:
        kept = row["measure"] in ("cosine", "shared_top10")
        assert all(row[model]["estimate"] == pytest.approx(float(kept), abs=1e-6) for model in ("teacher", "student"))


def test_equal_models_show_no_significant_difference(evaluate_workspace, monkeypatch):
    clap = importlib.import_module("clapline.model.clap").Clap
    monkeypatch.setattr(clap, "from_pretrained", classmethod(lambda cls, folder: cls("teacher")))
    evaluate()
    words = read_chapter("reports/evaluate").blocks[0].caption
    assert "Not significant" in words
    assert "significantly" not in words


def test_without_resamples_nothing_is_called_significant(evaluate_workspace):
    set_evaluate(bootstrap_resamples=0, examples=0)
    evaluate()
    chapter = read_chapter("reports/evaluate")
    assert "No intervals were asked for" in chapter.blocks[0].caption
    assert not any(block.kind == "audio" for block in chapter.blocks)


def test_plots_are_tables_that_dvc_can_draw(evaluate_workspace):
    evaluate()
    curves = pd.read_csv("reports/evaluate/recall.tsv", sep="\t")
    assert list(curves.columns) == ["k", "teacher_t2a", "student_t2a", "teacher_a2t", "student_a2t"]
    assert (np.diff(curves["student_t2a"]) >= 0).all()
    metrics = json.loads(Path("reports/metrics.json").read_text(encoding="utf-8"))
    assert curves.set_index("k")["student_a2t"][10] == metrics["student"]["toy"]["a2t"]["r10"]
    confusion = pd.read_csv("reports/evaluate/confusion.csv")
    accuracy = (confusion.actual == confusion.predicted).mean()
    assert accuracy == pytest.approx(metrics["student"]["toy"]["zero_shot"]["accuracy"], abs=1e-6)


def test_examples_are_the_five_nearest_clips_in_order(evaluate_workspace):
    evaluate()
    blocks = read_chapter("reports/evaluate").blocks
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    ranks = rows[(rows.model == "student") & (rows.part == "t2a")].set_index("query")["best_rank"]
    asked = [place for place, block in enumerate(blocks) if block.caption.startswith("toy, query ")]
    assert len(asked) == 4
    found = []
    for number, place in enumerate(asked, start=1):
        caption = blocks[place].caption.split("“")[1].split("”")[0]
        players = list(itertools.takewhile(lambda block: block.kind == "audio", blocks[place + 1 :]))
        assert [block.file for block in players[:5]] == [f"query_{number:02d}_{rank}.flac" for rank in range(1, 6)]
        right = [rank for rank, block in enumerate(players[:5], start=1) if f"{rank}. right" in block.caption]
        assert (min(right) if right else 6) == min(ranks[caption], 6)
        assert len(players) == (5 if right else 6)
        found.append(ranks[caption] == 1)
    assert found == [True, False, True, False]  # found and missed in turn


def test_stale_paraphrases_are_refused(evaluate_workspace, capsys):
    paraphrases = PARAPHRASES.read("data/captions/paraphrases_test.parquet")
    changed = paraphrases.assign(original=["another caption", *paraphrases.original[1:]])
    PARAPHRASES.write("data/captions/paraphrases_test.parquet", changed)
    assert "is not the one in data/captioned/retrieval.parquet" in refused(capsys)


def test_broken_models_are_refused(evaluate_workspace, capsys, monkeypatch):
    clap = importlib.import_module("clapline.model.clap").Clap
    unit, nothing = np.eye(12, dtype=np.float32), np.full((999, 12), np.nan, np.float32)
    monkeypatch.setattr(clap, "encode_text_gaussians", lambda self, texts: (unit[[0] * len(texts)], None))
    assert "embeddings are equal; the model has collapsed" in refused(capsys)
    monkeypatch.setattr(clap, "encode_text_gaussians", lambda self, texts: (nothing[: len(texts)], None))
    assert "hold NaN" in refused(capsys)
    monkeypatch.setattr(clap, "encode_text_gaussians", lambda self, texts: (unit, None))
    assert "do not match" in refused(capsys)


def test_bad_tables_and_prompts_are_refused(evaluate_workspace, capsys):
    set_evaluate(prompts=["a sound"])
    assert "'a sound' has no {label}" in refused(capsys)
    set_evaluate(prompts=["{label}", "a {label}"])
    clips = CLIPS.read("data/captioned/retrieval.parquet")
    clips.at[3, "captions"] = []
    PARAPHRASES.write("data/captions/paraphrases_test.parquet", PARAPHRASES.frame())
    CLIPS.write("data/captioned/retrieval.parquet", clips)
    assert "1 of 30 clips of toy have no caption" in refused(capsys)


def test_roles_that_are_left_empty_are_left_out(evaluate_workspace):
    CLIPS.write("data/roles/zero_shot.parquet", CLIPS.frame())
    CLIPS.write("data/roles/hierarchy.parquet", CLIPS.frame())
    PARAPHRASES.write("data/captions/paraphrases_test.parquet", PARAPHRASES.frame())
    evaluate()
    metrics = json.loads(Path("reports/metrics.json").read_text(encoding="utf-8"))
    assert list(metrics["student"]["toy"]) == ["t2a", "a2t", "twin_order", "twin_noun"]
