"""What every family of audio encoders makes of clips of which a part is hidden."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from clapline.model.inputs import AudioInputs
from tests.clapline.model.masked_models import AUDIO, HEARD, clips_of, half_of, heard_by, hidden_frames, model_of

WITH_SUMMARY = ("htsat", "ast", "passt", "cnn14", "vision")
WAYS = [(name, "frames", 1) for name in AUDIO] + [(name, "segment", 1) for name in WITH_SUMMARY]
WAYS += [(name, "frames", 3) for name in AUDIO] + [(name, "segment", 3) for name in WITH_SUMMARY]


@pytest.mark.parametrize(("name", "states", "segments"), WAYS)
def test_a_masked_clip(name: str, states: str, segments: int):
    """All visible is the plain embedding; nothing under what is hidden is heard; the stand-in learns if it is used."""
    clap = heard_by(name, states, segments)
    each = 16 if states == "segment" else clap.audio.positions
    assert clap.mask_units == segments * each
    inputs = clips_of(clap, 1.0, 0.4, 0.9)
    everything = torch.ones(3, clap.mask_units, dtype=torch.bool)
    plain = clap.embed_audio(inputs).mean
    masked = clap.embed_masked_audio(inputs, everything)
    assert torch.equal(masked.mean, plain)
    assert torch.equal(clap.embed_masked_audio(inputs, clap.valid_units(inputs)).mean, plain)
    masked.mean.sum().backward()
    assert not clap.audio_mask.grad.any()

    visible = half_of(clap, inputs)
    masked = clap.embed_masked_audio(inputs, visible).mean
    (masked * torch.randn(masked.shape)).sum().backward()
    assert clap.audio_mask.grad.any()
    with torch.no_grad():
        hidden = hidden_frames(clap, inputs, visible)
        assert 0 < hidden.sum() < hidden.numel()
        loud = torch.where(hidden, 9 * torch.randn(inputs.features.shape), inputs.features)
        other = dataclasses.replace(inputs, features=loud)
        assert torch.equal(clap.embed_masked_audio(other, visible).mean, masked)
        assert not torch.equal(clap.embed_audio(other).mean, plain)
        void = clap.embed_masked_audio(inputs, ~everything).mean
        assert void.isfinite().all()
        # Wholly hidden clips without padding are all the same void, within the rounding of a place in the batch.
        same = dataclasses.replace(inputs, valid=torch.ones(3))
        void = clap.embed_masked_audio(same, ~everything).mean
        torch.testing.assert_close(void[1:], void[:1].expand(2, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["cnn", "cnn14", "vision"])
def test_a_clip_cut_to_the_longest_of_its_batch(name: str):
    """Under encoders that may be cut, half the frames; what is masked of them is masked at the same time."""
    clap = heard_by(name)
    whole = clips_of(clap, 0.5, 0.3)
    frames = clap.front_end.frames // 2
    cut = AudioInputs(whole.valid * (clap.front_end.frames / frames), whole.features[..., :frames])
    assert torch.equal(clap.valid_units(cut), clap.valid_units(whole))
    visible = half_of(clap, cut)
    plain = clap.embed_audio(cut).mean
    assert torch.equal(clap.embed_masked_audio(cut, torch.ones_like(visible)).mean, plain)
    masked = clap.embed_masked_audio(cut, visible).mean
    with torch.no_grad():
        loud = torch.where(hidden_frames(clap, cut, visible), 9.0, cut.features)
        assert torch.equal(clap.embed_masked_audio(dataclasses.replace(cut, features=loud), visible).mean, masked)
    # The same stretches of time.
    assert torch.equal(hidden_frames(clap, whole, visible)[..., :frames], hidden_frames(clap, cut, visible))


@pytest.mark.parametrize("frames", [33, 47, 64])
@pytest.mark.parametrize("name", ["cnn14", "vision"])
def test_a_clip_cut_anywhere(name: str, frames: int):
    """States of a cut clip need not lie where those of the whole one do."""
    clap = heard_by(name)
    cut = clips_of(clap, 1.0, 0.55, 0.2)
    cut = dataclasses.replace(cut, features=cut.features[..., :frames])
    units = torch.arange(clap.mask_units)
    assert clap.valid_units(cut).any(dim=1).all()
    plain = clap.embed_audio(cut).mean
    assert torch.equal(clap.embed_masked_audio(cut, clap.valid_units(cut)).mean, plain)
    with torch.no_grad():
        for visible in (units % 2 == 0, units % 2 == 1, units < 1, units < 0):
            visible = visible.expand(3, -1)
            loud = torch.where(hidden_frames(clap, cut, visible), 9.0, cut.features)
            masked = clap.embed_masked_audio(cut, visible).mean
            assert torch.equal(clap.embed_masked_audio(dataclasses.replace(cut, features=loud), visible).mean, masked)


@pytest.mark.parametrize("states", ["frames", "segment"])
def test_segments_cut_to_the_longest_of_their_batch(states: str):
    clap = heard_by("passt", states, 3)
    whole = clips_of(clap, 0.6, 0.2)
    cut = AudioInputs(whole.valid * 1.5, whole.features[:, :2])
    assert torch.equal(clap.valid_units(cut), clap.valid_units(whole))
    visible = half_of(clap, whole)
    with torch.no_grad():
        masked = clap.embed_masked_audio(cut, visible).mean
        torch.testing.assert_close(masked, clap.embed_masked_audio(whole, visible).mean, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("segments", "frames"), [(1, None), (3, None), (1, 96)])
def test_patchout_leaves_masks_in_their_columns(segments: int, frames: int | None):
    """In training columns of patches go: the others keep their unit. With `frames`, of a crop."""
    clap = heard_by("passt", segments=segments, patchout_frames=2, patchout_bands=3).train()
    clap.audio_head.eval()
    inputs = clips_of(clap, 1.0, 1.0, 1.0)
    if frames is not None:
        inputs = dataclasses.replace(inputs, features=inputs.features[..., :frames])
    visible = half_of(clap, inputs)
    pooled = []
    clap.pooling.register_forward_pre_hook(lambda _, arguments: pooled.append(arguments[0]))

    def masked(features: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return clap.embed_masked_audio(dataclasses.replace(inputs, features=features), visible).mean

    torch.manual_seed(3)
    plain = clap.embed_audio(inputs).mean
    assert torch.equal(masked(inputs.features, torch.ones_like(visible)), plain)
    result = masked(inputs.features, visible)
    loud = torch.where(hidden_frames(clap, inputs, visible), 9.0, inputs.features)
    assert torch.equal(masked(loud, visible), result)
    kept = []
    forward = clap.audio.forward_columns
    clap.audio.forward_columns = lambda features: kept.append(forward(features)[1]) or (forward(features)[0], kept[-1])
    masked(inputs.features, visible)
    columns = clap.audio.positions if frames is None else frames // 16
    expected = [
        bool(visible[0, segment * clap.audio.positions + column])
        for segment in range(segments)
        for column in kept[-1].tolist()
    ]
    assert len(kept[-1]) == columns - 2
    assert any(expected)
    assert pooled[-1].mask[0].tolist() == expected


def test_waveforms_are_heard_as_their_features():
    clap = heard_by("cnn")
    waveforms = 0.1 * torch.randn(2, clap.front_end.samples)
    inputs = AudioInputs(torch.tensor([1.0, 0.5]), waveforms=waveforms)
    visible = half_of(clap, inputs)
    features = AudioInputs(inputs.valid, clap.front_end(waveforms, valid=inputs.valid))
    assert torch.equal(clap.valid_units(inputs), clap.valid_units(features))
    assert torch.equal(clap.embed_masked_audio(inputs, visible).mean, clap.embed_masked_audio(features, visible).mean)
    assert clap.embed_masked_audio(inputs, visible).projected.shape == (2, 8)


@pytest.mark.parametrize("name", ["cnn", "htsat", "cnn14", "vision"])
def test_masked_clips_do_not_touch_the_batch_norms(name: str):
    clap = heard_by(name).train()
    inputs = clips_of(clap, 1.0, 0.5, 0.7)
    norms = [part for part in clap.audio.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    before = {key: value.clone() for key, value in clap.audio.state_dict().items()}
    held = [norm.running_mean for norm in norms]
    clap.embed_masked_audio(inputs, half_of(clap, inputs))
    assert norms
    assert all(norm.training for norm in norms)
    assert all(norm.running_mean is mean for norm, mean in zip(norms, held, strict=True))
    assert all(torch.equal(value, before[key]) for key, value in clap.audio.state_dict().items())


def test_a_masked_clip_has_its_gradient_whatever_trains_beside_it():
    """A pass in training moves the statistics that the backward pass of the masked one needs."""
    gradients = []
    for whole_first in (True, False):
        clap = heard_by("cnn").train()
        clap.audio_head.eval()
        inputs = clips_of(clap, 1.0, 0.5, 0.7)
        visible = half_of(clap, inputs)
        mates = dataclasses.replace(inputs, features=5 + 3 * inputs.features)
        if whole_first:
            masked = clap.embed_masked_audio(inputs, visible).mean
        else:
            masked = clap.embed_masked_audio(inputs, visible).mean
            clap.embed_audio(mates)
        (masked * torch.arange(8.0)).sum().backward()
        gradients.append(clap.audio.blocks[0].weight.grad)
    assert torch.equal(*gradients)


def test_tags_play_no_part():
    clap = model_of({"channels": [4, 8]}, HEARD, metadata={"use": "tags"})
    inputs = clips_of(clap, 1.0, 1.0)
    tagged = dataclasses.replace(inputs, tags=clap.text.prepare(["dog", "rain"]), has_tags=torch.tensor([True, True]))
    masked = clap.embed_masked_audio(tagged, torch.ones(2, clap.mask_units, dtype=torch.bool)).mean
    assert torch.equal(masked, clap.embed_audio(inputs).mean)
