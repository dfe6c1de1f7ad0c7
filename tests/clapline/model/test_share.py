"""A model on a hub: what is uploaded loads again elsewhere, with the figures of its evaluation in the card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.model.share import evaluation, push_to_hub
from clapline.params.model import Model

CAPTIONS = ["a dog barks", "rain falls on a tin roof", "a bell rings twice"]


class FolderHub:
    """A hub that is a folder: takes uploads as the real one does, and gives them as its cache would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[tuple[str, bool]] = []

    def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.made.append((repository, private))

    def upload_folder(self, *, repo_id: str, folder_path: str) -> str:
        shutil.copytree(folder_path, self.folder / repo_id)
        return f"https://hub.example/{repo_id}"


@pytest.fixture
def clap():
    torch.manual_seed(0)
    settings = Model.model_validate(
        {"audio": {"channels": [4, 8]}, "text": {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 100}}
    )
    return Clap.new(settings, CAPTIONS)


def test_what_is_pushed_loads_elsewhere(clap, tmp_path, monkeypatch):
    clap.save(tmp_path / "student", "# a card\n")
    (tmp_path / "student" / "notes.txt").write_text("not a part of a model")
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps({"student": {"clotho": {"t2a": {"map10": 0.25, "r1": 0.125}}}, "n": {}}))
    hub = FolderHub(tmp_path / "mirror" / "models")
    address = push_to_hub(tmp_path / "student", "team/student", metrics=metrics, private=True, api=hub)
    assert address == "https://hub.example/team/student"
    assert hub.made == [("team/student", True)]
    pushed = tmp_path / "mirror" / "models" / "team" / "student"
    assert sorted(path.name for path in pushed.iterdir()) == ["README.md", "config.json", "model.safetensors", "text"]
    card = (pushed / "README.md").read_text()
    assert card.startswith("# a card\n")
    assert "| clotho | t2a | map10 | 0.2500 |" in card
    assert (tmp_path / "student" / "README.md").read_text() == "# a card\n"  # the pipeline's output is left as it was
    monkeypatch.setenv("CLAPLINE_MIRROR", str(tmp_path / "mirror"))
    again = Clap.from_pretrained("team/student")
    np.testing.assert_array_equal(again.encode_texts(CAPTIONS), clap.encode_texts(CAPTIONS))


def test_push_from_memory(clap, tmp_path, monkeypatch):
    hub = FolderHub(tmp_path)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    assert clap.push_to_hub("team/other", "# card\n").endswith("team/other")
    again = Clap.from_pretrained(tmp_path / "team" / "other")
    np.testing.assert_array_equal(again.encode_texts(CAPTIONS), clap.encode_texts(CAPTIONS))


def test_refusals_are_one_line(clap, tmp_path):
    with pytest.raises(UserError, match="is no saved model"):
        push_to_hub(tmp_path, "team/student", api=FolderHub(tmp_path))
    clap.save(tmp_path / "student", "# card\n")

    class Refusing(FolderHub):
        def create_repo(self, *_, **__):
            raise RuntimeError("401 unauthorised\nBearer hf_secret")

    with pytest.raises(UserError) as caught:
        push_to_hub(tmp_path / "student", "team/student", api=Refusing(tmp_path))
    assert "401 unauthorised" in str(caught.value)
    assert "hf_secret" not in str(caught.value)


def test_metrics_without_the_model_add_nothing(tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    assert evaluation(tmp_path / "metrics.json", "student") == ""
