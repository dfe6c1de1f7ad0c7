"""AST: the grid of patches becomes states along time; equal to transformers' model on the same weights."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import ASTConfig, ASTForAudioClassification, ASTModel

from clapline.errors import UserError
from clapline.model.audio import build_audio_encoder
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
FEATURES = Features(kind="ast", mel_bands=48, duration_s=1.28)
FRAMES = 128


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def tiny(**changed: object) -> AudioEncoder:
    return AudioEncoder(kind="ast", config=SIZES, **changed)


def some(frames: int = FRAMES) -> torch.Tensor:
    return torch.randn(2, 48, frames, generator=torch.Generator().manual_seed(0))


def stirred(model: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=generator)
    return model.eval()


def test_states_are_the_patches_averaged_over_bands():
    encoder = stirred(build_audio_encoder(tiny(), FEATURES))
    plain = ASTModel(encoder.encoder.config).eval()
    plain.load_state_dict(encoder.encoder.state_dict())
    with torch.no_grad():
        states, hidden = encoder(some()), plain(some().transpose(1, 2)).last_hidden_state
    bands, steps = (48 - 16) // 10 + 1, (FRAMES - 16) // 10 + 1
    assert states.shape == (2, encoder.positions, encoder.width) == (2, steps, 16)
    for step in range(steps):
        tokens = [2 + band * steps + step for band in range(bands)]
        torch.testing.assert_close(states[:, step], hidden[:, tokens].mean(dim=1))


def test_the_segment_state_is_the_pooled_output():
    encoder = stirred(build_audio_encoder(tiny(states="segment"), FEATURES))
    with torch.no_grad():
        output = encoder.encoder(some().transpose(1, 2))
        states = encoder(some())
    assert encoder.positions == 1
    assert torch.equal(states[:, 0], output.pooler_output)
    torch.testing.assert_close(states[:, 0], output.last_hidden_state[:, :2].mean(dim=1))


def test_time_runs_along_positions():
    encoder = build_audio_encoder(tiny(), FEATURES).eval()
    late = some()
    late[:, :, 100:] += 5
    with torch.no_grad():
        change = (encoder(late) - encoder(some())).abs().mean(dim=(0, 2))
    assert change.argmax() >= 9


def test_a_shorter_input_takes_the_positions_from_the_start():
    encoder = stirred(build_audio_encoder(tiny(), FEATURES))
    states = encoder(some(frames=64))
    assert states.shape == (2, 5, 16)
    # The same patches and positions in a model of that length.
    shorter = ASTModel(ASTConfig(**SIZES, num_mel_bins=48, max_length=64)).eval()
    weights = encoder.encoder.state_dict()
    positions = weights["embeddings.position_embeddings"]
    grid = positions[:, 2:].reshape(1, 4, 12, 16)[:, :, :5].reshape(1, 20, 16)
    shorter.load_state_dict(weights | {"embeddings.position_embeddings": torch.cat((positions[:, :2], grid), dim=1)})
    with torch.no_grad():
        hidden = shorter(some(frames=64).transpose(1, 2)).last_hidden_state
    torch.testing.assert_close(states.detach(), hidden[:, 2:].reshape(2, 4, 5, 16).mean(dim=1))
    states.square().sum().backward()
    gradient = encoder.encoder.embeddings.position_embeddings.grad[0, 2:].reshape(4, 12, 16)
    assert gradient[:, :5].abs().amin(dim=(0, 2)).min() > 0
    assert not gradient[:, 5:].any()


@pytest.mark.parametrize("states", ["frames", "segment"])
def test_every_weight_takes_part(states: str):
    encoder = build_audio_encoder(tiny(states=states), FEATURES)
    encoder(some()).square().sum().backward()
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None] == []


def test_strides_of_a_random_one():
    encoder = build_audio_encoder(tiny(patch_stride=[16, 8]), FEATURES)
    assert encoder.grid == (3, 15)
    with torch.no_grad():
        assert encoder(some()).shape == (2, 15, 16)


def test_published_weights(tmp_path):
    sizes = ASTConfig(**SIZES, num_mel_bins=48, max_length=200)
    published = stirred(ASTForAudioClassification(sizes))
    published.save_pretrained(tmp_path)
    settings = AudioEncoder(kind="ast", weights=str(tmp_path))
    encoder = build_audio_encoder(settings, FEATURES).eval()
    assert encoder.positions == 12  # of the features' 128 frames; the checkpoint itself knows 200
    wholly = build_audio_encoder(settings, Features(kind="ast", mel_bands=48, duration_s=2.0)).eval()
    with torch.no_grad():
        expected = published.audio_spectrogram_transformer(some(frames=200).transpose(1, 2)).last_hidden_state
        torch.testing.assert_close(wholly(some(frames=200)), expected[:, 2:].reshape(2, 4, -1, 16).mean(dim=1))
        assert encoder(some()).shape == (2, 12, 16)


def test_rebuilt_from_its_config():
    encoder = build_audio_encoder(tiny(patch_stride=[16, 8]), FEATURES).eval()
    config = json.loads(json.dumps(encoder.encoder_config()))
    again = build_audio_encoder(tiny(patch_stride=[16, 8]), FEATURES, config).eval()
    again.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(again(some()), encoder(some()))


def test_mistakes_are_told(tmp_path):
    with pytest.raises(UserError, match=r"unknown depth for audio-spectrogram-transformer; known: .*hidden_size"):
        build_audio_encoder(AudioEncoder(kind="ast", config={"depth": 2}), FEATURES)
    stride = AudioEncoder(kind="ast", config=SIZES | {"time_stride": 8}, patch_stride=[10, 10])
    with pytest.raises(UserError, match="unknown time_stride"):
        build_audio_encoder(stride, FEATURES)
    ASTModel(ASTConfig(**SIZES, num_mel_bins=48, max_length=64)).save_pretrained(tmp_path)
    settings = AudioEncoder(kind="ast", weights=str(tmp_path))
    with pytest.raises(UserError, match="at most 64 frames, the features have 128"):
        build_audio_encoder(settings, FEATURES)
    with pytest.raises(UserError, match=r"has \[10, 10\]; leave it out"):
        build_audio_encoder(AudioEncoder(kind="ast", weights=str(tmp_path), patch_stride=[16, 16]), FEATURES)
    with pytest.raises(UserError, match=r"48 mel bands, features.mel_bands is 128"):
        build_audio_encoder(settings, Features(kind="ast", duration_s=0.64))
    encoder = build_audio_encoder(tiny(), FEATURES)
    with pytest.raises(UserError, match="16 to 128 frames, got 8"):
        encoder(some(frames=8))
