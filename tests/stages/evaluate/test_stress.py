"""The stress set as further query sets: same queries, paired drops, words and metrics of their own."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pandas as pd
import pytest

from clapline.chapter import Block, read_chapter
from clapline.tables.captions import STRESS
from clapline.tables.clips import CLIPS
from clapline.tables.per_query import PER_QUERY
from stages.evaluate import pictures
from stages.evaluate.results import Estimate, Result

PATH = "data/captions/stress.parquet"
PARTS = ["t2a_stress_keywords", "t2a_stress_typos", "t2a_stress_de"]


def evaluate() -> None:
    importlib.import_module("stages.evaluate.__main__").main()


def read(path: str) -> dict | list:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def stress_table() -> Block:
    (found,) = (block for block in read_chapter("reports/evaluate").blocks if "R@10 lost" in block.columns)
    return found


def test_each_kind_and_language_is_a_part_and_the_others_stay_as_they_are(stressed_workspace):
    evaluate()
    stressed = read("reports/metrics.json")
    STRESS.write(PATH, STRESS.frame())
    evaluate()
    plain = read("reports/metrics.json")
    for model in ("student", "teacher"):
        assert [name for name in stressed[model]["toy"] if name.startswith("t2a_stress")] == PARTS
        assert all(set(stressed[model]["toy"].pop(part)) == {"r10"} for part in PARTS)
    queries = [stressed["n"]["toy"].pop(part) for part in PARTS]
    assert queries[0] == queries[2] == plain["n"]["toy"]["t2a"] > queries[1]
    assert stressed == plain


def test_per_query_rows_tell_query_and_words_and_average_to_the_metrics(stressed_workspace):
    evaluate()
    metrics = read("reports/metrics.json")
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    said = STRESS.read(PATH).set_index(["kind", "original"])["text"].to_dict()
    for part, kind in zip(PARTS, ("keywords", "typos", "translation"), strict=True):
        own = rows[(rows.part == part) & (rows.model == "student")]
        assert len(own) == metrics["n"]["toy"][part]
        assert all(said[kind, row.query] == row.words for row in own.itertuples())
        assert metrics["student"]["toy"][part]["r10"] == pytest.approx(own.r10.mean(), abs=2e-6)


def test_what_is_lost_is_counted_on_the_queries_that_have_the_kind(stressed_workspace):
    evaluate()
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet").set_index(["model", "part", "query"])["r10"]
    intervals = pd.DataFrame(read("reports/evaluate/intervals.json")).set_index(["part", "measure"])
    for part in PARTS:
        for model in ("teacher", "student"):
            asked = rows[model, part]
            lost = (rows[model, "t2a"].reindex(asked.index) - asked).mean()
            assert intervals.loc[(f"{part}_drop", "r10"), model]["estimate"] == pytest.approx(lost, abs=2e-6)


def test_a_stress_set_of_the_captions_themselves_loses_nothing(stressed_workspace):
    table = STRESS.read(PATH)
    STRESS.write(PATH, table.assign(text=table.original))
    evaluate()
    drops = [row for row in read("reports/evaluate/intervals.json") if row["part"].endswith("_drop")]
    assert len(drops) == 27
    for row in drops:
        kept = row["measure"] in ("cosine", "shared_top10")
        assert all(row[model]["estimate"] == pytest.approx(float(kept), abs=1e-6) for model in ("teacher", "student"))


def test_the_chapter_has_a_table_of_the_kinds_only_where_there_are_some(stressed_workspace):
    evaluate()
    table = stress_table()
    levels = ["paraphrased, level 1", "paraphrased, level 2"]
    assert [row[0] for row in table.rows[::2]] == [*levels, "by keywords", "with typos", "in the language de"]
    assert {row[1] for row in table.rows} == {"teacher", "student"}
    (queries,) = {row[2] for row in table.rows if row[0] == "with typos"}
    assert queries == read("reports/metrics.json")["n"]["toy"]["t2a_stress_typos"]
    words = " ".join(block.caption for block in read_chapter("reports/evaluate").blocks)
    assert "text to audio, asked with typos" in words
    STRESS.write(PATH, STRESS.frame())
    evaluate()
    assert [row[0] for row in stress_table().rows[::2]] == levels


def test_the_figure_shows_the_kinds(stressed_workspace):
    evaluate()
    assert "keywords" in Path("reports/evaluate/robustness_toy.svg").read_text(encoding="utf-8")


def result(part: str, measure: str, queries: int, teacher: float, student: float) -> Result:
    first, second, gap = (Estimate(value, None, None) for value in (teacher, student, student - teacher))
    models = {"teacher": first, "student": second}
    return Result("toy", part, measure, queries, queries, 0.1, {"student": 0.1}, models, gap, None)


def test_the_figure_sets_each_kind_beside_the_original_on_its_own_queries(tmp_path, monkeypatch):
    results = [
        result("t2a", "r10", 40, 0.45, 0.5),
        result("t2a_level1", "r10", 20, 0.3, 0.5),
        result("t2a_drop1", "r10", 20, 0.2, -0.1),
        result("t2a_stress_typos", "r10", 10, 1.0, 0.8),
        result("t2a_stress_typos_drop", "r10", 10, 0.0, 0.1),
    ]
    shown = [results[0], results[1], results[3]]
    beside = pictures.originals(shown, results)
    assert beside == [None, {"teacher": 0.5, "student": 0.4}, {"teacher": 1.0, "student": 0.9}]
    figures = []
    monkeypatch.setattr(pictures, "save_figure", lambda figure, path: figures.append(figure))
    pictures.robustness_bars(tmp_path / "bars.svg", results)
    (axes,) = figures[0].axes
    outlines = sorted(round(bar.get_height(), 6) for bar in axes.patches if not bar.get_fill())
    assert outlines == [0.4, 0.5, 0.9, 1.0]
    assert [label.get_text().splitlines()[-1] for label in axes.get_xticklabels()] == ["n = 40", "n = 20", "n = 10"]


def test_originals_are_the_means_over_the_queries_that_were_asked(stressed_workspace):
    evaluate()
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet").set_index(["model", "part", "query"])["r10"]
    intervals = [row for row in read("reports/evaluate/intervals.json") if row["measure"] == "r10"]
    results = [
        result(row["part"], "r10", row["queries"], row["teacher"]["estimate"], row["student"]["estimate"])
        for row in intervals
    ]
    for part in PARTS:
        (values,) = pictures.originals([one for one in results if one.part == part], results)
        for model in ("teacher", "student"):
            own = rows[model, "t2a"].reindex(rows[model, part].index).mean()
            assert values[model] == pytest.approx(own, abs=2e-6)


@pytest.mark.parametrize(("column", "value"), [("original", "another caption"), ("clip_id", "gone"), ("dataset", "x")])
def test_stale_stress_sets_are_refused_in_one_line(stressed_workspace, capsys, column, value):
    table = STRESS.read(PATH)
    table.loc[3, column] = value
    STRESS.write(PATH, table)
    with pytest.raises(SystemExit) as stop:
        evaluate()
    words = capsys.readouterr().err
    assert stop.value.code == 2
    assert words.count("\n") == 1
    assert PATH in words
    assert "run the stage stress again" in words


def test_a_caption_of_several_clips_is_asked_once(stressed_workspace):
    evaluate()
    captions = [text for texts in CLIPS.read("data/captioned/retrieval.parquet")["captions"] for text in texts]
    assert read("reports/metrics.json")["n"]["toy"]["t2a_stress_keywords"] == len(set(captions)) < len(captions)
