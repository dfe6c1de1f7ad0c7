"""ATST-Frame against its authors' source: names and shapes of the checkpoint, and a plain forward pass written from it.

Source: Audio-WestlakeU/audiossl, audiossl/methods/atstframe/audio_transformer.py at
47b7d1e795d165aec4448cfe711fbc298f4c7079 (`FrameAST.__init__`, `PatchEmbed_v2`, `PatchEmbed`, `prepare_tokens`,
`get_intermediate_layers`, `FrameAST_base`), audiossl/modules/transformer.py at b981175371a1e0ca2f5318a19852ffa80511be8e
(`Block`, `Attention`, `Mlp`), methods/atstframe/byol.py and model.py at 171d47615e6767c8cb3f68e9d7098989ee6d2b41
(`MultiCropWrapper`, `build_mlp`, `FrameATST`, `FrameATSTLightningModule`: student, teacher, projector, predictor), and
embedding.py at 265e79471012b65d2e110438de0e8f026726a051 (the teacher's encoder is used). Older names (norm, cls_token)
and fine-tuned prefixes: OptimusPrimus/salsa, models/audio/atst.py at 8d97913ba427bfed76839dac9cf8b21dec618e46.
PretrainedSED: fschmid56/PretrainedSED, models/atstframe/ATSTF_wrapper.py at 5c8d782d685f5642bbdcb809c642193edf94d538
and models/prediction_wrapper.py at 3ec8d2231307384b50bfdcafb4795408e611bae0.
"""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from clapline.errors import UserError
from clapline.model.audio.atst import Atst
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

FEATURES = Features(kind="atst", duration_s=0.4)  # 64 bands × 40 frames: 10 patches


def encoder_shapes(
    *, frames: int, width: int, depth: int, convolution: bool = False, bands: int = 64, patch: int = 4
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of `FrameAST(spec_h=bands, spec_w=frames, patch_h=bands, patch_w=patch, ...).state_dict()`."""
    shapes: dict[str, tuple[int, ...]] = {
        "mask_embed": (1, 1, width),
        "pos_embed": (1, frames // patch + 1, width),
    }
    if convolution:
        shapes |= {"patch_embed.proj.weight": (width, 1, bands, patch), "patch_embed.proj.bias": (width,)}
    else:
        shapes |= {"patch_embed.patch_embed.weight": (width, bands * patch), "patch_embed.patch_embed.bias": (width,)}
    for block in range(depth):
        name = f"blocks.{block}"
        shapes |= {
            f"{name}.norm1.weight": (width,),
            f"{name}.norm1.bias": (width,),
            f"{name}.attn.qkv.weight": (3 * width, width),
            f"{name}.attn.proj.weight": (width, width),
            f"{name}.attn.proj.bias": (width,),
            f"{name}.norm2.weight": (width,),
            f"{name}.norm2.bias": (width,),
            f"{name}.mlp.fc1.weight": (4 * width, width),
            f"{name}.mlp.fc1.bias": (4 * width,),
            f"{name}.mlp.fc2.weight": (width, 4 * width),
            f"{name}.mlp.fc2.bias": (width,),
        }
    return shapes | {"norm_frame.weight": (width,), "norm_frame.bias": (width,)}


def perceptron_shapes(inputs: int) -> dict[str, tuple[int, ...]]:
    """`build_mlp(2, inputs, 4096, 256, last_bn=False)`: linear 0, batch norm 1, ReLU 2, linear 3, without biases."""
    return {
        "0.weight": (4096, inputs),
        "1.weight": (4096,),
        "1.bias": (4096,),
        "1.running_mean": (4096,),
        "1.running_var": (4096,),
        "1.num_batches_tracked": (),
        "3.weight": (256, 4096),
    }


def pretraining_shapes(*, frames: int, width: int, depth: int, convolution: bool = False) -> dict[str, tuple[int, ...]]:
    """State dict of `FrameATSTLightningModule`: student with projector and predictor, teacher with projector."""
    shapes: dict[str, tuple[int, ...]] = {}
    for half in ("student", "teacher"):
        encoder = encoder_shapes(frames=frames, width=width, depth=depth, convolution=convolution)
        shapes |= {f"model.{half}.encoder.{name}": shape for name, shape in encoder.items()}
        shapes |= {f"model.{half}.projector.{name}": shape for name, shape in perceptron_shapes(width).items()}
    return shapes | {f"model.student.predictor.{name}": shape for name, shape in perceptron_shapes(256).items()}


def drawn(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return {name: 0.15 * torch.randn(shape) for name, shape in shapes.items()}


def tiny(**options: object) -> dict[str, Tensor]:
    return drawn(encoder_shapes(frames=41, width=128, depth=2, **options))


def settings(**options: object) -> AudioEncoder:
    return AudioEncoder(kind="atst", **options)


def norm(states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = states - states.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt() * weight + bias


def authors_forward(given: dict[str, Tensor], spectrogram: Tensor, heads: int) -> Tensor:
    """The authors' formulas: `get_intermediate_layers(x, length of all, n=1, scene=False)`, no prompt, pos_type cut."""
    given = {name: tensor.double() for name, tensor in given.items()}
    clips, bands, frames = spectrogram.shape
    patches = []
    for start in range(0, frames - frames % 4, 4):
        patch = spectrogram[:, :, start : start + 4]  # (clips, p1 = 64, p2 = 4), flattened p1 outermost
        if "patch_embed.proj.weight" in given:
            value = torch.einsum("nij,dij->nd", patch, given["patch_embed.proj.weight"][:, 0])
            patches.append(value + given["patch_embed.proj.bias"])
        else:
            flat = patch.reshape(clips, bands * 4)
            patches.append(flat @ given["patch_embed.patch_embed.weight"].T + given["patch_embed.patch_embed.bias"])
    states = torch.stack(patches, dim=1)
    count, width = states.shape[1:]
    states = states + given["pos_embed"][:, 1 : count + 1]
    for block in range(len({name.split(".")[1] for name in given if name.startswith("blocks.")})):
        name = f"blocks.{block}"
        normed = norm(states, given[f"{name}.norm1.weight"], given[f"{name}.norm1.bias"])
        mixed = (normed @ given[f"{name}.attn.qkv.weight"].T).reshape(clips, count, 3, heads, width // heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-2, -1) * (width // heads) ** -0.5).softmax(dim=-1)
        attended = (weights @ value).transpose(1, 2).reshape(clips, count, width)
        states = states + attended @ given[f"{name}.attn.proj.weight"].T + given[f"{name}.attn.proj.bias"]
        normed = norm(states, given[f"{name}.norm2.weight"], given[f"{name}.norm2.bias"])
        hidden = normed @ given[f"{name}.mlp.fc1.weight"].T + given[f"{name}.mlp.fc1.bias"]
        hidden = 0.5 * hidden * (1 + torch.erf(hidden / 2**0.5))
        states = states + hidden @ given[f"{name}.mlp.fc2.weight"].T + given[f"{name}.mlp.fc2.bias"]
    return norm(states, given["norm_frame.weight"], given["norm_frame.bias"])


def features(frames: int = 40) -> Tensor:
    return torch.randn(2, 64, frames, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def agrees(encoder: Atst, given: dict[str, Tensor], frames: int = 40) -> None:
    states = encoder.double().eval()(features(frames))
    assert states.std() > 0.05
    torch.testing.assert_close(states, authors_forward(given, features(frames), heads=2), rtol=0, atol=1e-10)


@pytest.mark.parametrize("convolution", [False, True])
@pytest.mark.parametrize("frames", [40, 41, 23])
def test_numbers_are_the_authors(convolution, frames):
    given = tiny(convolution=convolution)
    agrees(Atst.from_tensors(given, settings(), FEATURES), given, frames)


def test_the_pretraining_checkpoint_gives_the_teacher_and_says_what_is_left():
    shapes = pretraining_shapes(frames=41, width=128, depth=2)
    given = drawn(shapes)
    encoder = Atst.from_tensors(given, settings(), FEATURES)
    teacher = "model.teacher.encoder."
    own = {name.removeprefix(teacher): tensor for name, tensor in given.items() if name.startswith(teacher)}
    assert encoder.matched.loaded == len(encoder.state_dict()) == len(own) - 1
    assert encoder.matched.missing == encoder.matched.unexpected == encoder.matched.reshaped == []
    outside = {name for name in shapes if not name.startswith(teacher)}
    assert set(encoder.matched.ignored) == outside | {f"{teacher}mask_embed"}
    assert (encoder.width, encoder.positions, encoder.sizes.heads) == (128, 10, 2)
    agrees(encoder, own)


def test_published_sizes():
    shapes = pretraining_shapes(frames=1001, width=768, depth=12)
    published = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    sizes, ours, _ = Atst.read_checkpoint(published, settings(), Features(kind="atst"))
    assert (sizes.patch, sizes.stride, sizes.rows, sizes.columns) == ((64, 4), (64, 4), 1, 250)
    assert (sizes.width, sizes.depth, sizes.heads, sizes.hidden) == (768, 12, 12, 3072)
    assert not sizes.query_key_value_bias
    with torch.device("meta"):
        encoder = Atst(sizes, frames=1000)
    assert encoder.positions == 250
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in encoder.state_dict().items()
    }


@pytest.mark.parametrize("prefix", ["encoder.encoder.frame_encoder.", "encoder.encoder.", "model.atst.", "atst.", ""])
def test_other_files_of_the_same_encoder(prefix):
    given = tiny()
    beside = {"model.atst_mel.mel_transform.mel_scale.fb": torch.ones(2), "strong_head.bias": torch.ones(3)}
    file = {prefix + name: tensor for name, tensor in given.items()} | beside
    encoder = Atst.from_tensors(file, settings(), FEATURES)
    assert encoder.matched.unexpected == []
    assert set(encoder.matched.ignored) == {prefix + "mask_embed", *beside}
    agrees(encoder, given)


def test_older_names():
    given = tiny()
    older = {name.replace("norm_frame", "norm"): tensor for name, tensor in given.items()}
    older["cls_token"] = torch.ones(1, 1, 128)
    encoder = Atst.from_tensors(older, settings(), FEATURES)
    assert set(encoder.matched.ignored) == {"cls_token", "mask_embed"}
    agrees(encoder, given)


def test_an_unknown_tensor_is_reported():
    given = tiny() | {"blocks.0.gate": torch.ones(3)}
    assert Atst.from_tensors(given, settings(), FEATURES).matched.unexpected == ["blocks.0.gate"]


def test_from_a_lightning_file(tmp_path):
    given = drawn(pretraining_shapes(frames=41, width=128, depth=1))
    path = tmp_path / "atstframe_base_as2M.ckpt"
    torch.save({"state_dict": given, "hyper_parameters": {"arch": "base", "ema": 0.9996}, "epoch": 1}, path)
    encoder = Atst.from_settings(settings(weights=str(path)), FEATURES)
    assert torch.equal(encoder.time_positions, given["model.teacher.encoder.pos_embed"][0, 1:])


def test_a_missing_file_says_where_the_authors_publish_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"ATST-F_ssl\.pt of https://github\.com/fschmid56/PretrainedSED"):
        Atst.from_settings(settings(weights="nowhere.ckpt"), FEATURES)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="no weights of ATST-Frame: no tensor 'pos_embed'"):
        Atst.from_tensors({"net.other": torch.ones(1)}, settings(), FEATURES)
    with pytest.raises(UserError, match=r"no patch_embed\.patch_embed\.weight"):
        Atst.from_tensors({"pos_embed": torch.ones(1, 3, 4)}, settings(), FEATURES)
    with pytest.raises(UserError, match=r"hear 64 mel bands, features\.mel_bands is 32"):
        Atst.from_tensors(tiny(), settings(), FEATURES.model_copy(update={"mel_bands": 32}))
    with pytest.raises(UserError, match=r"10 time positions and takes 4 to 43 frames: set features\.segment_s"):
        Atst.from_tensors(tiny(), settings(), FEATURES.model_copy(update={"duration_s": 0.5}))
    with pytest.raises(UserError, match="no summary token"):
        Atst.from_tensors(tiny(), settings().model_copy(update={"states": "segment"}), FEATURES)


def test_new_and_saved():
    chosen = settings(config={"width": 32, "depth": 2, "heads": 2})
    encoder = Atst.from_settings(chosen, Features(kind="atst", duration_s=30.0, segment_s=10.0)).eval()
    assert (encoder.positions, encoder.width) == (250, 32)
    config = json.loads(json.dumps(encoder.encoder_config()))
    again = Atst.from_config(chosen, Features(kind="atst"), config).eval()
    again.load_state_dict(encoder.state_dict())
    spectrogram = torch.randn(1, 64, 1000)
    assert torch.equal(again(spectrogram), encoder(spectrogram))
    assert again.encoder_config() == encoder.encoder_config()
