"""HTSAT: states along time whose mean is the pooled output of transformers' model, with and without fusion."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import ClapAudioConfig, ClapAudioModel, ClapConfig, ClapModel, ClapTextConfig

from clapline.errors import UserError
from clapline.model.audio import build_audio_encoder
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

# 16 bands folded four times into 64×64: 16 patches a side, 8 after the only merging, 2 bands × 32 steps.
SIZES = {
    "spec_size": 64,
    "patch_embeds_hidden_size": 8,
    "depths": [2, 2],
    "num_attention_heads": [2, 2],
    "window_size": 4,
}
FEATURES = Features(kind="clap", sample_rate_hz=16000, maximum_hz=8000, mel_bands=16, hop_samples=320, duration_s=5.0)
FRAMES = 251
FUSED = Features(**FEATURES.model_dump() | {"mel_scale": "htk"})


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def tiny(**changed: object) -> AudioEncoder:
    return AudioEncoder(kind="htsat", config=SIZES, **changed)


def decibels(clips: int = 2, frames: int = FRAMES) -> torch.Tensor:
    return torch.randn(clips, 16, frames, generator=torch.Generator().manual_seed(0)) * 10 - 40


def stirred(model: torch.nn.Module) -> torch.nn.Module:
    """Give every tensor a value that matters: fresh norms and biases are all ones and zeros."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict(keep_vars=True).items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise + 0.5 if "running_var" in name else tensor + 0.2 * (noise - 0.5))
    return model.eval()


def clap(folder, **audio: object) -> ClapModel:
    text = ClapTextConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    tower = ClapAudioConfig(num_mel_bins=16, hidden_size=16, **SIZES, **audio)
    model = stirred(ClapModel(ClapConfig(text_config=text.to_dict(), audio_config=tower.to_dict(), projection_dim=8)))
    model.save_pretrained(folder)
    return model


def test_the_mean_over_positions_is_the_pooled_output():
    encoder = stirred(build_audio_encoder(tiny(), FEATURES))
    plain = ClapAudioModel(encoder.config).eval()
    plain.load_state_dict(encoder.encoder.state_dict())
    with torch.no_grad():
        states = encoder(decibels())
        expected = plain(decibels().transpose(1, 2)[:, None])
    assert states.shape == (2, encoder.positions, encoder.width) == (2, 32, 16)
    torch.testing.assert_close(states.mean(dim=1), expected.pooler_output, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(states, expected.last_hidden_state.mean(dim=2).transpose(1, 2))


def test_the_segment_state_is_the_pooled_output_bit_for_bit():
    encoder = stirred(build_audio_encoder(tiny(states="segment"), FEATURES))
    with torch.no_grad():
        expected = encoder.encoder(decibels().transpose(1, 2)[:, None]).pooler_output
        states = encoder(decibels())
    assert encoder.positions == 1
    assert torch.equal(states[:, 0], expected)


@pytest.mark.parametrize("frame", [20, 100, 160, 240])
def test_time_runs_along_positions(frame: int):
    # One layer without shift sees one window of positions, so a click stays near where it is.
    sizes = SIZES | {"depths": [1, 1], "window_size": 2}
    encoder = build_audio_encoder(AudioEncoder(kind="htsat", config=sizes), FEATURES).eval()
    clicked = decibels()
    clicked[:, :, frame] += 40
    with torch.no_grad():
        change = (encoder(clicked) - encoder(decibels())).abs().mean(dim=(0, 2))
    assert abs(change.argmax() - frame / FRAMES * encoder.positions) < 3


def test_shorter_inputs_are_stretched_to_all_positions():
    encoder = stirred(build_audio_encoder(tiny(), FEATURES))
    with torch.no_grad():
        assert encoder(decibels(frames=120)).shape == (2, 32, 16)


@pytest.mark.parametrize("states", ["frames", "segment"])
def test_every_weight_takes_part(states: str, tmp_path):
    clap(tmp_path, enable_fusion=True, fusion_type="aff_2d")
    encoder = build_audio_encoder(AudioEncoder(kind="htsat", weights=str(tmp_path), states=states), FUSED)
    encoder.train()(decibels()).square().sum().backward()
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("fusion", [{}, {"enable_fusion": True, "fusion_type": "aff_2d"}])
def test_published_weights_hear_as_in_transformers(fusion: dict, tmp_path):
    model = clap(tmp_path, **fusion)
    features = FUSED if fusion else FEATURES
    encoder = build_audio_encoder(AudioEncoder(kind="htsat", weights=str(tmp_path)), features).eval()
    spectrogram = decibels().transpose(1, 2)[:, None]
    if fusion:  # a clip that is no longer than the input: four equal channels
        spectrogram = spectrogram.expand(-1, 4, -1, -1)
    with torch.no_grad():
        expected = model.audio_model(spectrogram, is_longer=torch.zeros(2, 1, dtype=torch.bool))
        states = encoder(decibels())
    torch.testing.assert_close(states.mean(dim=1), expected.pooler_output, rtol=1e-5, atol=1e-5)
    assert expected.pooler_output.std(dim=0).mean() > 1e-3  # the clips are told apart at all


def test_a_missing_weight_is_an_error(tmp_path):
    from safetensors.torch import load_file, save_file

    clap(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["audio_model.audio_encoder.norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"missing audio_encoder.norm.weight"):
        build_audio_encoder(AudioEncoder(kind="htsat", weights=str(tmp_path)), FEATURES)


def test_rebuilt_from_its_config(tmp_path):
    clap(tmp_path, enable_fusion=True, fusion_type="aff_2d")
    settings = AudioEncoder(kind="htsat", weights=str(tmp_path))
    encoder = build_audio_encoder(settings, FUSED).eval()
    config = json.loads(json.dumps(encoder.encoder_config()))
    again = build_audio_encoder(settings, FUSED, config).eval()
    again.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(again(decibels()), encoder(decibels()))


def test_mistakes_are_told(tmp_path):
    with pytest.raises(UserError, match=r"unknown width for clap_audio_model; known: .*depths"):
        build_audio_encoder(AudioEncoder(kind="htsat", config={"width": 8}), FEATURES)
    with pytest.raises(UserError, match="not a multiple of the number of attention heads"):
        wrong = AudioEncoder(kind="htsat", config=SIZES | {"num_attention_heads": [3, 3]})
        build_audio_encoder(wrong, FEATURES)
    with pytest.raises(UserError, match="last stage of this htsat is 8 places wide, less than its window_size 16"):
        build_audio_encoder(AudioEncoder(kind="htsat", config=SIZES | {"window_size": 16}), FEATURES)
    with pytest.raises(UserError, match="at most 256 frames of 16 bands, the features have 501"):
        build_audio_encoder(tiny(), FEATURES.model_copy(update={"duration_s": 10.0}))
    clap(tmp_path)
    with pytest.raises(UserError, match=r"htsat hears 16 mel bands, features.mel_bands is 32"):
        bands = FEATURES.model_copy(update={"mel_bands": 32})
        build_audio_encoder(AudioEncoder(kind="htsat", weights=str(tmp_path)), bands)
    clap(tmp_path / "map", enable_fusion=True, fusion_type="channel_map")
    with pytest.raises(UserError, match="channel_map is not supported"):
        build_audio_encoder(AudioEncoder(kind="htsat", weights=str(tmp_path / "map")), FEATURES)


@pytest.mark.parametrize(
    ("fusion", "extractor", "scale"),
    [
        ({}, None, "slaney"),
        ({"enable_fusion": True, "fusion_type": "aff_2d"}, None, "htk"),
        ({}, {"truncation": "rand_trunc"}, "slaney"),
        ({}, {"truncation": "fusion"}, "htk"),
        ({"enable_fusion": True, "fusion_type": "aff_2d"}, {"truncation": "rand_trunc"}, "slaney"),
    ],
)
def test_another_mel_scale_than_the_weights_is_refused(fusion: dict, extractor: dict | None, scale: str, tmp_path):
    """What prepares the clips decides; without it whether the tower fuses."""
    clap(tmp_path, **fusion)
    if extractor is not None:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(extractor))
    settings = AudioEncoder(kind="htsat", weights=str(tmp_path))
    right, wrong = (FUSED, FEATURES) if scale == "htk" else (FEATURES, FUSED)
    build_audio_encoder(settings, right)
    with pytest.raises(UserError, match=f"set features.mel_scale: {scale}$") as error:
        build_audio_encoder(settings, wrong)
    assert str(tmp_path) in str(error.value)
