"""A ClapModel of transformers as a Clap: the same embeddings of the same weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs
from clapline.model.published import start_from
from clapline.params.model import Model

CAPTIONS = ["a dog barks", "rain falls on a tin roof", "a bell rings twice"]
TEXT = {
    "vocab_size": 20,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 90,
}
AUDIO = {
    "num_mel_bins": 16,
    "spec_size": 64,
    "patch_embeds_hidden_size": 8,
    "hidden_size": 16,
    "depths": [2, 2],
    "num_attention_heads": [2, 4],
    "window_size": 4,
}
EXTRACTOR = {
    "feature_size": 16,
    "sampling_rate": 16000,
    "hop_length": 320,
    "fft_window_size": 1024,
    "frequency_min": 30,
    "frequency_max": 7000,
    "max_length_s": 5,
    "truncation": "rand_trunc",
    "padding": "repeatpad",
}


@pytest.fixture
def published(tmp_path: Path, tokenizer: Callable[..., Path]) -> Callable[..., tuple[Path, ClapModel]]:
    def made(extractor: dict | None = EXTRACTOR, **audio: object) -> tuple[Path, ClapModel]:
        folder = tmp_path / "published"
        config = ClapConfig(text_config=TEXT, audio_config=AUDIO | audio, projection_dim=12)
        model = ClapModel(config).eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, tensor in model.state_dict(keep_vars=True).items():
                if tensor.is_floating_point() and tensor.ndim:
                    noise = torch.rand(tensor.shape, generator=generator)
                    tensor.copy_(noise + 0.5 if "running_var" in name else tensor + 0.5 * (noise - 0.5))
            model.logit_scale_a.fill_(math.log(30.0))
        model.save_pretrained(folder)
        if extractor is not None:
            ClapFeatureExtractor(**extractor).save_pretrained(folder)
        tokenizer("roberta", folder)
        return folder, model

    return made


def features(clips: int = 3) -> torch.Tensor:
    return torch.randn(clips, 1, 16, 251, generator=torch.Generator().manual_seed(2)) * 10 - 40


def heard(clap: Clap, spectrogram: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return clap.embed_audio(AudioInputs(valid=torch.ones(len(spectrogram)), features=spectrogram)).mean


def test_the_same_embeddings(published):
    folder, model = published()
    clap, report = start_from(str(folder))
    assert report.missing == []
    assert report.unexpected == []
    with torch.no_grad():
        audio = model.get_audio_features(features().transpose(2, 3)).pooler_output
        inputs = clap.text.prepare(CAPTIONS)
        text = model.get_text_features(inputs["input_ids"], attention_mask=inputs["attention_mask"]).pooler_output
        torch.testing.assert_close(clap.embed_text(inputs).mean, text, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(heard(clap, features()), audio, rtol=1e-5, atol=1e-5)
    assert audio.std(dim=0).mean() > 1e-3
    assert text.std(dim=0).mean() > 1e-3
    assert clap.logit_scale().item() == pytest.approx(30.0, rel=1e-5)


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_the_same_from_waveforms_on(padding: str, published):
    folder, model = published(EXTRACTOR | {"padding": padding})
    clap, _ = start_from(str(folder))
    random = np.random.default_rng(0)
    waveforms = [random.uniform(-0.5, 0.5, samples).astype(np.float32) for samples in (80000, 30000, 55000)]
    found = clap.encode_waveforms(waveforms, 16000)
    extractor = ClapFeatureExtractor.from_pretrained(folder)
    spectrogram = extractor(waveforms, sampling_rate=16000, return_tensors="pt")["input_features"]
    with torch.no_grad():
        expected = model.get_audio_features(spectrogram).pooler_output
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-4)


def test_saved_and_loaded_again(published, tmp_path: Path):
    folder, _ = published()
    clap = Clap.from_pretrained(folder)
    clap.save(tmp_path / "ours", "# a card")
    again = Clap.from_pretrained(tmp_path / "ours")
    assert torch.equal(heard(again, features()), heard(clap, features()))
    np.testing.assert_array_equal(again.encode_texts(CAPTIONS), clap.encode_texts(CAPTIONS))
    assert again.settings == clap.settings


def test_what_is_saved_names_the_model_as_the_user_did(published, tmp_path: Path, monkeypatch):
    """`start: laion/clap-htsat-unfused`: no file tells in which folder of this machine the weights lay."""
    folder, _ = published()
    monkeypatch.setenv("CLAPLINE_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror/models/laion").mkdir(parents=True)
    folder.rename(tmp_path / "mirror/models/laion/tiny")
    clap = Clap.new(Model(start="laion/tiny"), CAPTIONS)
    assert clap.settings.text.model == "laion/tiny"
    clap.save(tmp_path / "ours", "")
    found = [path for path in (tmp_path / "ours").rglob("*") if path.is_file()]
    assert len(found) == 5
    assert [path.name for path in found if str(tmp_path).encode() in path.read_bytes()] == []
    assert json.loads((tmp_path / "ours/config.json").read_text())["model"]["text"]["model"] == "laion/tiny"


def test_the_error_names_the_model_as_the_user_did(published, tmp_path: Path, monkeypatch):
    folder, _ = published(EXTRACTOR | {"padding": "mirror"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^published: padding 'mirror'"):
        Clap.from_pretrained(folder.name)


@pytest.mark.parametrize("scale", [99.0, 100.0, 100.00001, 150.0])
def test_a_temperature_at_its_bound_and_above_it(published, scale: float):
    """Clamped at log(100) in single precision, as LAION-CLAP's is, a scale is a little more than 100."""
    folder, _ = published()
    tensors = load_file(folder / "model.safetensors")
    tensors["logit_scale_a"] = torch.tensor(scale).log()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    clap = Clap.from_pretrained(folder)
    assert clap.logit_scale().item() == pytest.approx(scale, rel=1e-6)
    clap.bound_logit_scale()
    assert clap.logit_scale().item() == pytest.approx(scale, rel=1e-6)


def test_weights_in_parts(published, tmp_path: Path):
    folder, model = published()
    whole = Clap.from_pretrained(folder).encode_texts(CAPTIONS)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="50KB")
    assert not (folder / "model.safetensors").exists()
    np.testing.assert_array_equal(Clap.from_pretrained(folder).encode_texts(CAPTIONS), whole)


def test_every_weight_can_be_trained(published):
    folder, _ = published()
    clap, _ = start_from(str(folder))
    clap.train()
    inputs = AudioInputs(valid=torch.ones(3), features=features())
    audio, text = clap.hear(inputs), clap.embed_text(clap.text.prepare(CAPTIONS))
    (clap.cosines(text.mean, audio) * clap.logit_scale()).square().sum().backward()
    assert [name for name, weight in clap.named_parameters() if weight.grad is None] == []


def test_numbers_of_the_extractor(published):
    folder, _ = published()
    settings = start_from(str(folder))[0].settings.features
    assert (settings.sample_rate_hz, settings.hop_samples, settings.window_samples) == (16000, 320, 1024)
    assert (settings.minimum_hz, settings.maximum_hz, settings.mel_bands) == (30, 7000, 16)
    assert (settings.duration_s, settings.short) == (5, "repeat_pad")


def test_a_missing_weight_is_an_error_and_another_one_is_reported(published):
    folder, _ = published()
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"text_model.extra.weight": torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})
    report = start_from(str(folder))[1]
    assert report.unexpected == ["text.encoder.extra.weight"]
    assert "1 unexpected: text.encoder.extra.weight" in str(report)
    del tensors["text_projection.linear2.bias"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"missing text_head\.second\.bias"):
        start_from(str(folder))


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_a_fused_model_from_waveforms_on(padding: str, published):
    """Clips no longer than the input, which are not fused; longer ones lose all but their middle here."""
    extractor = EXTRACTOR | {"padding": padding, "truncation": "fusion"}
    folder, model = published(extractor, enable_fusion=True, fusion_type="aff_2d")
    clap, report = start_from(str(folder))
    assert clap.settings.features.mel_scale == "htk"
    assert (report.missing, report.unexpected) == ([], [])
    assert any("fusion_model" in name for name in report.ignored)
    random = np.random.default_rng(0)
    waveforms = [random.uniform(-0.5, 0.5, samples).astype(np.float32) for samples in (80000, 30000, 55000)]
    found = clap.encode_waveforms(waveforms, 16000)
    made = ClapFeatureExtractor.from_pretrained(folder)(waveforms, sampling_rate=16000, return_tensors="pt")
    # Where no clip is longer, the extractor calls one of them longer at random: a rule of the authors' training.
    none_longer = torch.zeros(3, 1, dtype=torch.bool)
    with torch.no_grad():
        expected = model.get_audio_features(made["input_features"], is_longer=none_longer).pooler_output
        slaney = made["input_features"].roll(1, dims=-1)
        moved = model.get_audio_features(slaney, is_longer=none_longer).pooler_output
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-4)
    assert (expected - moved).abs().max() > 1e-2  # that bands are the right ones can be told
    twice = clap.encode_waveforms([np.tile(waveforms[0], 2)[40000:120000], np.tile(waveforms[0], 2)], 16000)
    np.testing.assert_allclose(twice[1], twice[0], rtol=0, atol=1e-6)


def test_the_mel_scale_without_an_extractor_is_told_by_the_fusion(published):
    for fusion, scale in (({}, "slaney"), ({"enable_fusion": True, "fusion_type": "aff_2d"}, "htk")):
        folder = published(None, num_mel_bins=64, spec_size=256, **fusion)[0]
        assert not (folder / "preprocessor_config.json").is_file()
        assert start_from(str(folder))[0].settings.features.mel_scale == scale


def test_features_that_cannot_be_made_are_refused(published):
    with pytest.raises(UserError, match="80 dB below the loudest"):
        start_from(str(published(EXTRACTOR | {"top_db": 80})[0]))
    with pytest.raises(UserError, match="padding 'mirror' of short clips is unknown"):
        start_from(str(published(EXTRACTOR | {"padding": "mirror"})[0]))


def test_other_folders_are_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UserError, match="of type 'bert'; allowed: clap"):
        start_from(str(tmp_path))


@pytest.mark.parametrize("content", ["{", "[1, 2]", "\x00"])
def test_a_broken_config_is_refused(content: str, tmp_path: Path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json (is no JSON|must hold names)"):
        start_from(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("preprocessor_config.json", "{", r"preprocessor_config\.json is no JSON"),
        ("preprocessor_config.json", "[]", r"preprocessor_config\.json must hold names"),
        ("preprocessor_config.json", {"hop_length": "wide"}, "hop_samples"),
        ("config.json", {"projection_dim": 5}, r"audio_head\.\S+ \(12, "),
        ("config.json", {"audio_config": {"depths": None}}, "depths"),
        ("config.json", {"audio_config": [3]}, "ClapModel|config"),
        ("config.json", {"text_config": {"hidden_size": "wide"}}, "hidden_size"),
        ("config.json", {"text_config": {"num_attention_heads": 0}}, "of these sizes cannot be built"),
        ("model.safetensors", "abc", r"model\.safetensors is no safetensors file"),
    ],
)
def test_a_damaged_folder_is_one_clear_line(file: str, change: str | dict, reason: str, published):
    folder, _ = published()
    if isinstance(change, str):
        (folder / file).write_text(change)
    else:
        content = json.loads((folder / file).read_text())
        for name, value in change.items():
            content[name] = content[name] | value if isinstance(value, dict) else value
        (folder / file).write_text(json.dumps(content))
    with pytest.raises(UserError, match=reason):
        Clap.from_pretrained(folder)
