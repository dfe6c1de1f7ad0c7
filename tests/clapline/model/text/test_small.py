"""The small default."""

from __future__ import annotations

import pytest
import torch

from clapline.model.pooling import pool_tokens
from clapline.model.text import build_text_encoder
from clapline.params.text_encoder import TextEncoder

SETTINGS = TextEncoder(width=32, layers=2, attention_heads=4, vocabulary=120)


def test_states_are_berts_and_dropout_is_a_tenth_unless_said(captions):
    text = build_text_encoder(SETTINGS, captions=captions).eval()
    inputs = text.prepare(["a dog barks", "rain falls on the tin roof twice"])
    whole = text.encoder(**inputs).last_hidden_state
    states = text(inputs)
    torch.testing.assert_close(states.states[states.mask], whole[states.mask], atol=1e-5, rtol=0)
    assert text.encoder.config.hidden_dropout_prob == text.encoder.config.attention_probs_dropout_prob == 0.1
    other = build_text_encoder(SETTINGS.model_copy(update={"dropout": 0.3}), captions=captions)
    assert {module.p for module in other.modules() if isinstance(module, torch.nn.Dropout)} == {0.3}


def test_the_default_starts_from_the_same_numbers_as_ever(captions):
    """The draws are BertModel's own, in its order, and nothing else is drawn before or after them."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(5)
    text = build_text_encoder(SETTINGS, captions=captions)
    after = torch.random.get_rng_state()
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=text.tokens.vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=48,
        pad_token_id=0,
    )
    bert = BertModel(config, add_pooling_layer=False)
    assert torch.equal(after, torch.random.get_rng_state())
    ours = text.encoder.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in bert.state_dict().items() if name in ours)
    assert set(ours) == set(dict(bert.named_parameters()))


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_dropout_draws_are_those_of_the_groups_in_order(captions, pooling):
    text = build_text_encoder(SETTINGS.model_copy(update={"pooling": pooling}), captions=captions).train()
    inputs = text.prepare(captions[:70])
    torch.manual_seed(1)
    first = pool_tokens(text(inputs), pooling)
    torch.manual_seed(1)
    assert torch.equal(first, pool_tokens(text(inputs), pooling))
    assert not torch.equal(first, pool_tokens(text(inputs), pooling))
