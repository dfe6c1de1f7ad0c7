"""Trap 12: the kept weights are those that do best on the benchmark itself. Here validation clips alone choose."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch
import yaml
from pydantic import ValidationError

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.params.roles import EVALUATION_ROLES, Roles
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from clapline.tables.pairs import PAIRS
from stages.prepare.leaks import EVALUATED, without_leaks
from stages.settings.checks import check_params
from stages.train import student, teacher
from stages.train.checkpoints import Checkpoint
from stages.train.data import Source, TrainingData
from tests.stages.train.conftest import MODEL, NAMES, cached, features_of
from tests.stages.train.tiny import tiny_trainer, weights_of

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("paired", "unpaired", "text", "labels", *EVALUATION_ROLES)


def clip(clip_id: str, split: str, dataset: str = "a", source: str | None = None) -> dict:
    return {
        "dataset": dataset, "clip_id": clip_id, "split": split, "shard": "x.tar", "offset": 0, "nbytes": 1,
        "sha256": f"{dataset}/{clip_id}", "sample_rate_hz": 8000, "duration_s": 0.5, "captions": ["a dog barks"],
        "caption_tree": [], "tags": [], "label": None, "fold": None, "description": None, "source_id": source,
        "licence": None,
    }  # fmt: skip


def test_no_stage_that_trains_or_chooses_pairs_reads_an_evaluation_role():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name in ("synthesize", "mix", "teacher", "embed", "curate", "student"):
        data = [item for item in stages[name]["deps"] if item.startswith(("data/", "reports/"))]
        assert data
        assert not [item for item in data if any(role in item for role in (*EVALUATION_ROLES, "test", "metrics"))]
    # The search is not in vain: the stage that does measure reads all three.
    measured = " ".join(stages["evaluate"]["deps"])
    assert all(f"{role}.parquet" in measured for role in EVALUATION_ROLES)


def test_an_entry_of_an_evaluation_role_cannot_be_called_validation():
    entries = {role: [{"dataset": "a"}] for role in ("text", "retrieval")} | {"paired": [{"dataset": "a"}]}
    entries["paired"][0]["use"] = "train"
    Roles.model_validate(entries)
    for role in EVALUATION_ROLES:
        with pytest.raises(ValidationError, match="use"):
            Roles.model_validate(entries | {role: [{"dataset": "a", "use": "val"}]})


def test_without_validation_clips_best_is_refused(tmp_path):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["roles"]["paired"] = [entry for entry in params["roles"]["paired"] if entry["use"] == "train"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match=r"choose = 'best' needs an entry of roles\.paired with use: val"):
        check_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("role", EVALUATION_ROLES)
def test_recordings_that_are_evaluated_leave_the_validation_clips(role):
    """By the clip itself, and by the recording under another name."""
    rows = {name: [] for name in ROLES}
    rows["paired"] = [clip("t", "train"), clip("v", "val"), clip("same", "val"), clip("cut", "val", source="f:1")]
    rows["text"] = rows["unpaired"] = [clip("u", "pool", "pool")]
    rows["text"] = [clip("w", "pool", "words")]
    rows[role] = [clip("same", "test"), clip("other", "test", "benchmark", source="f:1")]
    kept, leaks = without_leaks({name: CLIPS.frame(of) for name, of in rows.items()})
    paired = kept["paired"]
    assert paired.loc[paired["split"] == "val", "clip_id"].tolist() == ["v"]
    gone = leaks[leaks["role"] == "paired"]
    assert dict(zip(gone["clip_id"], gone["reason"], strict=True)) == {"same": EVALUATED, "cut": EVALUATED}


class Stopped(Exception):
    """Stands for the training that would begin."""


def handed(door: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run a door up to where training would begin; return the clips it would train on, and those that would choose."""
    seen = {}

    def training_clips(clap, clips, *_):
        seen["train"] = clips
        return cached(torch.zeros(len(clips), 1, 16, 13)), 0.0, 1.0

    def train_and_write(stage, clap, data, val, *_, **__):
        seen["val"] = val
        raise Stopped

    monkeypatch.setattr(door, "training_clips", training_clips)
    monkeypatch.setattr(door, "train_and_write", train_and_write)
    with pytest.raises(Stopped):
        door.main()
    return seen["train"], seen["val"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with the tables of both doors. Benchmarks lie beside them, and a clip of split test too many."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    rows = [clip("t1", "train"), clip("v1", "val"), clip("t2", "train"), clip("v2", "val"), clip("e1", "test")]
    CLIPS.write("data/captioned/paired.parquet", CLIPS.frame(rows))
    CLIPS.write("data/captioned/retrieval.parquet", CLIPS.frame([clip("e2", "val", "benchmark")]))
    for role in ("zero_shot", "hierarchy"):
        CLIPS.write(f"data/roles/{role}.parquet", CLIPS.frame([clip("e3", "val", "benchmark")]))
    CLIPS.write("data/roles/unpaired.parquet", CLIPS.frame())
    CLIPS.write("data/mixed/clips.parquet", CLIPS.frame())
    PAIRS.write("data/curated/pairs.parquet", PAIRS.frame())
    SYNTHETIC.write("data/captions/synthetic.parquet", SYNTHETIC.frame())
    PARAPHRASES.write("data/captions/paraphrases_train.parquet", PARAPHRASES.frame())
    Clap.new(MODEL, ["a dog barks"]).save("models/teacher", card="a toy")
    machine = {"device": "cpu", "progress": False}
    sections = {"teacher": {"model": MODEL.model_dump()}, "student": {"sources": {"curated": 0.0}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"seed": 0, "machine": machine, **sections}))
    return tmp_path


@pytest.mark.parametrize("door", [teacher, student], ids=lambda door: door.__name__)
def test_a_door_trains_on_split_train_and_chooses_by_split_val_of_paired(door, folder, monkeypatch):
    train, val = handed(door, monkeypatch)
    assert train["clip_id"].tolist() == ["t1", "t2"]
    assert val["clip_id"].tolist() == ["v1", "v2"]


@pytest.mark.parametrize("door", [teacher, student], ids=lambda door: door.__name__)
def test_best_without_a_validation_clip_that_is_left_is_refused(door, folder, capsys):
    """Leaks may take all of them out: nothing would then choose, and the last step pass for the best."""
    rows = [clip("t1", "train"), clip("t2", "train")]
    CLIPS.write("data/captioned/paired.parquet", CLIPS.frame(rows))
    with pytest.raises(SystemExit) as stop:
        door.main()
    assert stop.value.code == 2
    name = door.__name__.rsplit(".", 1)[-1]
    assert f"{name}.choose = 'best', but no validation clip is left" in capsys.readouterr().err


class Planned:
    """Stands for the validation clips: says what it was told to, and remembers the weights it was asked about."""

    def __init__(self, values: list[float]) -> None:
        self.values, self.asked = iter(values), []

    def map10(self, clap: Clap) -> float:
        self.asked.append(weights_of(clap))
        return next(self.values)


@pytest.mark.parametrize("best", [0, 1, 3])
def test_the_kept_weights_are_those_that_validation_liked_best(best, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    kinds = [row % 8 for row in range(16)]
    captions = [[f"the sound of a {NAMES[kind]}"] for kind in kinds]
    named = [[("toy", str(row))] for row in range(16)]
    data = TrainingData(cached(features_of(kinds, 0)), [Source("paired", 1.0, list(range(16)), captions, named)])
    torch.manual_seed(0)
    planned = Planned([0.7 if place == best else 0.1 for place in range(4)])
    changes = {"steps": 8, "validate_every_steps": 2, "batch_size": 4}
    run = tiny_trainer(Clap.new(MODEL, data.texts()), data, planned, changes)
    with Checkpoint("student", best) as checkpoint:
        history = run.run(checkpoint)
    assert len(planned.asked) == 4
    assert (history.kept_step, history.best) == (2 * (best + 1), 0.7)
    matches = [torch.equal(weights_of(run.clap), weights) for weights in planned.asked]
    assert matches == [place == best for place in range(4)]
