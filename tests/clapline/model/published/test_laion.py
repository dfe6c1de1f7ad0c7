"""LAION-CLAP's own checkpoints: the authors' names and shapes, the numbers of a ClapModel with the same weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    ClapAudioConfig,
    ClapAudioModel,
    ClapFeatureExtractor,
    ClapTextConfig,
    ClapTextModel,
    RobertaConfig,
    RobertaModel,
)

from clapline.errors import UserError
from clapline.model.audio.htsat import Htsat
from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs
from clapline.model.published import htsat_names, start_from

CAPTIONS = ["a dog barks", "rain falls on a tin roof", "a bell rings twice"]
TEXT = {
    "vocab_size": 20,
    "hidden_size": 128,  # two attention heads of 64
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 90,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "layer_norm_eps": 1e-5,
    "initializer_range": 0.2,
}
DIMENSION = 12


@pytest.fixture
def authors(htsat, drawn, slaney) -> Callable[..., dict[str, Tensor]]:
    """A state dict of class CLAP with HTSAT and RoBERTa (LAION-AI/CLAP, src/laion_clap/clap_module/model.py).

    text_branch is transformers' RobertaModel with its pooler; each projection is Sequential(Linear, ReLU, Linear), each
    transform an MLPLayers of three units (Linear, ReLU, Dropout, Linear); logit_scale_a and logit_scale_t. Checkpoints
    of transformers 4.30 and before hold text_branch.embeddings.position_ids.
    """

    def made(low: float = 50, high: float = 14000) -> dict[str, Tensor]:
        draw = drawn(8)
        text = RobertaModel(RobertaConfig(**TEXT)).eval()
        state = {f"audio_branch.{name}": tensor for name, tensor in htsat(slaney(low, high, 48000)).items()}
        state |= {f"text_branch.{name}": tensor for name, tensor in text.state_dict().items()}
        state["text_branch.embeddings.position_ids"] = torch.arange(90)[None]
        for side, width in (("audio", 16), ("text", 128)):
            state |= draw.linear(f"{side}_projection.0", width, DIMENSION)
            state |= draw.linear(f"{side}_projection.2", DIMENSION, DIMENSION)
            state |= draw.linear(f"{side}_transform.sequential.0", DIMENSION, DIMENSION)
            state |= draw.linear(f"{side}_transform.sequential.3", DIMENSION, DIMENSION)
        return state | {"logit_scale_a": torch.tensor(3.0), "logit_scale_t": torch.tensor(3.5)}

    return made


def saved(state: dict[str, Tensor], folder: Path) -> str:
    """Save as LAION's trainer does: names of DistributedDataParallel, and numbers beside the state dict."""
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    path = folder / "epoch_15.pt"
    torch.save({"epoch": 15, "name": "tiny", "best": np.float64(0.5), "state_dict": wrapped}, path)
    return str(path)


def projected(state: dict[str, Tensor], side: str, states: Tensor) -> Tensor:
    hidden = functional.relu(states @ state[f"{side}_projection.0.weight"].T + state[f"{side}_projection.0.bias"])
    out = hidden @ state[f"{side}_projection.2.weight"].T + state[f"{side}_projection.2.bias"]
    return functional.normalize(out, dim=-1)


def test_the_numbers_of_a_clap_model_with_the_same_weights(authors, filled, tokenizer, tmp_path):
    state = authors()
    clap, report = start_from(saved(state, tmp_path), str(tokenizer("roberta")))
    assert report.missing == []
    assert report.unexpected == []
    inside = {name.removeprefix("audio_branch."): tensor for name, tensor in state.items()}
    spectrogram = torch.randn(3, 1, 16, 1001, generator=torch.Generator().manual_seed(2)) * 10 - 40
    tower = ClapTextModel(ClapTextConfig(**{k: v for k, v in TEXT.items() if k != "initializer_range"})).eval()
    own = {name: tensor for name, tensor in tower.state_dict().items() if "_ids" in name}
    given = {n.removeprefix("text_branch."): t for n, t in state.items() if n.startswith("text_branch.")}
    tower.load_state_dict(own | {name: tensor for name, tensor in given.items() if "_ids" not in name})
    with torch.no_grad():
        audio = projected(state, "audio", filled(inside)(spectrogram.transpose(2, 3)).pooler_output)
        inputs = clap.text.prepare(CAPTIONS)
        text = projected(state, "text", tower(**inputs).pooler_output)
        found = clap.embed_audio(AudioInputs(valid=torch.ones(3), features=spectrogram)).mean
        torch.testing.assert_close(found, audio, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(clap.embed_text(inputs).mean, text, rtol=1e-5, atol=1e-5)
    assert audio.std(dim=0).mean() > 1e-3
    assert text.std(dim=0).mean() > 1e-3
    assert float(clap.log_scale.detach()) == 3.0


def test_a_fused_checkpoint_from_waveforms_on(authors, filled, tokenizer, tmp_path):
    """ClapFeatureExtractor (truncation "fusion") and a fused tower with the same weights; clips that are not longer."""
    state = authors()
    alone = filled({name.removeprefix("audio_branch."): tensor for name, tensor in state.items()})
    config = ClapAudioConfig(**alone.config.to_dict() | {"enable_fusion": True, "fusion_type": "aff_2d"})
    tower = ClapAudioModel(config).eval()
    left = tower.load_state_dict(alone.state_dict(), strict=False).missing_keys
    assert left
    inside = "audio_encoder.patch_embed."
    assert all(name.startswith((f"{inside}fusion_model.", f"{inside}mel_conv2d.")) for name in left)
    # The authors call the parts of the fusion as transformers does (htsat.py, PatchEmbed).
    own = tower.state_dict()
    fused = {f"audio_branch.{name.removeprefix('audio_encoder.')}": own[name] for name in left}
    clap, report = start_from(saved(state | fused, tmp_path), str(tokenizer("roberta")))
    heard = clap.settings.features
    assert (heard.mel_scale, heard.minimum_hz, heard.maximum_hz) == ("htk", 50, 14000)
    assert (report.missing, report.unexpected) == ([], [])
    extractor = ClapFeatureExtractor(
        feature_size=16, frequency_min=50, frequency_max=14000, truncation="fusion", padding="repeatpad"
    )
    random = np.random.default_rng(0)
    waveforms = [random.uniform(-0.5, 0.5, samples).astype(np.float32) for samples in (480000, 130001)]
    made = extractor(waveforms, sampling_rate=48000, return_tensors="pt")["input_features"]
    with torch.no_grad():
        pooled = tower(made, is_longer=torch.zeros(2, 1, dtype=torch.bool)).pooler_output
    found = clap.encode_waveforms(waveforms, 48000)
    np.testing.assert_allclose(found, projected(state, "audio", pooled).numpy(), rtol=0, atol=1e-4)


def test_what_is_left_out_is_said(authors, tokenizer, tmp_path):
    state = authors() | {"text_branch.embeddings.more.weight": torch.zeros(2)}
    report = start_from(saved(state, tmp_path), str(tokenizer("roberta")))[1]
    assert report.unexpected == ["text.encoder.embeddings.more.weight"]
    for name in ("logit_scale_t", "audio_transform.sequential.0.weight", "audio.encoder.tscam_conv.weight"):
        assert name in report.ignored
    assert any("logmel_extractor" in name for name in report.ignored)


@pytest.mark.parametrize("lost", ["audio_branch.layers.1.blocks.0.attn.qkv.weight", "text_branch.pooler.dense.bias"])
def test_a_missing_weight_is_an_error(lost: str, authors, tokenizer, tmp_path):
    state = authors()
    del state[lost]
    with pytest.raises(UserError, match=r"epoch_15\.pt does not fit Clap: missing (audio|text)\.encoder\."):
        start_from(saved(state, tmp_path), str(tokenizer("roberta")))


def test_frequencies_are_those_of_the_filters(authors, tokenizer, tmp_path):
    heard = start_from(saved(authors(0, 8000), tmp_path), str(tokenizer("roberta")))[0].settings.features
    assert (heard.minimum_hz, heard.maximum_hz, heard.sample_rate_hz) == (0, 8000, 48000)
    state = authors()
    state["audio_branch.logmel_extractor.melW"] *= 2
    with pytest.raises(UserError, match="its mel filters"):
        start_from(saved(state, tmp_path), str(tokenizer("roberta")))


@pytest.mark.parametrize(("width", "depths"), [(96, [2, 2, 6, 2]), (128, [2, 2, 12, 2])])
def test_published_sizes_are_told_from_shapes(width: int, depths: list[int]):
    """HTSAT-tiny and HTSAT-base (create_htsat_model): heads 4, 8, 16, 32, window 8, patch 4, image 256, 64 bands."""
    state = {"patch_embed.proj.weight": torch.empty(width, 1, 4, 4, device="meta"), "bn0.weight": torch.empty(64)}
    for stage, (depth, heads) in enumerate(zip(depths, [4, 8, 16, 32], strict=True)):
        for place in range(depth):
            block = f"layers.{stage}.blocks.{place}"
            state[f"{block}.attn.relative_position_bias_table"] = torch.empty(225, heads)
            state[f"{block}.mlp.fc1.weight"] = torch.empty(4 * width * 2**stage, width * 2**stage, device="meta")
    state["layers.0.blocks.1.attn_mask"] = torch.empty(64, 64, 64)
    sizes = htsat_names.sizes(state)
    assert (sizes["patch_embeds_hidden_size"], sizes["depths"], sizes["mlp_ratio"]) == (width, depths, 4)
    assert (sizes["num_attention_heads"], sizes["window_size"], sizes["spec_size"]) == ([4, 8, 16, 32], 8, 256)
    assert (sizes["num_mel_bins"], sizes["patch_size"], sizes["hidden_size"]) == (64, 4, 8 * width)


def test_attention_splits_as_the_authors_do(htsat, filled):
    """WindowAttention: qkv(x) is seen as (batch, places, 3, heads, width / heads); scores are scaled and biased."""
    state = htsat()
    block = "layers.1.blocks.0.attn."
    places = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))
    qkv = places @ state[f"{block}qkv.weight"].T + state[f"{block}qkv.bias"]
    query, key, value = qkv.reshape(2, 16, 3, 4, 4).permute(2, 0, 3, 1, 4)
    bias = state[f"{block}relative_position_bias_table"][state[f"{block}relative_position_index"]].permute(2, 0, 1)
    attended = ((query * 4**-0.5) @ key.transpose(-2, -1) + bias).softmax(dim=-1) @ value
    expected = attended.transpose(1, 2).reshape(2, 16, 16) @ state[f"{block}proj.weight"].T + state[f"{block}proj.bias"]
    named = htsat_names.to_transformers(state, "")
    module = filled(state).audio_encoder.layers[1].blocks[0].attention
    inside = "audio_encoder.layers.1.blocks.0.attention."
    module.load_state_dict({n.removeprefix(inside): t for n, t in named.items() if n.startswith(inside)})
    with torch.no_grad():
        torch.testing.assert_close(module(places)[0], expected)


def test_other_towers_are_refused(authors, tokenizer, tmp_path):
    state = authors()
    bert = dict(state)
    bert["text_branch.embeddings.token_type_embeddings.weight"] = torch.zeros(2, 128)
    with pytest.raises(UserError, match="no RoBERTa with a pooler"):
        start_from(saved(bert, tmp_path), str(tokenizer("roberta")))
    panns = {name: tensor for name, tensor in state.items() if "patch_embed" not in name}
    with pytest.raises(UserError, match="audio tower is no HTSAT"):
        start_from(saved(panns, tmp_path), str(tokenizer("roberta")))
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="no checkpoint of LAION-CLAP or MS-CLAP"):
        start_from(str(tmp_path / "other.pt"))
    with pytest.raises(UserError, match=r"absent.pt"):
        start_from(str(tmp_path / "absent.pt"))


@pytest.mark.slow
def test_the_door_writes_a_folder(authors, tokenizer, tmp_path):
    command = [sys.executable, "-m", "clapline.model.published", saved(authors(), tmp_path), str(tmp_path / "ours")]
    done = subprocess.run(
        [*command, "--tokenizer", str(tokenizer("roberta"))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "tensors loaded" in done.stdout
    clap = Clap.from_pretrained(tmp_path / "ours")
    assert isinstance(clap.audio, Htsat)
    assert clap.encode_texts(CAPTIONS).shape == (3, DIMENSION)
    assert "48000 Hz" in (tmp_path / "ours" / "README.md").read_text()
    wrong = subprocess.run([*command[:3], str(tmp_path / "no.pt"), "x"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: no file")
