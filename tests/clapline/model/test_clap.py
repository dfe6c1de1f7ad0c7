from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from clapline import Clap
from clapline.errors import UserError
from clapline.params.model import Model

TINY = {
    "features": {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0},
    "audio": {"channels": [4, 8], "pooling": "mean_max"},
    "text": {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 100, "maximum_tokens": 12},
    "head": {"dimension": 8},
}
CAPTIONS = ["a dog barks", "rain falls on a tin roof", "a dog barks while rain falls"]


@pytest.fixture
def clap() -> Clap:
    torch.manual_seed(0)
    return Clap.new(Model.model_validate(TINY), CAPTIONS).eval()


def waveforms(*seconds: float) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(0, 0.1, round(8000 * length)).astype(np.float32) for length in seconds]


def test_embeddings_are_unit_vectors(clap):
    for embeddings in (clap.encode_texts(CAPTIONS), clap.encode_waveforms(waveforms(0.2, 0.5, 3.0), 8000)):
        assert embeddings.shape == (3, 8)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_encoding_the_same_clip_twice_gives_the_same_embedding(clap):
    """Known trap 2: random crops at evaluation."""
    first, second = clap.encode_waveforms(waveforms(3.0), 8000), clap.encode_waveforms(waveforms(3.0), 8000)
    np.testing.assert_array_equal(first, second)


def test_a_wrong_sample_rate_is_refused(clap):
    """Known trap 14: a wrong sample rate accepted in silence."""
    with pytest.raises(UserError, match="8000 Hz, got 44100 Hz"):
        clap.encode_waveforms(waveforms(1.0), 44100)


def test_texts_in_any_order_and_repeated(clap):
    forwards = clap.encode_texts([*CAPTIONS, CAPTIONS[0]])
    backwards = clap.encode_texts(CAPTIONS[::-1])
    np.testing.assert_array_equal(forwards[:3], backwards[::-1])
    np.testing.assert_array_equal(forwards[0], forwards[3])
    assert clap.encode_texts([]).shape == (0, 8)


def test_padding_does_not_reach_a_caption(clap):
    np.testing.assert_allclose(
        clap.encode_texts(CAPTIONS[:1]), clap.encode_texts([CAPTIONS[0], "rain " * 11])[:1], atol=1e-6
    )


def test_the_empty_text_and_unknown_signs_have_an_embedding(clap):
    embeddings = clap.encode_texts(["", "火"])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_a_saved_model_comes_back_the_same(clap, tmp_path):
    clap.save(tmp_path / "model", "# card")
    again = Clap.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(again.encode_texts(CAPTIONS), clap.encode_texts(CAPTIONS))
    clips = waveforms(0.2, 0.7)
    np.testing.assert_array_equal(again.encode_waveforms(clips, 8000), clap.encode_waveforms(clips, 8000))
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "README.md",
    }


def test_loading_what_is_no_model_is_one_clear_error(clap, tmp_path):
    with pytest.raises(UserError, match="no saved model"):
        Clap.from_pretrained(tmp_path)
    clap.save(tmp_path / "model", "")
    config = json.loads((tmp_path / "model/config.json").read_text())
    config["model"]["head"]["dimensoin"] = 3
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="did you mean 'dimension'"):
        Clap.from_pretrained(tmp_path / "model")


def test_the_logit_scale_is_clamped(clap):
    with torch.no_grad():
        clap.log_scale.fill_(50.0)
    assert clap.logit_scale().item() == pytest.approx(100.0, rel=1e-5)
