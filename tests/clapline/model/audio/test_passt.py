"""PaSST against its authors' source: names and shapes of the checkpoint, and a plain forward pass written from it.

Source: kkoutini/PaSST, models/passt.py at db2139c9a6628372b4c1bc47115be95e1a6e17a7: `PaSST.__init__` (names, shapes),
`PatchEmbed`, `Attention`, `Mlp`, `Block`, `PaSST.forward_features` and `PaSST.forward` (formulas), `default_cfgs`
(input 1 × 128 × 998, 527 classes, files of the releases), `get_model` (distilled, strides). hear21passt/models/passt.py
of kkoutini/passt_hear21 at 0456f09d76e3216abf6a49304b01976b062c2229 has the same names below `net.` of its wrapper.
"""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from clapline.errors import UserError
from clapline.model.audio.passt import Passt
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

FEATURES = Features(kind="passt", mel_bands=36, duration_s=1.0)  # 36 bands × 100 frames
STRIDE = 10  # as in passt_s_swa_p16_128_ap476; 3 rows × 9 columns


def authors_shapes(
    *, bands: int, frames: int, stride: int, width: int, depth: int, patch: int = 16, classes: int = 527
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of `PaSST(img_size=(bands, frames), stride, embed_dim, depth, distilled=True).state_dict()`."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "dist_token": (1, 1, width),
        "new_pos_embed": (1, 2, width),
        "freq_new_pos_embed": (1, width, bands // stride, 1),
        "time_new_pos_embed": (1, width, 1, frames // stride),
        "patch_embed.proj.weight": (width, 1, patch, patch),
        "patch_embed.proj.bias": (width,),
    }
    for block in range(depth):
        for name, outputs, inputs in (
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("mlp.fc1", 4 * width, width),
            ("mlp.fc2", width, 4 * width),
        ):
            shapes[f"blocks.{block}.{name}.weight"] = (outputs, inputs)
            shapes[f"blocks.{block}.{name}.bias"] = (outputs,)
        for name in ("norm1", "norm2"):
            shapes[f"blocks.{block}.{name}.weight"] = shapes[f"blocks.{block}.{name}.bias"] = (width,)
    shapes["norm.weight"] = shapes["norm.bias"] = (width,)
    shapes |= heads(width, classes)
    return shapes


def heads(width: int, classes: int = 527) -> dict[str, tuple[int, ...]]:
    """`head` is a layer norm and a linear layer, `head_dist` a linear layer; `pre_logits` is an identity."""
    return {
        "head.0.weight": (width,),
        "head.0.bias": (width,),
        "head.1.weight": (classes, width),
        "head.1.bias": (classes,),
        "head_dist.weight": (classes, width),
        "head_dist.bias": (classes,),
    }


def checkpoint(*, width: int = 128, depth: int = 2, seed: int = 0, stride: int = STRIDE) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    shapes = authors_shapes(bands=36, frames=98, stride=stride, width=width, depth=depth)
    return {name: 0.15 * torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}


def settings(**options: object) -> AudioEncoder:
    return AudioEncoder(kind="passt", **options)


def norm(states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = states - states.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt() * weight + bias


def linear(states: Tensor, given: dict[str, Tensor], name: str) -> Tensor:
    return states @ given[f"{name}.weight"].T + given[f"{name}.bias"]


def authors_forward(
    given: dict[str, Tensor], spectrogram: Tensor, *, heads: int, stride: int = STRIDE, drop: tuple[int, int] = (0, 0)
) -> tuple[Tensor, Tensor]:
    """The authors' formulas, one by one: the embedding (mean of CLS and DIST), and the patches after the norm.

    `drop`: rows and columns of structured patchout, drawn as theirs are: columns first, each by `randperm`.
    """
    width = given["cls_token"].shape[2]
    windows = spectrogram.unfold(1, 16, stride).unfold(2, 16, stride)  # (clips, rows, columns, 16, 16)
    grid = torch.einsum("nrcij,dij->ndrc", windows, given["patch_embed.proj.weight"][:, 0])
    grid = grid + given["patch_embed.proj.bias"][:, None, None]
    columns = grid.shape[3]
    grid = grid + given["time_new_pos_embed"][..., :columns] + given["freq_new_pos_embed"]
    if drop[1]:
        grid = grid[:, :, :, torch.randperm(columns)[: columns - drop[1]].sort().values]
    if drop[0]:
        rows = grid.shape[2]
        grid = grid[:, :, torch.randperm(rows)[: rows - drop[0]].sort().values]
    clips, _, rows, columns = grid.shape
    patches = grid.reshape(clips, width, rows * columns).transpose(1, 2)
    cls = (given["cls_token"] + given["new_pos_embed"][:, :1]).expand(clips, 1, width)
    dist = (given["dist_token"] + given["new_pos_embed"][:, 1:]).expand(clips, 1, width)
    states = torch.cat([cls, dist, patches], dim=1)
    depth = len({name.split(".")[1] for name in given if name.startswith("blocks.")})
    for block in range(depth):
        name = f"blocks.{block}"
        normed = norm(states, given[f"{name}.norm1.weight"], given[f"{name}.norm1.bias"])
        mixed = linear(normed, given, f"{name}.attn.qkv").reshape(clips, -1, 3, heads, width // heads)
        query, key, value = (mixed[:, :, part].transpose(1, 2) for part in range(3))
        weights = (query @ key.transpose(2, 3) * (width // heads) ** -0.5).softmax(dim=-1)
        attended = (weights @ value).transpose(1, 2).reshape(clips, -1, width)
        states = states + linear(attended, given, f"{name}.attn.proj")
        normed = norm(states, given[f"{name}.norm2.weight"], given[f"{name}.norm2.bias"])
        hidden = linear(normed, given, f"{name}.mlp.fc1")
        hidden = 0.5 * hidden * (1 + torch.erf(hidden / 2**0.5))
        states = states + linear(hidden, given, f"{name}.mlp.fc2")
    states = norm(states, given["norm.weight"], given["norm.bias"])
    return (states[:, 0] + states[:, 1]) / 2, states[:, 2:].reshape(clips, rows, columns, width)


def features(clips: int = 2, frames: int = 100) -> Tensor:
    return torch.randn(clips, 36, frames, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def test_the_checkpoint_fills_everything_and_only_the_heads_are_left():
    given = checkpoint()
    encoder = Passt.from_tensors(given, settings(), FEATURES)
    assert encoder.matched.loaded == len(encoder.state_dict())
    assert encoder.matched.missing == encoder.matched.unexpected == encoder.matched.reshaped == []
    assert set(encoder.matched.ignored) == set(heads(128))
    assert (encoder.width, encoder.positions) == (128, 9)
    assert (encoder.sizes.heads, encoder.sizes.depth, encoder.sizes.hidden) == (2, 2, 512)
    filled = sum(tensor.numel() for tensor in encoder.state_dict().values())
    assert filled == sum(tensor.numel() for name, tensor in given.items() if name not in heads(128))


@pytest.mark.parametrize("frames", [100, 98, 61, 16])
def test_numbers_are_the_authors(frames):
    # The weights pass through the module's float32: the reference takes numbers that float32 holds.
    given = {name: tensor.float().double() for name, tensor in checkpoint().items()}
    spectrogram = features(frames=frames)
    embedding, patches = authors_forward(given, spectrogram, heads=2)
    segment = Passt.from_tensors(given, settings(states="segment"), FEATURES).double().eval()
    torch.testing.assert_close(segment(spectrogram)[:, 0], embedding, rtol=0, atol=1e-10)
    frame = Passt.from_tensors(given, settings(states="frames"), FEATURES).double().eval()
    torch.testing.assert_close(frame(spectrogram), patches.mean(dim=1), rtol=0, atol=1e-10)
    assert embedding.std() > 0.05


def test_patchout_draws_as_the_authors_do():
    given = {name: tensor.float().double() for name, tensor in checkpoint().items()}
    chosen = settings(patchout_bands=1, patchout_frames=4)
    encoder = Passt.from_tensors(given, chosen, FEATURES).double().train()
    torch.manual_seed(11)
    states = encoder(features())
    torch.manual_seed(11)
    _, patches = authors_forward(given, features(), heads=2, drop=(1, 4))
    assert patches.shape[1:3] == (2, 5)
    torch.testing.assert_close(states, patches.mean(dim=1), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("stride", "grid", "file"),
    [
        (16, (8, 62), "passt_s_p16_s16_128_ap468"),
        (10, (12, 99), "passt_s_swa_p16_128_ap476"),
        (10, (12, 99), "passt_s_kd_p16_128_ap486"),
        (14, (9, 71), "passt_s_p16_s14_128_ap469"),
        (12, (10, 83), "passt_s_p16_s12_128_ap470"),
    ],
)
def test_published_sizes(stride, grid, file):
    shapes = authors_shapes(bands=128, frames=998, stride=stride, width=768, depth=12)
    published = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    sizes, ours, ignored = Passt.read_checkpoint(published, settings(), Features(kind="passt"))
    assert (sizes.rows, sizes.columns) == grid
    assert (sizes.stride, sizes.width, sizes.depth, sizes.heads) == ((stride, stride), 768, 12, 12)
    assert set(ignored) == set(heads(768))
    with torch.device("meta"):
        encoder = Passt(sizes, frames=1000)
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in encoder.state_dict().items()
    }
    assert encoder.positions == (1000 - 16) // stride + 1
    assert file in Passt.FILES


def test_a_wrapper_s_prefix_and_what_lies_beside_it():
    given = {f"net.{name}": tensor for name, tensor in checkpoint().items()} | {"mel.window": torch.ones(3)}
    encoder = Passt.from_tensors(given, settings(), FEATURES)
    assert encoder.matched.unexpected == ["mel.window"]
    assert set(encoder.matched.ignored) == {f"net.{name}" for name in heads(128)}


def test_from_a_file(tmp_path, monkeypatch):
    given = {name: tensor.float() for name, tensor in checkpoint().items()}
    monkeypatch.setenv("CLAPLINE_MIRROR", str(tmp_path))
    (tmp_path / "models").mkdir()
    torch.save(given, tmp_path / "models" / "passt-s-f128-p16-s10-ap.476-swa.pt")
    by_name = Passt.from_settings(settings(weights="passt_s_swa_p16_128_ap476"), FEATURES)
    assert torch.equal(by_name.time_positions, given["time_new_pos_embed"][0, :, 0].T)
    assert all(parameter.requires_grad for parameter in by_name.parameters())


def test_a_missing_file_says_where_the_authors_publish_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"passt-s-kd-ap\.486\.pt.*github\.com/kkoutini/PaSST/releases"):
        Passt.from_settings(settings(weights="passt_s_kd_p16_128_ap486"), FEATURES)


def test_weights_that_do_not_fit_are_refused():
    given = checkpoint()
    del given["blocks.1.mlp.fc2.bias"]
    with pytest.raises(UserError, match=r"missing blocks\.1\.mlp\.fc2\.bias"):
        Passt.from_tensors(given, settings(), FEATURES)
    with pytest.raises(UserError, match="no weights of PaSST: no tensor 'time_new_pos_embed'"):
        Passt.from_tensors({"pos_embed": torch.ones(1)}, settings(), FEATURES)
    with pytest.raises(UserError, match="no tensor cls_token"):
        Passt.from_tensors({"time_new_pos_embed": torch.ones(1)}, settings(), FEATURES)
    with pytest.raises(UserError, match=r"patch_stride \[16, 16\] makes 2 rows .* the weights have 3"):
        Passt.from_tensors(checkpoint(), settings(patch_stride=[16, 16]), FEATURES)
    with pytest.raises(UserError, match=r"3 rows of patches, and 128 bands: set audio\.patch_stride"):
        Passt.from_tensors(checkpoint(), settings(), FEATURES.model_copy(update={"mel_bands": 128}))
    with pytest.raises(UserError, match="9 time positions and takes 16 to 105 frames"):
        Passt.from_tensors(checkpoint(), settings(), FEATURES.model_copy(update={"duration_s": 2.0}))


def test_thesis_grid_in_training_and_in_evaluation():
    small = {"width": 16, "depth": 1, "heads": 2, "hidden": 16}
    chosen = settings(config=small, states="segment", patchout_frames=15, patchout_bands=2)
    heard = Features(kind="passt", duration_s=30.0, segment_s=10.0)
    encoder = Passt.from_settings(chosen, heard)
    lengths: list[int] = []
    encoder.blocks[0].register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    for training in (True, False):
        assert encoder.train(training)(torch.zeros(1, 128, 1000)).shape == (1, 1, 16)
    assert lengths == [2 + 6 * 47, 2 + 8 * 62]


@pytest.mark.parametrize("states", ["frames", "segment"])
def test_a_saved_encoder_is_built_again(states):
    chosen = settings(config={"width": 16, "depth": 1, "heads": 2}, patch_stride=[10, 12], states=states)
    encoder = Passt.from_settings(chosen, FEATURES).eval()
    config = json.loads(json.dumps(encoder.encoder_config()))
    again = Passt.from_config(chosen, FEATURES, config).eval()
    again.load_state_dict(encoder.state_dict())
    assert (again.positions, again.width) == (encoder.positions, encoder.width)
    spectrogram = features().float()
    assert torch.equal(again(spectrogram), encoder(spectrogram))
