"""What every family of text encoders makes of captions of which some words are hidden; and what is refused."""

from __future__ import annotations

import pytest
import torch

from clapline import Clap
from clapline.errors import UserError
from clapline.model.inputs import AudioInputs
from clapline.params.base import validated
from clapline.params.model import Model
from tests.clapline.model.masked_models import AUDIO, CAPTIONS, HEARD, clips_of, heard_by, model_of

BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
SPREAD = {"initializer_range": 0.2}
FAMILIES = {
    "bert": {**BERT, **SPREAD},
    "roberta": {**BERT, **SPREAD},
    "mpnet": {**BERT, **SPREAD},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, **SPREAD},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, **SPREAD},
    "clap_text_model": BERT,
    "electra": {**BERT, **SPREAD, "embedding_size": 12},
}
READ = [(name, "last" if name == "gpt2" else "mean") for name in FAMILIES]
READ += [("gpt2", "mean"), ("roberta", "first"), ("bert", "pooler"), ("small", "mean"), ("small", "first")]
TEXTS = ["a dog barks while rain falls on a tin roof", "a dog", "", "[PAD] rain [PAD] falls", "火 dog"]


def read_by(name: str, pooling: str) -> Clap:
    text = {"maximum_tokens": 12, "pooling": pooling, "vocabulary": 90}
    if name == "small":
        text |= {"width": 16, "layers": 1, "attention_heads": 2}
    else:
        text |= {"kind": "architecture", "architecture": name, "config": FAMILIES[name]}
    return model_of(*AUDIO["cnn"], text=text)


@pytest.mark.parametrize(("name", "pooling"), READ)
def test_a_masked_caption(name: str, pooling: str):
    clap = read_by(name, pooling)
    inputs = clap.text.prepare(TEXTS)
    valid, special = inputs["attention_mask"].bool(), clap.text.special_tokens(inputs)
    everything = torch.ones_like(valid)
    plain = clap.embed_text(inputs).mean
    seen = clap.embed_masked_text(inputs, everything)
    torch.testing.assert_close(seen.mean, plain, rtol=0, atol=1e-6)
    seen.mean.sum().backward()
    assert not clap.text_mask.grad.any()

    # [START], and for the published kinds [END], of each caption: the first and the last valid token.
    first = torch.zeros_like(valid)
    first[:, 0] = True
    if name != "small":
        first[torch.arange(len(valid)), valid.sum(dim=1) - 1] = True
    assert torch.equal(special, first)

    visible = torch.arange(valid.shape[1]).expand(len(valid), -1) % 2 == 0
    masked = clap.embed_masked_text(inputs, visible).mean
    (masked * torch.randn(masked.shape)).sum().backward()
    assert clap.text_mask.shape == (clap.text.input_width,)
    assert clap.text_mask.grad.all()
    with torch.no_grad():
        # Other words under what is hidden, and other padding, change nothing; nor do mates of other lengths.
        hidden = valid & ~visible & ~special
        words = inputs["input_ids"].masked_fill(hidden, 7)
        if name != "small":  # padding that they do not count is told by its id
            words = words.masked_fill(hidden & (inputs["input_ids"] == 1), 1)
        assert torch.equal(clap.embed_masked_text({**inputs, "input_ids": words}, visible).mean, masked)
        assert torch.equal(clap.embed_masked_text(inputs, visible | ~valid).mean, masked)
        length = int(valid[1].sum())
        alone = {key: value[1:2, :length] for key, value in inputs.items()}
        alone = clap.embed_masked_text(alone, visible[1:2, :length]).mean
        torch.testing.assert_close(alone, masked[1:2], rtol=0, atol=1e-6)
        assert torch.equal(
            clap.embed_masked_text(inputs, ~everything).mean, clap.embed_masked_text(inputs, special).mean
        )
        assert clap.embed_masked_text(inputs, ~everything).mean.isfinite().all()


def test_the_mean_is_of_what_is_visible():
    clap = read_by("small", "mean")
    inputs = clap.text.prepare(TEXTS[:2])
    visible = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
    visible[:, 1] = True
    pooled = []
    clap.text_head.register_forward_pre_hook(lambda _, arguments: pooled.append(arguments[0]))
    clap.embed_masked_text(inputs, visible)
    hidden = inputs["attention_mask"].bool() & ~visible
    hidden[:, 0] = False
    states = clap.text(inputs, hidden, clap.text_mask).states
    torch.testing.assert_close(pooled[0], states[:, :2].mean(dim=1))


def test_where_nothing_is_visible_the_mean_is_of_all_tokens():
    """Of a tokenizer whose template adds nothing, as GPT-2's own."""
    clap = read_by("small", "mean")
    clap.text.tokens.special = []
    inputs = clap.text.prepare(TEXTS[:2])
    valid = inputs["attention_mask"].bool()
    pooled = []
    clap.text_head.register_forward_pre_hook(lambda _, arguments: pooled.append(arguments[0]))
    clap.embed_masked_text(inputs, torch.zeros_like(valid))
    states = clap.text(inputs, valid, clap.text_mask).states
    torch.testing.assert_close(pooled[0][1], states[1, : int(valid[1].sum())].mean(dim=0))


def test_the_end_that_is_appended_for_gpt2_is_special():
    from clapline.model.text.pretrained import append_end
    from clapline.model.text.tokenizer import CaptionTokenizer, train_tokenizer

    tokenizer = train_tokenizer(CAPTIONS, 100)
    tokenizer.post_processor = None
    append_end(tokenizer, "[UNK]")
    tokens = CaptionTokenizer(tokenizer, padding=0, maximum_tokens=12, plain=False)
    assert sorted(tokens.tokenise(["a dog"])[0][-len(tokens.special) :]) == tokens.special
    assert tokenizer.token_to_id("[UNK]") in tokens.special


# What is refused, and what a model without masks is.


@pytest.mark.parametrize(
    ("sections", "match"),
    [
        ({"audio": {"pooling": "tap"}}, "audio.pooling tap gives clips no embedding"),
        ({"audio": {"kind": "passt", "weights": "x", "frozen": True}, "features": {"kind": "passt"}}, "audio.frozen"),
        ({"text": {"kind": "pretrained", "model": "x", "frozen": True}}, "text.frozen"),
    ],
)
def test_masks_beside_what_is_cached_or_has_no_embedding(sections: dict, match: str):
    validated(Model, sections, "model")
    with pytest.raises(UserError, match=match) as error:
        validated(Model, {**sections, "masked": True}, "model")
    assert "\n" not in str(error.value)


def test_what_cannot_be_masked_is_one_clear_line():
    clap = heard_by("cnn")
    visible = torch.ones(1, clap.mask_units, dtype=torch.bool)
    with pytest.raises(UserError, match="its states are cached"):
        clap.embed_masked_audio(AudioInputs(torch.ones(1), states=torch.zeros(1, 3, 8)), visible)
    plain = model_of(*AUDIO["cnn"], masked=False)
    with pytest.raises(UserError, match=r"set model\.masked"):
        plain.embed_masked_audio(clips_of(plain, 1.0), visible)
    inputs = plain.text.prepare(CAPTIONS)
    with pytest.raises(UserError, match=r"set model\.masked"):
        plain.embed_masked_text(inputs, inputs["attention_mask"].bool())
    tap = model_of({"channels": [4, 8], "pooling": "tap", "tap": {"dimension": 8}}, HEARD, masked=False)
    with pytest.raises(UserError, match="text-aware pooling"):
        tap.embed_masked_audio(clips_of(tap, 1.0), visible)
    plain.settings = plain.settings.model_copy(update={"text": plain.settings.text.model_copy(update={"frozen": True})})
    with pytest.raises(UserError, match="frozen text encoder"):
        plain.embed_masked_text(inputs, inputs["attention_mask"].bool())


def test_masks_are_drawn_after_every_other_weight():
    plain, masked = model_of(*AUDIO["cnn"], masked=False), model_of(*AUDIO["cnn"])
    assert plain.audio_mask is None
    assert plain.text_mask is None
    weights, more = plain.state_dict(), masked.state_dict()
    assert set(more) - set(weights) == {"audio_mask", "text_mask"}
    assert all(torch.equal(more[name], weight) for name, weight in weights.items())
    assert masked.audio_mask.shape == (16,)
    assert 0.005 < float(masked.audio_mask.detach().std()) < 0.04
