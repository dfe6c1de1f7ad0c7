"""Image networks as audio encoders: states along time, one channel, rebuilt from what they say of themselves."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForImageClassification

from clapline.errors import UserError
from clapline.model.audio import build_audio_encoder
from clapline.model.audio.vision import ARCHITECTURES, one_channel
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

STAGES = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
TINY = {
    "resnet": {"embedding_size": 8, "layer_type": "basic", **STAGES},
    "convnext": STAGES,
    "convnextv2": STAGES,
    "efficientnet": {"width_coefficient": 0.1, "depth_coefficient": 0.2, "hidden_dim": 128},
    "mobilenet_v1": {"depth_multiplier": 0.1, "min_depth": 8},
    "mobilenet_v2": {"depth_multiplier": 0.1, "finegrained_output": True},
    "regnet": {"embedding_size": 8, "groups_width": 8, **STAGES},
}
FEATURES = Features(kind="passt", mel_bands=64, duration_s=1.28)  # 128 frames


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def tiny(architecture: str, **changed: object) -> AudioEncoder:
    return AudioEncoder(kind="vision", architecture=architecture, config=TINY[architecture], **changed)


def some(frames: int = 128) -> torch.Tensor:
    return torch.randn(3, 64, frames, generator=torch.Generator().manual_seed(0))


def test_every_allowed_architecture_is_tested():
    assert set(TINY) == set(ARCHITECTURES)


@pytest.mark.parametrize("states", ["frames", "segment"])
@pytest.mark.parametrize("architecture", sorted(TINY))
def test_states_have_the_shape_that_the_encoder_says(architecture: str, states: str):
    encoder = build_audio_encoder(tiny(architecture, states=states), FEATURES)
    out = encoder(some())
    assert out.shape == (3, encoder.positions, encoder.width)
    assert (encoder.positions == 1) == (states == "segment")
    out.square().sum().backward()
    # Training over several processes needs every weight to take part.
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("architecture", ["convnextv2", "resnet"])
def test_states_are_the_mean_over_bands_of_the_plain_model(architecture: str):
    encoder = build_audio_encoder(tiny(architecture), FEATURES).eval()
    plain = AutoModel.from_config(AutoConfig.for_model(architecture, num_channels=1, **TINY[architecture])).eval()
    plain.load_state_dict(encoder.encoder.state_dict())
    with torch.no_grad():
        expected = plain(some()[:, None]).last_hidden_state.mean(dim=2).transpose(1, 2)
        if architecture == "convnextv2":
            expected = plain.layernorm(expected)
        torch.testing.assert_close(encoder(some()), expected)


def test_time_runs_along_positions():
    encoder = build_audio_encoder(tiny("resnet"), FEATURES).eval()
    late = some()
    late[:, :, 96:] += 3
    with torch.no_grad():
        change = (encoder(late) - encoder(some())).abs().mean(dim=(0, 2))
    assert change.argmax() == encoder.positions - 1


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_a_random_network_tells_clips_apart(architecture: str):
    encoder = build_audio_encoder(tiny(architecture), FEATURES)
    states = encoder(some())
    assert states.std(dim=0).mean() > 1e-3
    assert (states.std(dim=0) / states.norm(dim=-1).mean()).mean() > 1e-3


def test_averages_of_batch_norm_follow_the_batches():
    encoder = build_audio_encoder(tiny("efficientnet"), FEATURES)
    norm = encoder.encoder.embeddings.batchnorm
    before = norm.running_var.clone()
    encoder.train()(some())
    batch = (norm.running_var - 0.9 * before) / 0.1
    images = encoder.encoder.embeddings.padding(some()[:, None])
    variance = encoder.encoder.embeddings.convolution(images).var(dim=(0, 2, 3))
    torch.testing.assert_close(batch, variance, rtol=1e-3, atol=1e-5)


def test_a_shorter_input_has_fewer_positions():
    encoder = build_audio_encoder(tiny("resnet"), FEATURES).eval()
    with torch.no_grad():
        assert 1 <= encoder(some(frames=64)).shape[1] < encoder.positions


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_rebuilt_from_its_config(architecture: str):
    encoder = build_audio_encoder(tiny(architecture), FEATURES).eval()
    config = json.loads(json.dumps(encoder.encoder_config()))
    again = build_audio_encoder(tiny(architecture), FEATURES, config).eval()
    again.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(again(some()), encoder(some()))


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_published_colours_are_summed(architecture: str, tmp_path):
    colours = AutoConfig.for_model(architecture, num_channels=3, **TINY[architecture])
    published = AutoModelForImageClassification.from_config(colours).eval()
    published.save_pretrained(tmp_path)
    encoder = build_audio_encoder(AudioEncoder(kind="vision", weights=str(tmp_path)), FEATURES).eval()
    assert encoder.encoder_config()["num_channels"] == 1
    body = AutoModel.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        grey = body(some()[:, None].expand(-1, 3, -1, -1)).last_hidden_state
        heard = encoder.encoder(some()[:, None]).last_hidden_state
    torch.testing.assert_close(heard, grey, rtol=1e-4, atol=1e-4)


def test_published_single_channel_is_kept(tmp_path):
    grey = AutoModel.from_config(AutoConfig.for_model("resnet", num_channels=1, **TINY["resnet"]))
    weight = grey.state_dict()["embedder.embedder.convolution.weight"]
    assert torch.equal(one_channel(grey).state_dict()["embedder.embedder.convolution.weight"], weight)


def test_mistakes_are_told(tmp_path):
    with pytest.raises(UserError, match=r"vit.*allowed: resnet"):
        build_audio_encoder(AudioEncoder(kind="vision", architecture="vit"), FEATURES)
    wrong = AudioEncoder(kind="vision", architecture="resnet", config={"depth": [1]})
    with pytest.raises(UserError, match="unknown depth for resnet; known: depths"):
        build_audio_encoder(wrong, FEATURES)
    fixed = AudioEncoder(kind="vision", architecture="resnet", config={"num_channels": 3})
    with pytest.raises(UserError, match="unknown num_channels"):
        build_audio_encoder(fixed, FEATURES)
    kind = AudioEncoder(kind="vision", architecture="resnet", config={"depths": "many"})
    with pytest.raises(UserError, match=r"audio.config.*depths"):
        build_audio_encoder(kind, FEATURES)
    AutoModel.from_config(AutoConfig.for_model("resnet", **TINY["resnet"])).save_pretrained(tmp_path)
    other = AudioEncoder(kind="vision", architecture="convnextv2", weights=str(tmp_path))
    with pytest.raises(UserError, match="is resnet"):
        build_audio_encoder(other, FEATURES)
