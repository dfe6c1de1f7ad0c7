"""MS-CLAP's checkpoints: the authors' names and shapes, and their arithmetic written out.

Read in the authors' repository or in copies of it, as clapline/model/published/msclap.py says file by file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, PreTrainedTokenizerFast

from clapline.errors import UserError
from clapline.model.audio.cnn14 import Cnn14, from_authors, sizes_of
from clapline.model.inputs import AudioInputs
from clapline.model.published import start_from

CAPTIONS = ["a dog barks", "rain falls on a tin roof", "a bell rings twice"]
DIMENSION = 12
WIDTH = 128  # two attention heads of 64
BERT = {
    "vocab_size": 20,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 110,
    "initializer_range": 0.2,
}
GPT2 = {
    "vocab_size": 257,
    "n_embd": WIDTH,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": 90,
    "initializer_range": 0.2,
    "bos_token_id": 256,
    "eos_token_id": 256,
}


def projection(draw, name: str, inputs: int) -> dict[str, Tensor]:
    """Class Projection: linear1 and linear2 without bias, layer_norm (ResiDual-CLAP, src/models/clap.py)."""
    return {
        **draw.linear(f"{name}.linear1", inputs, DIMENSION, bias=False),
        **draw.linear(f"{name}.linear2", DIMENSION, DIMENSION, bias=False),
        **draw.norm(f"{name}.layer_norm", DIMENSION),
    }


def projected(state: dict[str, Tensor], name: str, states: Tensor) -> Tensor:
    """LayerNorm(e + W₂ GELU(e)), e = W₁ x, of length 1."""
    first = states @ state[f"{name}.linear1.weight"].T
    both = first + functional.gelu(first) @ state[f"{name}.linear2.weight"].T
    centred = both - both.mean(dim=-1, keepdim=True)
    out = centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    return functional.normalize(out * state[f"{name}.layer_norm.weight"] + state[f"{name}.layer_norm.bias"], dim=-1)


@pytest.fixture
def authors_2022(drawn, slaney) -> dict[str, Tensor]:
    """audio_encoder.base is Cnn14 (microsoft/CLAP, src/models/audio.py: bn0, conv_block1 … 6, fc1, fc_audioset), at
    small widths; caption_encoder.base is transformers' BertModel with its pooler."""
    draw, channels = drawn(9), [2, 3, 4, 4, 5, 6]
    base = {"logmel_extractor.melW": slaney(50, 14000, 44100, 64), **draw.batch_norm("bn0", 64)}
    base |= draw.linear("fc1", 6, 7) | draw.linear("fc_audioset", 7, 3)
    for block, (inputs, outputs) in enumerate(zip([1, *channels], channels, strict=False), start=1):
        base[f"conv_block{block}.conv1.weight"] = draw.weight(outputs, inputs, 3, 3)
        base[f"conv_block{block}.conv2.weight"] = draw.weight(outputs, outputs, 3, 3)
        base |= draw.batch_norm(f"conv_block{block}.bn1", outputs) | draw.batch_norm(f"conv_block{block}.bn2", outputs)
    state = {f"audio_encoder.base.{name}": tensor for name, tensor in base.items()}
    text = BertModel(BertConfig(**BERT)).state_dict()
    state |= {f"caption_encoder.base.{name}": tensor for name, tensor in text.items()}
    state["caption_encoder.base.embeddings.position_ids"] = torch.arange(110)[None]
    state |= projection(draw, "audio_encoder.projection", 7) | projection(draw, "caption_encoder.projection", WIDTH)
    return state | {"logit_scale": torch.tensor(4.0)}


@pytest.fixture
def authors_2023(drawn, htsat, slaney) -> Callable[..., dict[str, Tensor]]:
    """audio_encoder.base.htsat is HTSAT_Swin_Transformer; caption_encoder.base is transformers' GPT2Model, with the
    causal masks (h.i.attn.bias) that its versions of 2023 saved."""

    def made(high: float = 8000) -> dict[str, Tensor]:
        draw = drawn(9)
        base = htsat(slaney(50, high, 44100))
        state = {f"audio_encoder.base.htsat.{name}": tensor for name, tensor in base.items()}
        text = GPT2Model(GPT2Config(**GPT2)).state_dict()
        state |= {f"caption_encoder.base.{name}": tensor for name, tensor in text.items()}
        for layer in range(2):
            state[f"caption_encoder.base.h.{layer}.attn.bias"] = torch.ones(1, 1, 90, 90, dtype=torch.bool).tril()
            state[f"caption_encoder.base.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
        state |= projection(draw, "audio_encoder.projection", 16)
        state |= projection(draw, "caption_encoder.projection", WIDTH)
        return state | {"logit_scale": torch.tensor(4.0)}

    return made


def saved(state: dict[str, Tensor], folder: Path) -> str:
    torch.save({"model": state}, folder / "CLAP_weights.pth")
    return str(folder / "CLAP_weights.pth")


def text_tower(model: torch.nn.Module, state: dict[str, Tensor]) -> torch.nn.Module:
    inside = "caption_encoder.base."
    model.load_state_dict({n.removeprefix(inside): t for n, t in state.items() if n.startswith(inside)}, strict=False)
    return model.eval()


def embedded(clap, spectrogram: Tensor) -> Tensor:
    with torch.no_grad():
        return clap.embed_audio(AudioInputs(valid=torch.ones(len(spectrogram)), features=spectrogram)).mean


def test_2022_as_the_authors_compute_it(authors_2022, tokenizer, tmp_path):
    clap, report = start_from(saved(authors_2022, tmp_path), str(tokenizer("bert")))
    assert (report.missing, report.unexpected) == ([], [])
    heard = clap.settings.features
    assert (heard.sample_rate_hz, heard.hop_samples, heard.duration_s) == (44100, 320, 5.0)
    assert (heard.minimum_hz, heard.maximum_hz, heard.mel_bands, heard.short) == (50, 14000, 64, "repeat")
    spectrogram = torch.randn(3, 1, 64, 690, generator=torch.Generator().manual_seed(2)) * 10 - 40
    tensors = from_authors(authors_2022, "audio_encoder.base.")
    tower = Cnn14(sizes_of(tensors), "segment", 64, 690).eval()
    tower.load_state_dict(tensors)
    bert = text_tower(BertModel(BertConfig(**BERT)), authors_2022)
    inputs = clap.text.prepare(CAPTIONS)
    with torch.no_grad():
        audio = projected(authors_2022, "audio_encoder.projection", tower(spectrogram[:, 0])[:, 0])
        text = projected(authors_2022, "caption_encoder.projection", bert(**inputs).last_hidden_state[:, 0])
        torch.testing.assert_close(clap.embed_text(inputs).mean, text, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(embedded(clap, spectrogram), audio, rtol=1e-5, atol=1e-5)
    assert audio.std(dim=0).mean() > 1e-3
    assert text.std(dim=0).mean() > 1e-3
    assert float(clap.log_scale.detach()) == 4.0


def test_2023_as_the_authors_compute_it(authors_2023, filled, tokenizer, tmp_path):
    state = authors_2023()
    folder = tokenizer("gpt2")
    read = PreTrainedTokenizerFast.from_pretrained(folder)
    assert read.convert_tokens_to_ids("!") == 0
    clap, report = start_from(saved(state, tmp_path), str(folder))
    assert (report.missing, report.unexpected) == ([], [])
    heard = clap.settings.features
    assert (heard.sample_rate_hz, heard.hop_samples, heard.duration_s) == (44100, 320, 7.0)
    assert (heard.minimum_hz, heard.maximum_hz) == (50, 8000)
    spectrogram = torch.randn(3, 1, 16, 965, generator=torch.Generator().manual_seed(2)) * 10 - 40
    inside = "audio_encoder.base.htsat."
    tower = filled({n.removeprefix(inside): t for n, t in state.items() if n.startswith(inside)})
    gpt2 = text_tower(GPT2Model(GPT2Config(**GPT2)), state)
    with torch.no_grad():
        pooled = tower(spectrogram.transpose(2, 3)).pooler_output
        audio = projected(state, "audio_encoder.projection", pooled)
        for caption, found in zip(CAPTIONS, torch.from_numpy(clap.encode_texts(CAPTIONS)), strict=True):
            # The authors' input (msclap/CLAPWrapper.py, preprocess_text): caption, " <|endoftext|>", padding of id 0.
            ids = read(caption + " <|endoftext|>")["input_ids"]
            assert ids[-2:] == [*read(" ")["input_ids"], 256]
            padded = torch.tensor([ids + [0] * 5])
            last = torch.ne(padded, 0).sum(-1) - 1
            mask = torch.tensor([[1] * len(ids) + [0] * 5])
            states = gpt2(input_ids=padded, attention_mask=mask).last_hidden_state[torch.arange(1), last]
            text = projected(state, "caption_encoder.projection", states)
            torch.testing.assert_close(found[None], text, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(embedded(clap, spectrogram), audio, rtol=1e-5, atol=1e-5)
    assert audio.std(dim=0).mean() > 1e-3


def test_2023_hears_what_its_filters_say(authors_2023, tokenizer, tmp_path):
    heard = start_from(saved(authors_2023(14000), tmp_path), str(tokenizer("gpt2")))[0].settings.features
    assert (heard.minimum_hz, heard.maximum_hz) == (50, 14000)


def test_what_is_left_out_is_said(authors_2022, tokenizer, tmp_path):
    state = authors_2022 | {"audio_encoder.base.fc2.weight": torch.zeros(2)}
    report = start_from(saved(state, tmp_path), str(tokenizer("bert")))[1]
    assert report.unexpected == ["audio.fc2.weight"]
    assert "text.encoder.pooler.dense.weight" in report.ignored
    assert "audio_encoder.base.fc_audioset.weight" in report.ignored


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        ("audio_encoder.base.conv_block2.conv2.weight", r"audio\.blocks\.1\.second\.weight"),
        ("caption_encoder.projection.layer_norm.bias", r"text_head\.norm\.bias"),
        ("caption_encoder.base.encoder.layer.1.output.dense.bias", r"text\.encoder\.encoder\.layer\.1"),
    ],
)
def test_a_missing_weight_is_an_error(lost: str, named: str, authors_2022, tokenizer, tmp_path):
    del authors_2022[lost]
    with pytest.raises(UserError, match=f"missing {named}"):
        start_from(saved(authors_2022, tmp_path), str(tokenizer("bert")))


def test_other_text_towers_are_refused(authors_2022, tokenizer, tmp_path):
    state = {name: tensor for name, tensor in authors_2022.items() if "word_embeddings" not in name}
    with pytest.raises(UserError, match="neither GPT-2 nor BERT"):
        start_from(saved(state, tmp_path), str(tokenizer("bert")))


def test_nothing_pickled_is_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save({"model": {"weight": torch.zeros(1)}, "optimizer": Harm()}, tmp_path / "harmful.pth")
    with pytest.raises(UserError, match="holds more than tensors"):
        start_from(str(tmp_path / "harmful.pth"))
    assert not (tmp_path / "harm").exists()
