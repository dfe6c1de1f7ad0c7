"""Tiny published text models, one folder per family, as the hub has them: weights, config, the family's tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

WORDS = [
    "dog",
    "rain",
    "bell",
    "train",
    "bird",
    "saw",
    "horn",
    "clock",
    "barks",
    "falls",
    "rings",
    "passes",
    "loudly",
    "twice",
    "near",
    "tin",
    "roof",
    "a",
    "the",
    "on",
]
CAPTIONS = [f"A {first} {second}, {WORDS[(3 * place) % 20]}." for place, first in enumerate(WORDS) for second in WORDS]

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 42}
SPREAD = {"initializer_range": 0.2}  # of random weights: enough that captions differ
FEED_FORWARD = {"intermediate_size": 48}


def _pieces(special_tokens: list[str], vocabulary: int = 360) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return vocabulary and merges of a byte-level BPE trained on the captions."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=special_tokens,
        show_progress=False,
    )
    tokenizer.train_from_iterator(CAPTIONS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def _word_pieces(special_tokens: list[str]) -> dict[str, int]:
    letters = "abcdefghijklmnopqrstuvwxyz,."
    pieces = [*special_tokens, *letters, *(f"##{letter}" for letter in letters), *sorted(set(WORDS) - {"a"})]
    return {piece: place for place, piece in enumerate(pieces)}


def _build(family: str, folder: Path) -> None:
    import transformers as hf

    torch.manual_seed(0)
    if family == "gpt2":
        tokenizer = hf.GPT2Tokenizer(*_pieces(["<|endoftext|>"]))
    elif family in ("roberta", "clap"):
        tokenizer = hf.RobertaTokenizer(*_pieces(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))
    elif family == "mpnet":
        tokenizer = hf.MPNetTokenizer(_word_pieces(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]))
    else:
        tokenizer = hf.BertTokenizer(_word_pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    sizes = {**SIZES, "vocab_size": len(tokenizer)}
    model = {
        "bert": lambda: hf.BertModel(hf.BertConfig(**sizes, **FEED_FORWARD, **SPREAD)),
        "roberta": lambda: hf.RobertaModel(hf.RobertaConfig(**sizes, **FEED_FORWARD, **SPREAD)),
        "mpnet": lambda: hf.MPNetModel(hf.MPNetConfig(**sizes, **FEED_FORWARD, **SPREAD)),
        "gpt2": lambda: hf.GPT2Model(hf.GPT2Config(**sizes, **SPREAD, bos_token_id=0, eos_token_id=0)),
        "distilbert": lambda: hf.DistilBertModel(hf.DistilBertConfig(**sizes, **SPREAD, hidden_dim=48)),
        "clap": lambda: hf.ClapModel(
            hf.ClapConfig(
                text_config={**sizes, **FEED_FORWARD},
                audio_config={
                    "spec_size": 64,
                    "num_mel_bins": 16,
                    "patch_embeds_hidden_size": 8,
                    "depths": [1, 1],
                    "num_attention_heads": [1, 2],
                    "hidden_size": 16,
                    "window_size": 4,
                    "num_classes": 4,
                },
                projection_dim=8,
            )
        ),
    }[family]()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a family's tiny model."""
    built: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in built:
            built[family] = tmp_path_factory.mktemp(family)
            _build(family, built[family])
        return built[family]

    return folder


@pytest.fixture
def captions() -> list[str]:
    """Captions to train a tokenizer on."""
    return CAPTIONS


@pytest.fixture(autouse=True)
def _offline_with_its_own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
