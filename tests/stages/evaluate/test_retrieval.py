"""Ways of counting: captions as distinct queries or rows, judged answers, shuffled controls."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from clapline.chapter import read_chapter
from clapline.metrics.protocols import PROTOCOLS
from clapline.tables.clips import CLIPS
from clapline.tables.judgements import JUDGEMENTS
from clapline.tables.per_query import PER_QUERY
from stages.evaluate.benchmarks import retrieval_benchmarks

NOTHING = pd.DataFrame(columns=["dataset", "clip_id", "level"])


def evaluate() -> None:
    importlib.import_module("stages.evaluate.__main__").main()


def set_protocol(name: str) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["evaluate"].update(protocol=name)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def metrics() -> dict:
    return json.loads(Path("reports/metrics.json").read_text(encoding="utf-8"))


def test_rows_are_queries_of_their_own():
    clips = pd.DataFrame(
        {"dataset": "toy", "clip_id": ["a", "b"], "captions": [["rain falls", "a dog"], ["a dog", "a dog barks"]]}
    )
    (distinct,) = retrieval_benchmarks(clips, NOTHING)
    assert distinct.captions == distinct.queries == ["a dog", "a dog barks", "rain falls"]
    assert distinct.text_to_audio.counts.tolist() == [2, 1, 1]
    (rows,) = retrieval_benchmarks(clips, NOTHING, captions="rows")
    assert rows.queries == ["a 1", "a 2", "b 1", "b 2"]
    assert rows.captions == ["rain falls", "a dog", "a dog", "a dog barks"]
    assert rows.text_to_audio.items.tolist() == [0, 0, 1, 1]
    assert rows.audio_to_text.items.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_protocol_has_its_measures_and_its_queries(stressed_workspace, name):
    set_protocol(name)
    evaluate()
    protocol, found = PROTOCOLS[name], metrics()["student"]["toy"]
    assert set(found["t2a"]) == set(protocol.text_to_audio)
    assert set(found["a2t"]) == set(protocol.audio_to_text)
    captions = [text for texts in CLIPS.read("data/captioned/retrieval.parquet")["captions"] for text in texts]
    asked = len(captions) if protocol.captions == "rows" else len(set(captions))
    assert metrics()["n"]["toy"]["t2a"] == metrics()["n"]["toy"]["t2a_level1"] == asked
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    own = rows[(rows.part == "t2a") & (rows.model == "student")]
    assert sorted(own.words) == sorted(captions if protocol.captions == "rows" else set(captions))
    assert (own.clips.map(len) == own.relevant).all()
    assert any(block.caption.startswith(f"Protocol {name}.") for block in read_chapter("reports/evaluate").blocks)


def test_the_table_of_protocols_is_the_same_whichever_was_chosen(evaluate_workspace):
    tables = {}
    for name in ("dcase", "laion"):
        set_protocol(name)
        evaluate()
        (tables[name],) = [b for b in read_chapter("reports/evaluate").blocks if b.columns[:1] == ["protocol"]]
        shown = {(row[0], row[1], row[2]): row[7] for row in tables[name].rows}  # of the student
        assert shown[name, "text to audio", "R@10"] == metrics()["student"]["toy"]["t2a"]["r10"]
    assert tables["dcase"].rows == tables["laion"].rows
    assert {row[0] for row in tables["dcase"].rows} == set(PROTOCOLS)


def test_an_equal_text_of_another_clip_is_a_miss_among_rows_and_an_answer_among_distinct_captions(evaluate_workspace):
    """With ties counted against the model, a text of m clips cannot stand better than rank m among rows."""
    set_protocol("laion")
    evaluate()
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    own = rows[(rows.part == "a2t") & (rows.model == "student")]
    captions = CLIPS.read("data/captioned/retrieval.parquet")["captions"]
    times = pd.Series([text for texts in captions for text in texts]).value_counts()
    assert times.max() > 1
    shared = rows[(rows.part == "t2a") & rows.words.map(times).gt(1)]
    assert len(shared)
    assert (shared.relevant == 1).all()
    assert (own.relevant == 3).all()


def test_judged_answers_are_queries_of_their_own(evaluate_workspace):
    clips = CLIPS.read("data/captioned/retrieval.parquet")
    caption, other = clips["captions"][0][0], clips["clip_id"][5]
    rows = [
        {"dataset": "judges", "query": f"  {caption.upper()} ", "clip_id": clip}
        for clip in (clips["clip_id"][0], other, "not-here")
    ]
    rows.append({"dataset": "judges", "query": "of another dataset", "clip_id": other})
    JUDGEMENTS.write("data/roles/judgements.parquet", JUDGEMENTS.frame(rows))
    evaluate()
    found = PER_QUERY.read("reports/evaluate/per_query.parquet")
    (own,) = found[(found.part == "t2a_judged") & (found.model == "student")].itertuples()
    assert (own.query, own.relevant, sorted(own.clips)) == (caption, 2, sorted([clips["clip_id"][0], other]))
    assert set(metrics()["student"]["toy"]["t2a_judged"]) == {"map16"}
    assert metrics()["n"]["toy"]["t2a_judged"] == 1


def test_shuffled_answers_are_near_chance_where_the_model_is_not(evaluate_workspace):
    evaluate()
    for row in json.loads(Path("reports/evaluate/intervals.json").read_text(encoding="utf-8")):
        if row["part"] in ("t2a", "a2t") and row["measure"] in ("r10", "map10", "any10"):
            assert abs(row["shuffled"]["student"] - row["chance"]) < 0.15 < row["student"]["estimate"] - row["chance"]
        if row["part"] == "zero_shot":
            assert abs(row["shuffled"]["student"] - row["chance"]) < 0.2 < row["student"]["estimate"] - row["chance"]


def test_what_other_words_move(evaluate_workspace):
    evaluate()
    rows = json.loads(Path("reports/evaluate/intervals.json").read_text(encoding="utf-8"))
    found = {(row["part"], row["measure"]): row["student"]["estimate"] for row in rows}
    queries = PER_QUERY.read("reports/evaluate/per_query.parquet")
    student = queries[queries.model == "student"].set_index(["part", "query"])
    for level in (1, 2):
        asked = student.loc[f"t2a_level{level}"]
        original = student.loc["t2a"].loc[asked.index]
        lost = original.r10.sum() - asked.r10.sum()
        assert found[f"t2a_drop{level}", "relative_r10"] == pytest.approx(lost / original.r10.sum(), abs=1e-5)
        shift = np.abs(np.log2(original.best_rank.astype(float)) - np.log2(asked.best_rank.astype(float)))
        assert found[f"t2a_drop{level}", "rank_shift"] == pytest.approx(shift.median(), abs=1e-6)
        assert 0 < found[f"t2a_drop{level}", "shared_top10"] < 1
        assert 0 < found[f"t2a_drop{level}", "cosine"] < 1
