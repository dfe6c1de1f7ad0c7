"""CNN14: the arithmetic of PANNs, its published names and shapes, frame states and the clip embedding."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapline.errors import UserError
from clapline.model.audio import build_audio_encoder
from clapline.model.audio.cnn14 import Cnn14
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

CHANNELS = [2, 3, 4, 4, 5, 6]
FEATURES = Features(kind="clap", sample_rate_hz=32000, maximum_hz=14000, mel_bands=64, hop_samples=320, duration_s=1.0)
FRAMES = 101


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def tiny(**changed: object) -> AudioEncoder:
    return AudioEncoder(kind="cnn14", config={"channels": CHANNELS, "embedding": 7}, **changed)


def decibels(frames: int = FRAMES) -> Tensor:
    return torch.randn(2, 64, frames, generator=torch.Generator().manual_seed(0)) * 10 - 40


def authors(channels: list[int] = CHANNELS, embedding: int = 7, classes: int = 3) -> dict[str, Tensor]:
    """Return a state dict with the authors' names and shapes, at another width.

    qiuqiangkong/audioset_tagging_cnn, pytorch/models.py, class Cnn14: a front end of torchlibrosa, bn0, six ConvBlocks
    of conv1, conv2 (no bias), bn1, bn2; fc1; fc_audioset. Published widths: 64 … 2048, 2048, 527.
    """
    generator = torch.Generator().manual_seed(3)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    def norm(name: str, size: int) -> dict[str, Tensor]:
        return {
            f"{name}.weight": 1 + drawn(size),
            f"{name}.bias": drawn(size),
            f"{name}.running_mean": drawn(size),
            f"{name}.running_var": 1 + drawn(size).abs(),
            f"{name}.num_batches_tracked": torch.tensor(9),
        }

    state = {
        "spectrogram_extractor.stft.conv_real.weight": drawn(513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": drawn(513, 1, 1024),
        "logmel_extractor.melW": drawn(513, 64),
        **norm("bn0", 64),
        "fc1.weight": drawn(embedding, channels[-1]),
        "fc1.bias": drawn(embedding),
        "fc_audioset.weight": drawn(classes, embedding),
        "fc_audioset.bias": drawn(classes),
    }
    for block, (inputs, outputs) in enumerate(zip([1, *channels], channels, strict=False), start=1):
        state[f"conv_block{block}.conv1.weight"] = drawn(outputs, inputs, 3, 3)
        state[f"conv_block{block}.conv2.weight"] = drawn(outputs, outputs, 3, 3)
        state |= norm(f"conv_block{block}.bn1", outputs) | norm(f"conv_block{block}.bn2", outputs)
    return state


def by_the_paper(state: dict[str, Tensor], features: Tensor) -> tuple[Tensor, Tensor]:
    """Return frame states `(clips, channels, frames)` and the clip embedding, written out by the published names."""

    def norm(name: str, images: Tensor) -> Tensor:
        shape = (1, -1, 1, 1)
        scale = state[f"{name}.weight"] / (state[f"{name}.running_var"] + 1e-5).sqrt()
        shift = state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale
        return images * scale.view(shape) + shift.view(shape)

    images = norm("bn0", features[..., None])[..., 0].transpose(1, 2)[:, None]  # (clips, 1, frames, bands)
    for block in range(1, 7):
        for layer in (1, 2):
            images = functional.conv2d(images, state[f"conv_block{block}.conv{layer}.weight"], padding=1)
            images = norm(f"conv_block{block}.bn{layer}", images).relu()
        if block < 6:
            images = functional.avg_pool2d(images, 2)
    frames = images.mean(dim=3)
    clip = frames.max(dim=2).values + frames.mean(dim=2)
    return frames, (clip @ state["fc1.weight"].T + state["fc1.bias"]).relu()


@pytest.mark.parametrize("states", ["frames", "segment"])
def test_a_published_file_gives_the_published_numbers(states: str, tmp_path):
    torch.save({"model": authors(), "iteration": 600000}, tmp_path / "Cnn14.pth")
    settings = AudioEncoder(kind="cnn14", weights=str(tmp_path / "Cnn14.pth"), states=states)
    encoder = build_audio_encoder(settings, FEATURES).eval()
    frames, clip = by_the_paper(authors(), decibels())
    with torch.no_grad():
        found = encoder(decibels())
    expected = frames.transpose(1, 2) if states == "frames" else clip[:, None]
    assert found.shape == (2, encoder.positions, encoder.width)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.std() > 1e-3


def test_the_published_sizes():
    with torch.device("meta"):
        encoder = Cnn14({}, "segment", bands=64, frames=FRAMES)
    # 80.75 M in PANNs' table 3: these and a classifier of 2049 × 527.
    assert sum(weight.numel() for weight in encoder.parameters()) + 2049 * 527 == 80_753_615
    assert encoder.width == 2048


def test_dropout_only_in_training():
    encoder = build_audio_encoder(tiny(), FEATURES)
    encoder.sizes["block_dropout"] = 0.9
    torch.manual_seed(0)
    encoder.train()(decibels())
    for norm in (part for part in encoder.modules() if isinstance(part, torch.nn.BatchNorm2d)):
        norm.eval()
    assert not torch.equal(encoder(decibels()), encoder(decibels()))
    encoder.eval()
    assert torch.equal(encoder(decibels()), encoder(decibels()))


@pytest.mark.parametrize("states", ["frames", "segment"])
def test_every_weight_takes_part(states: str):
    encoder = build_audio_encoder(tiny(states=states), FEATURES)
    encoder(decibels()).square().sum().backward()
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None] == []


def test_a_shorter_input_has_fewer_positions():
    encoder = build_audio_encoder(tiny(), FEATURES).eval()
    assert encoder.positions == 3
    with torch.no_grad():
        assert encoder(decibels(frames=70)).shape[1] == 2


def test_rebuilt_from_its_config():
    encoder = build_audio_encoder(tiny(states="segment"), FEATURES).eval()
    config = json.loads(json.dumps(encoder.encoder_config()))
    again = build_audio_encoder(tiny(states="segment"), FEATURES, config).eval()
    again.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(again(decibels()), encoder(decibels()))


def test_mistakes_are_told(tmp_path):
    with pytest.raises(UserError, match="unknown depth for cnn14; known: channels, embedding"):
        build_audio_encoder(AudioEncoder(kind="cnn14", config={"depth": 6}), FEATURES)
    with pytest.raises(UserError, match="channels must be a list of positive whole numbers"):
        build_audio_encoder(AudioEncoder(kind="cnn14", config={"channels": [8, 0]}), FEATURES)
    with pytest.raises(UserError, match=r"dropout must lie in \[0, 1\)"):
        build_audio_encoder(AudioEncoder(kind="cnn14", config={"dropout": 1}), FEATURES)
    with pytest.raises(UserError, match="at least 32 bands and frames, the features have 64 x 11"):
        build_audio_encoder(tiny(), FEATURES.model_copy(update={"duration_s": 0.1}))
    lacking = authors()
    del lacking["conv_block3.bn2.running_mean"]
    torch.save({"model": lacking}, tmp_path / "lacking.pth")
    with pytest.raises(UserError, match=r"missing blocks.2.second_norm.running_mean"):
        build_audio_encoder(AudioEncoder(kind="cnn14", weights=str(tmp_path / "lacking.pth")), FEATURES)
    torch.save({"model": {"weight": torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="no CNN14 checkpoint"):
        build_audio_encoder(AudioEncoder(kind="cnn14", weights=str(tmp_path / "other.pth")), FEATURES)
