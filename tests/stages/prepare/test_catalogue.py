"""The catalogue's door on a small index: tables, hidden answers, the chapter, equal bytes."""

import runpy
from pathlib import Path

import pytest

from clapline.chapter import read_chapter
from clapline.datasets import esc50, urbansound8k
from clapline.storage import read_json
from clapline.tables.clips import CLIPS, REJECTS
from clapline.tables.labels import LABELS
from clapline.tables.truth import TRUTH

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"
PARAMS = """
roles:
  paired:
    - {dataset: birds, where: {split: [train]}, share: [0.2, 1.0]}
    - {dataset: birds, where: {split: [train]}, share: [0.0, 0.2], use: val}
  unpaired: [{dataset: town}]
  text: [{dataset: birds, where: {split: [train]}}]
  labels: [{dataset: town}]
  retrieval: [{dataset: birds, where: {split: [test]}}]
  zero_shot: [{dataset: birds, where: {split: [test]}}]
seed: 3
"""

URBAN = """
roles:
  paired:
    - {dataset: esc50, where: {fold: [1, 2, 3]}, share: [0.08, 1.0]}
    - {dataset: esc50, where: {fold: [1, 2, 3]}, share: [0.0, 0.08], use: val}
  unpaired: [{dataset: urbansound8k, where: {fold: [1, 3]}}]
  text: [{dataset: esc50, where: {fold: [1, 2, 3]}}]
  retrieval: [{dataset: esc50, where: {fold: [4]}}]
  zero_shot: [{dataset: esc50, where: {fold: [4]}}, {dataset: urbansound8k, where: {fold: [2]}}]
seed: 0
"""


def row(dataset, number, split, source=None):
    label = ("crow", "owl")[number % 2]
    return {
        "dataset": dataset, "clip_id": f"{number:03d}", "split": split, "shard": f"data/clips/{dataset}/00000.tar",
        "offset": 512 * number, "nbytes": 10, "sha256": f"{dataset} {number}",
        "sample_rate_hz": 16000, "duration_s": 3.6,
        "captions": ["an owl", "a bird"], "caption_tree": [], "tags": [label], "label": label, "fold": number % 5,
        "description": "mine", "source_id": source, "licence": "CC0",
    }  # fmt: skip


@pytest.fixture
def indexed(tmp_path, monkeypatch):
    birds = [row("birds", n, "train" if n < 40 else "test", f"freesound:{n}") for n in range(60)]
    town = [row("town", n, "train", f"freesound:{n + 35}") for n in range(50)]
    for name, rows in (("birds", birds), ("town", town)):
        CLIPS.write(tmp_path / f"data/index/{name}/clips.parquet", CLIPS.frame(rows))
        rejects = [{"dataset": name, "path": f"{n}.wav", "reason": f"silence: peak -{n}"} for n in range(15)]
        REJECTS.write(tmp_path / f"data/index/{name}/rejects.parquet", REJECTS.frame(rejects))
    (tmp_path / "data/index/unnamed").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def catalogue():
    runpy.run_module("stages.prepare.catalogue", run_name="__main__")
    files = [path for folder in ("data/roles", "reports/catalogue") for path in sorted(Path(folder).iterdir())]
    return {path.as_posix(): path.read_bytes() for path in files}


def test_tables_and_chapter(indexed, capsys):
    first = catalogue()
    assert sorted(first) == [
        *(f"data/roles/{name}.parquet" for name in ("hierarchy", "labels", "paired", "retrieval", "text", "truth")),
        *(f"data/roles/{name}.parquet" for name in ("unpaired", "zero_shot")),
        *(f"reports/catalogue/{name}" for name in ("chapter.json", "leaks.csv", "rejects.csv", "summary.json")),
    ]
    # The 8 clips of val leave text. Town's clips 0 to 4 are recordings of birds' train, 5 to 24 those of its test.
    assert "catalogue: 33 clips left the training roles" in capsys.readouterr().out
    assert CLIPS.read("data/roles/paired.parquet")["split"].value_counts().to_dict() == {"train": 32, "val": 8}
    unpaired = CLIPS.read("data/roles/unpaired.parquet")
    assert len(unpaired) == 25
    assert unpaired[["label", "description"]].isna().all(axis=None)
    assert not unpaired[["captions", "tags", "caption_tree"]].map(len).any(axis=None)
    truth = TRUTH.read("data/roles/truth.parquet")
    assert len(truth) == 25 + 32
    assert {tags for row in truth["tags"] for tags in row} == {"crow", "owl"}
    assert LABELS.read("data/roles/labels.parquet")["label"].tolist() == ["crow", "owl"]
    assert CLIPS.read("data/roles/hierarchy.parquet").empty
    summary = read_json("reports/catalogue/summary.json")
    assert summary["leaks"] == {"text.birds": 8, "unpaired.town": 25}
    assert summary["rejects"] == {"birds": 15, "town": 15}
    assert summary["roles"]["unpaired.town"] == {
        "clips": 25, "recordings": 25, "hours": 0.025, "captions": 0, "labels": 0,
    }  # fmt: skip
    tables = [block for block in read_chapter("reports/catalogue").blocks if block.kind == "table"]
    assert [len(table.rows) for table in tables] == [6, 3, 2, 20]
    assert catalogue() == first


def test_another_benchmark_leaves_the_training_tables_alone(indexed):
    first = catalogue()
    retrieval = "retrieval: [{dataset: birds, where: {split: [test]"
    Path("params.yaml").write_text(PARAMS.replace(retrieval, retrieval + ", fold: [0]"))
    second = catalogue()
    changed = {name for name in first if first[name] != second[name]}
    assert "data/roles/retrieval.parquet" in changed
    assert not changed & {f"data/roles/{name}.parquet" for name in ("paired", "unpaired", "text", "truth", "labels")}


def test_a_missing_index_is_one_line(indexed, capsys):
    Path("params.yaml").write_text(PARAMS.replace("[{dataset: town}]\n  text", "[{dataset: village}]\n  text"))
    with pytest.raises(SystemExit) as caught:
        catalogue()
    assert caught.value.code == 2
    assert "village/clips.parquet: no such table" in capsys.readouterr().err


@pytest.mark.skipif(not MIRROR.is_dir(), reason="the mirror is not here")
def test_esc50_and_urbansound8k_share_freesound_recordings(tmp_path, monkeypatch, capsys):
    for kind in (esc50, urbansound8k):
        name = kind.__name__.rsplit(".", 1)[1]
        rows = [
            {
                **row(name, 0, clip.split, clip.source_id),
                **{
                    "clip_id": clip.clip_id,
                    "sha256": clip.clip_id,
                    "label": clip.label,
                    "fold": clip.fold,
                    "tags": list(clip.tags),
                },
            }
            for clip in kind.read(kind.Options(), MIRROR / name)
        ]
        CLIPS.write(tmp_path / f"data/index/{name}/clips.parquet", CLIPS.frame(rows))
        REJECTS.write(tmp_path / f"data/index/{name}/rejects.parquet", REJECTS.frame())
    (tmp_path / "params.yaml").write_text(URBAN)
    monkeypatch.chdir(tmp_path)
    catalogue()
    # 103 slices share a recording with an ESC-50 clip. Of the pool's 64, 4 share it with fold 4 and 60 with folds 1 to
    # 3; the 39 of fold 2 stay, and take their recordings' ESC-50 clips out of the training roles.
    out = capsys.readouterr().out
    everything = CLIPS.read("data/index/urbansound8k/clips.parquet")
    paired, unpaired = (CLIPS.read(f"data/roles/{name}.parquet") for name in ("paired", "unpaired"))
    zero_shot = CLIPS.read("data/roles/zero_shot.parquet")
    assert len(zero_shot) == 400 + (everything["fold"] == 2).sum()
    assert not set(paired["source_id"]) & set(zero_shot["source_id"])
    assert not set(unpaired["source_id"]) & (set(paired["source_id"]) | set(zero_shot["source_id"]))
    assert "4 esc50 from paired (its recording is evaluated)" in out
    assert len(unpaired) == (everything["fold"] != 2).sum() - 64
    assert len(paired) == 1200 - 4
    tags = {tag for tags in TRUTH.read("data/roles/truth.parquet")["tags"] for tag in tags}
    assert {"dog", "dog bark", "engine", "engine idling"} <= tags
