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
from safetensors.numpy import load_file, save_file

from clapline.chapter import read_chapter
from clapline.tables.clips import CLIPS
from clapline.tables.embeddings import AUDIO_ROWS, TEXT_ROWS
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
    rows = TEXT_ROWS.read("data/embeddings/text.parquet")
    matrices = load_file("data/embeddings/embeddings.safetensors")
    assert len(rows) == len(matrices["text"]) == 8
    assert matrices["audio"].shape == (6, 8)
    assert matrices["audio"].dtype == np.float32
    same = rows.index[rows.text == "noise"]
    assert (matrices["text"][same] == matrices["text"][same[0]]).all()
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
    assert sum(block.kind == "audio" for block in chapter.blocks) == (0 if strategy == "ds" else 3)
    if strategy == "du":
        assert summary["precision"]["all"] > 1.5 * summary["precision"]["chance_all"]
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
    path = Path("data/embeddings/embeddings.safetensors")
    matrices = load_file(path)
    save_file({"audio": matrices["audio"][1:].copy(), "text": matrices["text"]}, path)
    assert "differ in number" in refused(capsys)
    path.unlink()
    assert "run the stage embed" in refused(capsys)


def test_a_collapsed_teacher_is_refused(curate_workspace, capsys, monkeypatch):
    clap = importlib.import_module("clapline.model.clap").Clap
    monkeypatch.setattr(clap, "encode_texts", lambda self, texts, **_: np.eye(8, dtype=np.float32)[[0] * len(texts)])
    with pytest.raises(SystemExit):
        embed()
    assert "all 8 embeddings are equal" in capsys.readouterr().err


@pytest.mark.parametrize("strategy", ["du", "ds", "ads"])
def test_without_unpaired_clips_both_doors_go_through(curate_workspace, strategy, capsys, monkeypatch):
    def unasked(*_, **__):
        raise AssertionError("there is no clip to encode")

    monkeypatch.setattr(importlib.import_module("clapline.model.encode"), "encode_clips", unasked)
    CLIPS.write("data/roles/unpaired.parquet", CLIPS.frame())
    embed()
    assert "data/roles/unpaired.parquet has no clips" in capsys.readouterr().out
    matrices = load_file("data/embeddings/embeddings.safetensors")
    assert matrices["audio"].shape == (0, 8)
    assert len(AUDIO_ROWS.read("data/embeddings/audio.parquet")) == 0
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
