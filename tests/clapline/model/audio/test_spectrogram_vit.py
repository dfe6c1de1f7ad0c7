from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.errors import UserError
from clapline.model.audio.spectrogram_vit import Attention, SpectrogramVit
from clapline.model.audio.vit_sizes import VitSizes, patches_along, random_sizes

SIZES = VitSizes(
    patch=(4, 4), stride=(3, 2), rows=4, columns=9, width=16, depth=2, heads=2, hidden=24, summary_tokens=2
)
BANDS, FRAMES = 13, 20  # 4 rows × 9 columns


def encoder(seed: int = 0, **options: object) -> SpectrogramVit:
    torch.manual_seed(seed)
    made = SpectrogramVit(options.pop("sizes", SIZES), frames=options.pop("frames", FRAMES), **options)
    with torch.no_grad():  # weights large enough that every part moves the output
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


def spectrogram(clips: int = 3, frames: int = FRAMES, seed: int = 1) -> torch.Tensor:
    return torch.randn(clips, BANDS, frames, generator=torch.Generator().manual_seed(seed))


def sequence_lengths(vit: SpectrogramVit) -> list[int]:
    seen: list[int] = []
    vit.blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    return seen


def test_attention_is_softmax_of_scaled_products():
    torch.manual_seed(0)
    attention = Attention(12, 3, bias=True).double()
    states = torch.randn(2, 5, 12, dtype=torch.float64)
    query, key, value = attention.qkv(states).chunk(3, dim=2)
    heads = []
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        weights = (query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(4)).exp()
        heads.append(weights / weights.sum(dim=2, keepdim=True) @ value[..., part])
    expected = attention.proj(torch.cat(heads, dim=2))
    torch.testing.assert_close(attention(states), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(attention(states, 2), expected[:, :2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_summary_is_that_of_all_states(depth):
    vit = encoder(states="segment", sizes=replace(SIZES, depth=depth))
    tokens = []
    vit.blocks[-1].register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0]))
    summary = vit(spectrogram())
    everything = vit.norm(vit.blocks[-1](tokens[0]))
    torch.testing.assert_close(summary[:, 0], everything[:, :2].mean(dim=1), rtol=0, atol=1e-5)


def test_the_whole_network_compiles_into_one_graph():
    vit = encoder(states="segment", patchout_frames=3, patchout_bands=1).train()
    compiled = torch.compile(vit, fullgraph=True, backend="aot_eager")
    torch.manual_seed(2)
    expected = vit(spectrogram())
    torch.manual_seed(2)
    torch.testing.assert_close(compiled(spectrogram()), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("states", "positions"), [("frames", 9), ("segment", 1)])
def test_shapes(states, positions):
    vit = encoder(states=states)
    assert (vit.width, vit.positions) == (16, positions)
    assert vit(spectrogram()).shape == (3, positions, 16)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_patches_along_an_axis_are_those_that_fit(size, patch, stride):
    assert patches_along(size, patch, stride) == sum(1 for start in range(0, size, stride) if start + patch <= size)


@pytest.mark.parametrize("states", ["frames", "segment"])
def test_a_shorter_input_takes_the_first_time_positions(states):
    vit = encoder(states=states)
    short = SpectrogramVit(replace(SIZES, columns=5), frames=12, states=states).eval()
    weights = vit.state_dict()
    weights["time_positions"] = weights["time_positions"][:5]
    short.load_state_dict(weights)
    features = spectrogram(frames=12)
    assert torch.equal(vit(features), short(features))
    assert vit(features).shape[1] == (5 if states == "frames" else 1)


def test_frames_beyond_the_last_whole_patch_are_not_heard():
    vit = encoder()
    features = spectrogram(frames=FRAMES + 1)
    assert torch.equal(vit(features), vit(features[:, :, :FRAMES]))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 3), st.sampled_from(["frames", "segment"]))
def test_a_clip_s_states_do_not_depend_on_the_others(seed, states):
    vit = encoder(states=states)
    features = spectrogram(4, seed=seed)
    others = torch.cat([features[:1], 100 * spectrogram(3, seed=seed + 9)])
    torch.testing.assert_close(vit(features)[0], vit(others)[0], rtol=0, atol=2e-5)


def test_time_and_band_positions_move_different_things():
    vit, features = encoder(), spectrogram()
    before = vit(features)
    with torch.no_grad():
        vit.time_positions[8] += 1.0
    after = vit(features)
    assert not torch.equal(before, after)
    short = vit(features[:, :, :18])  # 8 columns: the last position is not used
    with torch.no_grad():
        vit.time_positions[8] += 1.0
    assert torch.equal(short, vit(features[:, :, :18]))
    with torch.no_grad():
        vit.band_positions[0] += 1.0
    assert not torch.equal(short, vit(features[:, :, :18]))


@pytest.mark.parametrize("states", ["frames", "segment"])
@pytest.mark.parametrize("training", [False, True])
def test_gradient_reaches_every_parameter(states, training):
    vit = encoder(states=states, patchout_bands=1, patchout_frames=3).train(training)
    vit(spectrogram()).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in vit.parameters())


@pytest.mark.parametrize("sizes", [SIZES, replace(SIZES, patch=(13, 4), stride=(13, 4), rows=1, columns=5)])
def test_parameters_are_those_the_sizes_ask_for(sizes):
    vit = SpectrogramVit(replace(sizes, summary_tokens=0, query_key_value_bias=False), frames=FRAMES)
    names = set(vit.state_dict())
    assert not names & {"tokens", "token_positions", "blocks.0.attn.qkv.bias"}
    assert ("band_positions" in names) == (sizes.rows > 1)
    assert vit(spectrogram()).shape == (3, sizes.columns, 16)


def test_patchout_in_training_only():
    vit = encoder(patchout_bands=1, patchout_frames=3)
    lengths = sequence_lengths(vit)
    features = spectrogram()
    assert vit(features).shape == (3, 9, 16)
    whole, columns = vit.forward_columns(features)
    assert columns is None
    assert torch.equal(whole, encoder()(features))
    vit.train()
    states, columns = vit.forward_columns(features)
    assert states.shape == (3, 6, 16)
    assert len(columns) == 6
    assert lengths == [2 + 4 * 9, 2 + 4 * 9, 2 + 3 * 6]


def test_patchout_of_a_segment_keeps_one_state():
    vit = encoder(states="segment", patchout_frames=3).train()
    states, columns = vit.forward_columns(spectrogram())
    assert states.shape == (3, 1, 16)
    assert columns is None


def test_patchout_hears_the_kept_columns_and_no_others():
    vit = encoder(patchout_frames=4, sizes=replace(SIZES, stride=(3, 4), columns=5)).train()
    features = spectrogram()
    torch.manual_seed(7)
    states, columns = vit.forward_columns(features)
    changed = features.clone()
    for column in set(range(5)) - set(columns.tolist()):
        changed[:, :, 4 * column : 4 * column + 4] += 5
    torch.manual_seed(7)
    assert torch.equal(vit(changed), states)
    changed[:, :, 4 * columns[0]] += 5
    torch.manual_seed(7)
    assert not torch.equal(vit(changed), states)


def test_training_draws_follow_torch_s_seed():
    vit = encoder(patchout_frames=3).train()
    features = spectrogram()
    torch.manual_seed(5)
    first = [vit.forward_columns(features)[1].tolist() for _ in range(6)]
    torch.manual_seed(5)
    assert [vit.forward_columns(features)[1].tolist() for _ in range(6)] == first
    assert len({tuple(columns) for columns in first}) > 1


def test_sizes_go_through_json_and_back():
    vit = encoder()
    again = SpectrogramVit(VitSizes.from_config(json.loads(json.dumps(vit.encoder_config()))), frames=FRAMES).eval()
    again.load_state_dict(vit.state_dict())
    assert again.sizes == SIZES
    assert torch.equal(again(spectrogram()), vit(spectrogram()))
    with pytest.raises(UserError, match="has the sizes columns, depth"):
        VitSizes.from_config({"width": 3})


def test_bfloat16_stays_near():
    vit, features = encoder(), spectrogram()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = vit(features)
    torch.testing.assert_close(states.float(), vit(features), rtol=0, atol=0.15)


@pytest.mark.parametrize("frames", [3, 22, 400])
def test_a_segment_that_has_no_positions_is_refused(frames):
    with pytest.raises(UserError, match=rf"a segment of {frames} frames gives .* 9 time positions and takes 4 to 21"):
        encoder(frames=frames)
    with pytest.raises(UserError, match=f"a segment of {frames} frames"):
        encoder()(spectrogram(frames=frames))


def test_refusals():
    with pytest.raises(UserError, match="7 bands give 2 rows of patches; this encoder has 4"):
        encoder()(torch.zeros(1, 7, FRAMES))
    with pytest.raises(UserError, match="no summary token"):
        encoder(states="segment", sizes=replace(SIZES, summary_tokens=0))
    with pytest.raises(UserError, match="patchout_frames 9 leaves nothing of 9 columns"):
        encoder(patchout_frames=9)
    with pytest.raises(UserError, match="width 16 is not a multiple of heads 3"):
        replace(SIZES, heads=3)


def test_sizes_of_a_new_network():
    new = {"patch": (16, 16), "stride": None, "bands": 128, "frames": 1000}
    base = VitSizes(**random_sizes({}, **new))
    assert (base.width, base.depth, base.heads, base.hidden) == (768, 12, 12, 3072)
    assert (base.rows, base.columns) == (8, 62)
    small = VitSizes(**random_sizes({"depth": 2, "width": 32, "heads": 2, "patch": [8, 4]}, **new))
    assert (small.depth, small.width, small.hidden, small.patch, small.stride) == (2, 32, 128, (8, 4), (8, 4))
    assert random_sizes({"width": 384}, **new)["heads"] == 6
    overlapping = random_sizes({}, **{**new, "stride": (10, 10)})
    assert (overlapping["rows"], overlapping["columns"]) == (12, 99)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layers": 2}, "audio.config has no layers; it has width, depth, heads, hidden, patch"),
        ({"depth": 0}, "audio.config.depth must be a whole number above 0, not 0"),
        ({"width": True}, "audio.config.width must be"),
        ({"width": "32"}, "audio.config.width must be"),
        ({"patch": 16}, "audio.config.patch must be two whole numbers"),
        ({"patch": [129, 4]}, "patches of 129 bands × 4 frames do not fit 128 bands × 1000 frames"),
    ],
)
def test_sizes_that_are_refused(config, message):
    with pytest.raises(UserError, match=message):
        random_sizes(config, patch=(16, 16), stride=None, bands=128, frames=1000)
