"""What holds for every audio encoder built on a published family: clips alone, half precision, a whole Clap."""

from __future__ import annotations

import pytest
import torch

from clapline.model.audio import build_audio_encoder
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

STAGES = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
TINY = {
    "htsat": (
        AudioEncoder(
            kind="htsat",
            config={
                "spec_size": 64,
                "patch_embeds_hidden_size": 8,
                "depths": [2, 2],
                "num_attention_heads": [2, 2],
                "window_size": 4,
            },
        ),
        Features(kind="clap", mel_bands=16, duration_s=2.0),
    ),
    "ast": (
        AudioEncoder(
            kind="ast",
            config={"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
        ),
        Features(kind="ast", mel_bands=48, duration_s=1.28),
    ),
    "cnn14": (
        AudioEncoder(kind="cnn14", config={"channels": [4, 8, 8, 16]}),
        Features(kind="clap", duration_s=1.0),
    ),
    "vision": (
        AudioEncoder(kind="vision", architecture="convnextv2", config=STAGES),
        Features(kind="passt", mel_bands=64, duration_s=1.28),
    ),
}


@pytest.fixture(params=sorted(TINY))
def tower(request: pytest.FixtureRequest) -> tuple[torch.nn.Module, torch.Tensor]:
    """An encoder in evaluation mode, and features of four segments."""
    torch.manual_seed(0)
    settings, features = TINY[request.param]
    frames = features.segment_samples // features.hop_samples
    return build_audio_encoder(settings, features).eval(), torch.randn(4, features.mel_bands, frames)


def test_each_segment_is_encoded_alone(tower):
    encoder, features = tower
    with torch.no_grad():
        together = encoder(features)
        others = features.clone()
        others[1:] = 100 * torch.randn(others[1:].shape)
        torch.testing.assert_close(encoder(others)[:1], together[:1], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(encoder(features[2:3]), together[2:3], rtol=1e-5, atol=1e-6)


def test_half_precision_is_near(tower):
    encoder, features = tower
    with torch.no_grad():
        whole = encoder(features)
        with torch.autocast("cpu", torch.bfloat16):
            half = encoder(features).float()
    assert half.shape == whole.shape
    assert (half - whole).norm() < 0.05 * whole.norm()


def test_a_step_in_half_precision_has_finite_gradients(tower):
    encoder, features = tower
    with torch.autocast("cpu", torch.bfloat16):
        loss = encoder.train()(features).float().square().mean()
    loss.backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in encoder.parameters())


VIT = {"width": 16, "depth": 2, "heads": 2, "hidden": 32}
LONGER = Features(kind="passt", mel_bands=64, duration_s=5.0)  # 500 frames, odd when halved twice
OTHERS = {
    "cnn": (AudioEncoder(channels=[4, 8, 8]), Features(duration_s=5.0)),
    "passt": (AudioEncoder(kind="passt", config=VIT), Features(kind="passt", duration_s=2.0)),
    "atst": (AudioEncoder(kind="atst", config=VIT), Features(kind="atst", duration_s=2.0)),
    "cnn14": (
        AudioEncoder(kind="cnn14", config={"channels": [4, 8, 8, 16]}),
        LONGER.model_copy(update={"kind": "clap"}),
    ),
    **{
        architecture: (AudioEncoder(kind="vision", architecture=architecture, config=sizes), LONGER)
        for architecture, sizes in {
            "resnet": {"embedding_size": 8, "layer_type": "basic", **STAGES},
            "convnext": STAGES,
            "convnextv2": STAGES,
            "efficientnet": {"width_coefficient": 0.1, "depth_coefficient": 0.2, "hidden_dim": 128},
            "mobilenet_v1": {"depth_multiplier": 0.1, "min_depth": 8},
            "mobilenet_v2": {"depth_multiplier": 0.1, "finegrained_output": True},
            "regnet": {"embedding_size": 8, "groups_width": 8, **STAGES},
        }.items()
    },
}
LENGTHS = {**TINY, **OTHERS}


@pytest.mark.parametrize("states", ["frames", "segment"])
@pytest.mark.parametrize("name", sorted(LENGTHS))
def test_an_encoder_says_whether_cutting_a_segment_moves_its_first_state(name: str, states: str):
    """Those that say nothing are cut to the longest clip of a batch in training: no state may tell who that is."""
    settings, features = LENGTHS[name]
    if states == "segment" and settings.kind in ("cnn", "atst"):
        pytest.skip("it has no summary of a segment")
    torch.manual_seed(0)
    encoder = build_audio_encoder(settings.model_copy(update={"states": states}), features).eval()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))  # some weights start at 0, and hide what they scale
        frames = features.segment_samples // features.hop_samples
        whole = torch.randn(2, features.mel_bands, frames)
        state, cut = encoder(whole)[:, 0], encoder(whole[..., : frames // 64 * 32])[:, 0]
    moved = float((state - cut).norm() / state.norm())
    assert (moved > 1e-6) == getattr(encoder, "fixed_length", False), moved
