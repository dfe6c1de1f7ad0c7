"""What every trainable family of text encoders must do, built as a user builds it."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from clapline.model.pooling import pool_tokens
from clapline.model.text import build_text_encoder
from clapline.params.text_encoder import TextEncoder

SPREAD = {"initializer_range": 0.2}  # of random weights: enough that captions differ
BERT_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
SIZES = {
    "bert": {**BERT_SIZES, **SPREAD},
    "roberta": {**BERT_SIZES, **SPREAD},
    "mpnet": {**BERT_SIZES, **SPREAD},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, **SPREAD},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, **SPREAD},
    "clap_text_model": BERT_SIZES,
}
POOLER = ("bert", "roberta", "mpnet", "clap_text_model")
TOKENS = 24

ODD = ["", "   ", "雨が降っている", "🎵🎶", "a", "dog " * 60, "<s> </s> [SEP] <|endoftext|>", "Ünïcode – “quoted”"]


def settings_of(name: str, pooling: str) -> TextEncoder:
    return TextEncoder(
        kind="architecture",
        architecture=name,
        config=SIZES[name],
        vocabulary=120,
        maximum_tokens=TOKENS,
        pooling=pooling,
    )


POOLINGS = [(name, "last" if name == "gpt2" else "mean") for name in SIZES]
POOLINGS += [("gpt2", "mean"), ("roberta", "first"), ("bert", "last"), *((name, "pooler") for name in POOLER)]
WAYS = [(origin, *way) for origin in ("architecture", "published") for way in POOLINGS]
WAYS += [("small", "bert", pooling) for pooling in ("mean", "first", "last")]


def built(origin, name, pooling, captions, published):
    torch.manual_seed(1)
    if origin == "published":
        family = "clap" if name == "clap_text_model" else name
        settings = TextEncoder(kind="pretrained", model=str(published(family)), maximum_tokens=TOKENS, pooling=pooling)
    elif origin == "small":
        settings = TextEncoder(width=32, layers=2, attention_heads=4, maximum_tokens=TOKENS, pooling=pooling)
    else:
        settings = settings_of(name, pooling)
    return settings, build_text_encoder(settings, captions=captions)


@pytest.mark.parametrize(("origin", "name", "pooling"), WAYS)
def test_saved_and_loaded_gives_equal_states(origin, name, pooling, captions, published, tmp_path):
    settings, text = built(origin, name, pooling, captions, published)
    text.save(tmp_path)
    save_file({key: tensor.contiguous() for key, tensor in text.state_dict().items()}, tmp_path / "model.safetensors")
    assert str(published("bert").parent) not in (tmp_path / "text/config.json").read_text()
    # A model that is nowhere: only the saved folder is left.
    elsewhere = settings.model_copy(update={"model": "nobody/nothing"} if settings.model else {})
    torch.manual_seed(2)
    loaded = build_text_encoder(elsewhere, folder=tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["encoder.embeddings.position_ids"] = torch.arange(3)  # as other versions of transformers save it
    loaded.load_state_dict(weights, strict=True)
    texts = [*captions[:40], *ODD]
    assert loaded.tokenise(texts) == text.tokenise(texts)
    first, second = text.eval()(text.prepare(texts)), loaded.eval()(loaded.prepare(texts))
    assert torch.equal(first.states, second.states)
    assert torch.equal(first.mask, second.mask)
    assert text.width == loaded.width == first.states.shape[-1] == 32


@pytest.mark.parametrize(("origin", "name", "pooling"), WAYS)
def test_a_caption_does_not_depend_on_its_batch_mates(origin, name, pooling, captions, published):
    settings, text = built(origin, name, pooling, captions, published)
    text.eval()
    texts = [*ODD, *captions[:50:3]]
    together = pool_tokens(text(text.prepare(texts)), settings.pooling)
    assert torch.isfinite(together).all()
    alone = torch.cat([pool_tokens(text(text.prepare([caption])), settings.pooling) for caption in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert torch.isfinite(text(text.prepare(texts)).states).all()
    different = (together[-1] - together[-2]).abs().max()
    assert different > 1e-3  # and the captions do not all look alike


@pytest.mark.parametrize(("origin", "name", "pooling"), WAYS)
def test_gradient_reaches_every_parameter(origin, name, pooling, captions, published):
    settings, text = built(origin, name, pooling, captions, published)
    inputs = text.collate(text.tokenise(captions[:40]))
    pooled = pool_tokens(text(inputs), settings.pooling)
    direction = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(1))
    (pooled * direction).sum().backward()
    for key, parameter in text.named_parameters():
        assert parameter.grad is not None, f"{key} is not used"
        # Attention weights do not change when all keys move by the same vector: this gradient is 0 by mathematics.
        if not key.endswith(("key.bias", ".k.bias", "k_lin.bias")):
            assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize(("origin", "name", "pooling"), WAYS)
def test_prepare_is_collate_of_tokenise_and_cuts_keep_the_end(origin, name, pooling, captions, published):
    _, text = built(origin, name, pooling, captions, published)
    texts = [captions[3], "dog barks loudly " * 40, ""]
    rows = text.tokenise(texts)
    prepared, collated = text.prepare(texts), text.collate(rows)
    assert prepared.keys() == collated.keys()
    assert all(torch.equal(prepared[key], collated[key]) for key in prepared)
    assert len(rows[1]) == TOKENS
    if origin != "small" and (name != "gpt2" or pooling == "last" or origin == "architecture"):
        assert rows[0][-1] == rows[1][-1]  # the end of the text
    assert prepared["attention_mask"].sum(dim=1).tolist() == [len(row) for row in rows]


@pytest.mark.parametrize("name", SIZES)
def test_last_token_is_the_last_valid_one_under_padding(name, captions):
    settings = settings_of(name, "last")
    torch.manual_seed(1)
    text = build_text_encoder(settings, captions=captions).eval()
    texts = ["dog", "a dog barks loudly near the tin roof", "rain falls"]
    pooled = pool_tokens(text(text.prepare(texts)), "last")
    for caption, state in zip(texts, pooled, strict=True):
        ids = torch.tensor(text.tokenise([caption]))
        expected = text.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0, -1]
        torch.testing.assert_close(state, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [*SIZES, "small"])
def test_learns_32_captions_by_heart(name, captions):
    pooling = "last" if name == "gpt2" else "mean"
    settings = settings_of(name, pooling) if name != "small" else TextEncoder(width=32, layers=1, attention_heads=4)
    torch.manual_seed(3)
    text = build_text_encoder(settings.model_copy(update={"dropout": 0.0}), captions=captions)
    other_side = torch.nn.Sequential(torch.nn.Embedding(32, 32), torch.nn.ReLU(), torch.nn.Linear(32, 16))
    head = torch.nn.Linear(text.width, 16)
    inputs = text.prepare(captions[:320:10])
    parameters = [*text.parameters(), *other_side.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    for _ in range(150):
        embedded = torch.nn.functional.normalize(head(pool_tokens(text(inputs), pooling)), dim=-1)
        scores = 10 * embedded @ torch.nn.functional.normalize(other_side(torch.arange(32)), dim=-1).T
        right = torch.arange(32)
        if (scores.argmax(dim=0) == right).all() and (scores.argmax(dim=1) == right).all():
            return
        loss = torch.nn.functional.cross_entropy(scores, right) + torch.nn.functional.cross_entropy(scores.T, right)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    pytest.fail(f"after 150 steps {int((scores.argmax(dim=0) == right).sum())} of 32 captions are found")
