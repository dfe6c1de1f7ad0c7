"""Configs of transformers' text architectures: what is set, what is refused."""

from __future__ import annotations

import pytest
import torch

from clapline.errors import UserError
from clapline.model.text import build_text_encoder
from clapline.model.text.architecture import architecture_config, is_causal, random_model
from clapline.model.text.encoder import readable_tokens
from clapline.params.text_encoder import TextEncoder

SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
GPT2 = {"n_embd": 32, "n_layer": 1, "n_head": 4}


def settings_of(architecture, config, **others):
    return TextEncoder(kind="architecture", architecture=architecture, config=config, vocabulary=120, **others)


@pytest.mark.parametrize(
    ("architecture", "config", "message"),
    [
        ("robreta", SMALL, "no such model type; did you mean roberta"),
        ("vit", {}, "no vocabulary"),
        ("clap", {}, "no vocabulary"),
        ("t5", {}, "no text encoder"),
        ("roberta", {**SMALL, "hiden_size": 4}, "hiden_size is no setting of roberta; did you mean hidden_size"),
        ("roberta", {**SMALL, "vocab_size": 4}, "vocab_size follows from the tokenizer"),
        ("gpt2", {**GPT2, "n_positions": 4}, "n_positions follows from the tokenizer"),
        ("roberta", {**SMALL, "hidden_size": 33}, "33"),
        ("roberta", {**SMALL, "hidden_size": "wide"}, "hidden_size"),
    ],
)
def test_mistakes_are_named(architecture, config, message, captions):
    with pytest.raises(UserError, match=message):
        build_text_encoder(settings_of(architecture, config), captions=captions)


def test_what_the_architecture_cannot_pool_is_refused(captions):
    with pytest.raises(UserError, match="allowed: last, mean"):
        build_text_encoder(settings_of("gpt2", GPT2, pooling="first"), captions=captions)
    with pytest.raises(UserError, match="has no pooler"):
        build_text_encoder(settings_of("gpt2", GPT2, pooling="pooler"), captions=captions)


@pytest.mark.parametrize(
    ("architecture", "config", "names"),
    [
        ("roberta", SMALL, ["hidden_dropout_prob", "attention_probs_dropout_prob"]),
        ("mpnet", SMALL, ["hidden_dropout_prob", "attention_probs_dropout_prob"]),
        ("gpt2", GPT2, ["embd_pdrop", "resid_pdrop", "attn_pdrop"]),
        ("distilbert", {"dim": 32, "n_layers": 1, "n_heads": 4, "hidden_dim": 48}, ["dropout", "attention_dropout"]),
    ],
)
def test_dropout_is_set_under_every_name(architecture, config, names, captions):
    for dropout, expected in ((0.2, 0.2), (0.0, 0.0), (None, 0.1)):
        text = build_text_encoder(settings_of(architecture, config, dropout=dropout), captions=captions)
        assert {getattr(text.encoder.config, name) for name in names} == {expected}
        assert {module.p for module in text.modules() if isinstance(module, torch.nn.Dropout)} == {expected}


@pytest.mark.parametrize("architecture", ["bert", "roberta", "mpnet", "clap_text_model"])
def test_every_token_allowed_has_a_position_and_one_more_is_refused(architecture, captions):
    settings = settings_of(architecture, SMALL, maximum_tokens=20)
    text = build_text_encoder(settings, captions=captions).eval()
    rows = text.tokenise(["dog barks " * 40])
    assert len(rows[0]) == 20
    assert torch.isfinite(text(text.collate(rows)).states).all()
    positions = readable_tokens(text.encoder)
    assert positions >= 20
    ids = torch.full((1, positions + 1), 5)
    with pytest.raises((IndexError, RuntimeError)):
        text.encoder(input_ids=ids, attention_mask=torch.ones_like(ids))


def test_the_thesis_text_tower_is_said_in_settings_alone():
    large = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    settings = settings_of("roberta", large, maximum_tokens=32, dropout=0.2, pooling="first", plain=True)
    with torch.device("meta"):
        encoder = random_model(architecture_config(settings, 50265), settings)
    layer = 4 * (1024 * 1024 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 4 * 1024
    tables = (50265 + 32 + 2 + 2) * 1024 + 2 * 1024  # words, positions from 2 on, types, layer norm; no pooler
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 24 * layer + tables


def test_causal_models_are_told_from_those_that_see_both_ways():
    assert [name for name in ("gpt2", "opt", "bert", "roberta", "mpnet", "distilbert") if is_causal(name)] == [
        "gpt2",
        "opt",
    ]
