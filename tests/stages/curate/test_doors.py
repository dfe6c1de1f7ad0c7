"""The doors embed and curate on a small workspace: outputs, repeatability, one-line errors."""

from __future__ import annotations

import hashlib
import importlib
import json
import types
from pathlib import Path

import numpy as np
import pytest
import yaml

from clapline.chapter import read_chapter
from clapline.embeddings import map_matrix, read_embeddings, write_matrix
from clapline.tables.clips import CLIPS
from clapline.tables.pairs import PAIRS


def set_curate(**values) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["curate"].update(values)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def embed() -> None:
    importlib.import_module("stages.curate.embed").main()


def curate() -> None:
    importlib.import_module("stages.curate.__main__").main()


def hashes(*folders: str) -> dict[str, str]:
    files = sorted(path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_embed_writes_rows_in_the_order_of_their_keys(curate_workspace):
    embed()
    audio, text = (read_embeddings("data/embeddings", side) for side in ("audio", "text"))
    rows = text.ids().to_pandas()
    assert len(rows) == len(text) == 8
    assert audio.shape == (6, 8)
    same = rows.index[rows.text == "noise"]
    assert (text[same.to_numpy()] == text[same.to_numpy()[:1]]).all()
    before = hashes("data/embeddings")
    embed()
    assert hashes("data/embeddings") == before


@pytest.mark.parametrize("strategy", ["du", "ds", "ads"])
def test_curate_writes_pairs_summary_and_chapter_twice_the_same(curate_workspace, strategy):
    embed()
    set_curate(strategy=strategy)
    curate()
    pairs = PAIRS.read("data/curated/pairs.parquet")
    assert set(pairs.strategy) == {"du": {"du"}, "ds": {"ds"}, "ads": {"ds", "ads"}}[strategy]
    assert not pairs[pairs.strategy == "ds"].text_clip_id.str.endswith("3p").any()  # the validation clip
    summary = json.loads(Path("reports/curate/summary.json").read_text(encoding="utf-8"))
    assert summary["pairs"] == len(pairs)
    chapter = read_chapter("reports/curate")
    assert all((Path("reports/curate") / block.file).exists() for block in chapter.blocks if block.file)
    heard = [block for block in chapter.blocks if block.kind == "audio"]
    kept = [block for block in heard if block.file.startswith("kept")]
    without = summary["clips_in_pool"] - summary["clips_kept"] if strategy != "ds" else 0
    assert len(kept) == (0 if strategy == "ds" else 3)
    assert len(heard) - len(kept) == min(3, without)
    if strategy == "du":
        assert summary["precision"]["all"] > 1.5 * summary["precision"]["chance_all"]
        assert summary["precision"] == summary["precision_before_guards"]
    assert set(summary["strategies"]) == {"du": {"du", "ads", "ds"}, "ads": {"ads", "ds"}, "ds": {"ds"}}[strategy]
    before = hashes("reports/curate", "data/curated")
    curate()
    assert hashes("reports/curate", "data/curated") == before


def refused(capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        curate()
    assert stop.value.code == 2
    words = capsys.readouterr().err
    assert words.count("\n") == 1
    return words


def test_a_threshold_too_high_is_one_line_and_loses_nothing(curate_workspace, capsys):
    embed()
    curate()
    before = hashes("reports/curate", "data/curated")
    set_curate(sigma_audio_text=1.0)
    assert "curate.sigma_audio_text = 1.0 selects nothing" in refused(capsys)
    assert hashes("reports/curate", "data/curated") == before


def test_embeddings_that_do_not_fit_their_rows_are_refused(curate_workspace, capsys):
    embed()
    path = Path("data/embeddings/audio/00000.safetensors")
    write_matrix(path, map_matrix(path)[1:], "fp32")
    assert "differ in number" in refused(capsys)
    path.unlink()
    assert "run the stage embed" in refused(capsys)


def test_a_collapsed_teacher_is_refused(curate_workspace, capsys, monkeypatch):
    clap = importlib.import_module("clapline.model.clap").Clap
    monkeypatch.setattr(clap, "encode_texts", lambda self, texts, **_: np.eye(8, dtype=np.float32)[[0] * len(texts)])
    with pytest.raises(SystemExit):
        embed()
    assert "all 5 embeddings are equal" in capsys.readouterr().err


@pytest.mark.parametrize("strategy", ["du", "ds", "ads"])
def test_without_unpaired_clips_both_doors_go_through(curate_workspace, strategy, capsys, monkeypatch):
    def unasked(*_, **__):
        raise AssertionError("there is no clip to encode")

    monkeypatch.setattr(importlib.import_module("clapline.model.encode"), "read_clip", unasked)
    CLIPS.write("data/roles/unpaired.parquet", CLIPS.frame())
    embed()
    assert "data/roles/unpaired.parquet has no clips" in capsys.readouterr().out
    assert read_embeddings("data/embeddings", "audio").shape == (0, 8)
    set_curate(strategy=strategy, maximum_captions_per_clip=2)
    curate()
    pairs = PAIRS.read("data/curated/pairs.parquet")
    summary = json.loads(Path("reports/curate/summary.json").read_text(encoding="utf-8"))
    assert len(pairs) == summary["pairs"] == summary["pairs_original"]
    assert (len(pairs) > 0) == (strategy != "du")
    assert set(pairs.strategy) <= {"ds"}
    chapter = read_chapter("reports/curate")
    assert all((Path("reports/curate") / block.file).exists() for block in chapter.blocks if block.file)
    assert ("there are no unpaired clips" in chapter.blocks[0].caption) == (strategy != "ds")
    before = hashes("reports/curate", "data/curated", "data/embeddings")
    embed()
    curate()
    assert hashes("reports/curate", "data/curated", "data/embeddings") == before


def test_a_teacher_that_pools_by_text_has_no_clips_to_compare(curate_workspace, capsys, monkeypatch):
    clap = importlib.import_module("clapline.model.clap").Clap
    pooling = types.SimpleNamespace(audio=types.SimpleNamespace(pooling="tap"))
    monkeypatch.setattr(clap, "settings", pooling)
    with pytest.raises(SystemExit) as stop:
        embed()
    assert stop.value.code == 2
    words = capsys.readouterr().err
    assert words.count("\n") == 1
    assert "6 unpaired clips, but under text-aware pooling" in words
    CLIPS.write("data/roles/unpaired.parquet", CLIPS.frame())
    embed()
    curate()
    assert len(PAIRS.read("data/curated/pairs.parquet")) == 0


def test_captions_are_needed_whatever_the_clips(curate_workspace, capsys):
    CLIPS.write("data/captioned/text.parquet", CLIPS.frame())
    with pytest.raises(SystemExit):
        embed()
    assert "data/captioned/text.parquet has no captions" in capsys.readouterr().err


def test_ds_without_labels_is_refused(curate_workspace, capsys):
    from clapline.tables.labels import LABELS

    embed()
    LABELS.write("data/roles/labels.parquet", LABELS.frame())
    set_curate(strategy="ads")
    assert "labels.parquet has none" in refused(capsys)


def summary_of(**values) -> dict:
    set_curate(**values)
    curate()
    return json.loads(Path("reports/curate/summary.json").read_text(encoding="utf-8"))


def test_a_run_of_du_counts_what_the_other_strategies_would_keep(curate_workspace):
    embed()
    seen = summary_of(strategy="du")["strategies"]
    for strategy in ("ads", "ds"):
        alone = summary_of(strategy=strategy)
        assert seen[strategy] == alone["strategies"][strategy]
    new = PAIRS.read("data/curated/pairs.parquet")
    assert seen["ds"]["pairs"] == len(new)
    assert seen["ads"]["pairs"] <= seen["du"]["pairs"]


def test_guards_are_counted_and_told(curate_workspace):
    embed()
    free = summary_of(sigma_audio_text=-1.0)
    guarded = summary_of(maximum_captions_per_clip=1, mutual_neighbours=4)
    assert free["steps"] == {"found": free["pairs"]}
    assert guarded["steps"]["found"] == free["pairs"]
    assert guarded["steps"]["captions per clip"] == guarded["pairs"] == guarded["clips_kept"]
    assert guarded["precision"]["all"] >= guarded["precision_before_guards"]["all"] == free["precision"]["all"]
    words = read_chapter("reports/curate").blocks[0].caption
    assert "Before the guards it was" in words


@pytest.mark.parametrize("calibration", ["z_score", "csls"])
def test_calibrated_scores_are_drawn_as_such(curate_workspace, calibration):
    embed()
    summary = summary_of(calibration=calibration, calibration_neighbours=2, quantile_audio_text=0.8)
    assert summary["pairs"] >= 6 * 5 * 0.2
    pairs = PAIRS.read("data/curated/pairs.parquet")
    assert pairs.similarity.between(-1, 1).all()
    assert f"score ({calibration})" in Path("reports/curate/similarity.svg").read_text(encoding="utf-8")


def test_flat_faiss_finds_what_the_exact_search_finds(curate_workspace):
    pytest.importorskip("faiss")
    embed()
    assert summary_of(sigma_audio_text=0.3)["search"] == {"engine": "exact", "recall": None}
    table = PAIRS.read("data/curated/pairs.parquet")
    assert summary_of(search="faiss_flat")["search"]["recall"] == 1.0
    assert PAIRS.read("data/curated/pairs.parquet").equals(table)
    assert "finds 100.0% of the exact pairs" in read_chapter("reports/curate").blocks[0].caption


def test_the_nearest_captions_need_no_threshold(curate_workspace):
    embed()
    summary = summary_of(strategy="top_k", nearest_captions=2, sigma_audio_text=1.0)
    assert summary["pairs"] == 12
    assert summary["threshold"] is None
    assert PAIRS.read("data/curated/pairs.parquet").groupby("clip_id").size().tolist() == [2] * 6


def test_labels_are_ranked_where_the_pool_has_their_sound(curate_workspace):
    embed()
    labels = summary_of(strategy="du")["labels"]
    assert set(labels) == {"dog"}  # nobody in the pool has a car horn
    assert 0 < labels["dog"]["precision_at_40"] <= 1


def test_another_seed_draws_other_examples_and_the_same_pairs(curate_workspace):
    embed()
    set_curate(sigma_audio_text=-1.0, examples=2)
    curate()
    first = read_chapter("reports/curate"), hashes("data/curated")
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    Path("params.yaml").write_text(yaml.safe_dump(params | {"seed": 12}), encoding="utf-8")
    curate()
    assert hashes("data/curated") == first[1]
    assert read_chapter("reports/curate") != first[0]
