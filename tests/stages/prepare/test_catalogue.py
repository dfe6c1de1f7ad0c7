"""The catalogue's door on a small index: tables, hidden answers, the chapter, equal bytes."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from clapline.chapter import read_chapter
from clapline.datasets import esc50, urbansound8k
from clapline.datasets.soundscapes.clip import make_clip
from clapline.storage import read_json
from clapline.tables.clips import CLIPS, REJECTS
from clapline.tables.exclusions import EXCLUSIONS
from clapline.tables.fingerprints import write_fingerprints
from clapline.tables.judgements import JUDGEMENTS
from clapline.tables.labels import LABELS
from clapline.tables.truth import TRUTH
from tests.stages.prepare.damages import together
from tests.stages.prepare.prepared import save_clips

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"
PARAMS = """
machine: {workers: 1}
roles:
  paired:
    - {dataset: birds, where: {split: [train]}, share: [0.2, 1.0]}
    - {dataset: birds, where: {split: [train]}, share: [0.0, 0.2], use: val}
  unpaired: [{dataset: town}]
  text: [{dataset: birds, where: {split: [train]}}]
  labels: [{dataset: town}]
  retrieval: [{dataset: birds, where: {split: [test]}}]
  zero_shot: [{dataset: birds, where: {split: [test]}}]
leakage: {}
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
leakage: {fingerprints: false}
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
        # No two sound alike: no hash is in two clips.
        prints = [(clip["clip_id"], np.arange(20) + 100 * number, np.arange(20)) for number, clip in enumerate(rows)]
        offset = 10_000 * (name == "town")
        prints = [(clip_id, np.uint32(hashes + offset), np.uint32(times)) for clip_id, hashes, times in prints]
        write_fingerprints(tmp_path / f"data/fingerprints/{name}.parquet", name, prints)
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
        *(
            f"data/roles/{name}.parquet"
            for name in ("hierarchy", "judgements", "labels", "paired", "retrieval", "text", "truth")
        ),
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
    assert [len(table.rows) for table in tables] == [2, 6, 3, 2, 2, 20]
    assert tables[0].rows[0] == ["birds", 60, 0, 0.06, 15, 60]
    assert summary["ways"] == {"text.birds.source id": 8, "unpaired.town.source id": 25}
    assert summary["shared"]["town.birds"] == {"by_source_id": 25, "by_fingerprint": 0, "by_fingerprint_alone": 0}
    assert catalogue() == first


def test_another_benchmark_leaves_the_training_tables_alone(indexed):
    first = catalogue()
    retrieval = "retrieval: [{dataset: birds, where: {split: [test]"
    Path("params.yaml").write_text(PARAMS.replace(retrieval, retrieval + ", fold: [0]"))
    second = catalogue()
    changed = {name for name in first if first[name] != second[name]}
    assert "data/roles/retrieval.parquet" in changed
    assert not changed & {f"data/roles/{name}.parquet" for name in ("paired", "unpaired", "text", "truth", "labels")}


def test_a_share_of_the_pairs_changes_what_teaches_alone(indexed):
    whole = catalogue()
    held = {role: CLIPS.read(f"data/roles/{role}.parquet") for role in ("paired", "text")}
    Path("params.yaml").write_text(PARAMS.replace("  labels:", "  paired_share: 1.0\n  labels:"))
    assert catalogue() == whole
    Path("params.yaml").write_text(PARAMS.replace("  labels:", "  paired_share: 0.25\n  labels:"))
    poorer = catalogue()
    changed = {name for name in whole if whole[name] != poorer[name] and name.startswith("data/")}
    assert changed == {f"data/roles/{name}.parquet" for name in ("paired", "text", "truth")}
    assert "reports/catalogue/leaks.csv" not in {name for name in whole if whole[name] != poorer[name]}
    paired, text = CLIPS.read("data/roles/paired.parquet"), CLIPS.read("data/roles/text.parquet")
    assert paired["split"].value_counts().to_dict() == {"val": 8, "train": 8}
    assert set(text["clip_id"]) == set(paired[paired["split"] == "train"]["clip_id"])
    assert set(paired["clip_id"]) < set(held["paired"]["clip_id"])
    assert read_json("reports/catalogue/summary.json")["roles"]["paired train.birds"]["clips"] == 8


def test_clips_without_a_built_tree_are_set_aside_counted_and_listed(indexed, capsys):
    nodes = [{"id": "1", "name": "Bird", "child_ids": ["2"]}, {"id": "2", "name": "Owl", "child_ids": []}]
    Path("ontology.json").write_text(json.dumps(nodes))
    whole = catalogue()
    capsys.readouterr()
    entry = f"{{dataset: birds, where: {{split: [test]}}, trees: built, ontology: {Path('ontology.json').resolve()}}}"
    Path("params.yaml").write_text(PARAMS.replace("  zero_shot", f"  hierarchy: [{entry}]\n  zero_shot"))
    built = catalogue()
    assert "catalogue: 10 clips left roles.hierarchy: no caption tree can be built" in capsys.readouterr().out
    hierarchy = CLIPS.read("data/roles/hierarchy.parquet")
    # The caption, "an owl", says no more than the label.
    assert [list(tree) for tree in hierarchy["caption_tree"]] == [["Bird.", "Owl."]] * 10
    summary = read_json("reports/catalogue/summary.json")
    assert summary["rejects"] == {"birds": 15 + 10, "town": 15}
    assert summary["roles"]["hierarchy.birds"]["clips"] == 10
    listed = Path("reports/catalogue/rejects.csv").read_text().splitlines()
    assert sum("no caption tree can be built" in line for line in listed) == 10
    assert any(line.startswith("birds,040,") for line in listed)
    changed = {name for name in whole if whole[name] != built[name] and name.startswith("data/")}
    assert changed == {"data/roles/hierarchy.parquet"}
    assert catalogue() == built


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
    assert "4 esc50 from paired (its recording is evaluated: source id)" in out
    assert len(unpaired) == (everything["fold"] != 2).sum() - 64
    assert len(paired) == 1200 - 4
    shared = read_json("reports/catalogue/summary.json")["shared"]
    assert [shared[key]["by_source_id"] for key in ("esc50.urbansound8k", "urbansound8k.esc50")] == [20, 103]
    tags = {tag for tags in TRUTH.read("data/roles/truth.parquet")["tags"] for tag in tags}
    assert {"dog", "dog bark", "engine", "engine idling"} <= tags


def fingerprint(name, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["fingerprint", name])
        runpy.run_module("stages.prepare.fingerprint", run_name="__main__")


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Birds, of which town's pool has two recordings under other ids: re-encoded, trimmed, quieter."""
    monkeypatch.chdir(tmp_path)
    made = [np.asarray(make_clip(5, 4.0, "single", index)[0], np.float32) for index in range(24)]
    birds = {f"{number:02d}": clip for number, clip in enumerate(made[:16])}
    town = {f"t{number}": clip for number, clip in enumerate(made[16:])}
    town |= {"stolen": together(made[12]), "borrowed": together(made[3])}
    save_clips("birds", birds, split=lambda clip_id: "test" if clip_id >= "10" else "train")
    save_clips("town", town, source_id=lambda clip_id: f"freesound:{clip_id}")
    (tmp_path / "params.yaml").write_text(PARAMS)
    for name in ("birds", "town"):
        fingerprint(name, monkeypatch)
    return tmp_path


def test_a_planted_duplicate_under_another_id_leaves_the_pool(planted, capsys):
    first = catalogue()
    out = capsys.readouterr().out
    assert "1 town from unpaired (its recording is evaluated: fingerprint)" in out
    assert "1 town from unpaired (its recording is in paired: fingerprint)" in out
    assert set(CLIPS.read("data/roles/unpaired.parquet")["clip_id"]) == {f"t{number}" for number in range(8)}
    listed = Path("reports/catalogue/leaks.csv").read_text().splitlines()
    assert any(line.startswith("unpaired,town,stolen,freesound:stolen,its recording is evaluated,") for line in listed)
    assert any(line.endswith(",birds/12") for line in listed)
    shared = read_json("reports/catalogue/summary.json")["shared"]
    assert shared["town.birds"] == {"by_source_id": 0, "by_fingerprint": 2, "by_fingerprint_alone": 2}
    assert shared["birds.town"] == {"by_source_id": 0, "by_fingerprint": 2, "by_fingerprint_alone": 2}
    table = read_chapter("reports/catalogue").blocks[-2]
    assert {row[1] for row in table.rows} | {row[0] for row in table.rows} >= {"birds/12", "town/stolen"}
    assert catalogue() == first


def test_the_check_can_be_turned_off_and_made_stricter(planted, capsys):
    for leakage in ("{fingerprints: false}", "{minimum_score: 0.9}"):
        Path("params.yaml").write_text(PARAMS.replace("leakage: {}", f"leakage: {leakage}"))
        catalogue()
        assert "fingerprint" not in capsys.readouterr().out
        assert len(CLIPS.read("data/roles/unpaired.parquet")) == 10


def test_exclusion_lists(planted, capsys):
    rows = [{"dataset": "banned", "source_id": f"freesound:t{number}"} for number in range(3)]
    EXCLUSIONS.write("data/index/banned/exclusions.parquet", EXCLUSIONS.frame(rows))
    bad = {"dataset": "banned", "path": "list.txt:9", "reason": "no id of a recording"}
    REJECTS.write("data/index/banned/rejects.parquet", REJECTS.frame([bad]))
    Path("params.yaml").write_text(PARAMS.replace("leakage: {}", "leakage: {exclusions: [banned]}"))
    catalogue()
    assert "3 town from unpaired (on the exclusion list banned: source id)" in capsys.readouterr().out
    kept = CLIPS.read("data/roles/unpaired.parquet")["clip_id"]
    assert set(kept) == {f"t{number}" for number in range(3, 8)}
    assert "list.txt:9" in Path("reports/catalogue/rejects.csv").read_text()
    EXCLUSIONS.write("data/index/banned/exclusions.parquet", EXCLUSIONS.frame())
    with pytest.raises(SystemExit):
        catalogue()
    assert "banned lists no recording" in capsys.readouterr().err
    Path("params.yaml").write_text(PARAMS.replace("leakage: {}", "leakage: {exclusions: [unknown]}"))
    with pytest.raises(SystemExit):
        catalogue()
    assert "unknown/exclusions.parquet: no such table" in capsys.readouterr().err


def test_judgements_are_brought_together(planted, capsys):
    assert (catalogue(), JUDGEMENTS.read("data/roles/judgements.parquet").empty)[1]
    rows = [{"dataset": "judges", "query": "an owl", "clip_id": f"t{number}"} for number in range(3)]
    JUDGEMENTS.write("data/index/judges/judgements.parquet", JUDGEMENTS.frame(rows))
    REJECTS.write("data/index/judges/rejects.parquet", REJECTS.frame())
    Path("params.yaml").write_text(PARAMS.replace("leakage: {}", "  judgements: [judges]\nleakage: {}"))
    catalogue()
    assert JUDGEMENTS.read("data/roles/judgements.parquet").clip_id.tolist() == ["t0", "t1", "t2"]
    JUDGEMENTS.write("data/index/judges/judgements.parquet", JUDGEMENTS.frame())
    with pytest.raises(SystemExit):
        catalogue()
    assert "roles.judgements: judges has no judgements" in capsys.readouterr().err
