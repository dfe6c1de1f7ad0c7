"""Text encoders: captions → one state each. A small transformer from scratch, or any pretrained model by id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn

from clapline.params.model import TextEncoder

PADDING, UNKNOWN, START = "[PAD]", "[UNK]", "[START]"

GROUP = 32  # captions encoded with one padding

Inputs = dict[str, Tensor]


def train_tokenizer(captions: Sequence[str], vocabulary: int) -> Tokenizer:
    """Train a byte-pair tokenizer on captions: lower case, punctuation stripped, words begin with ▁.

    Plain BPE on purpose: the trainers with affixes (WordPiece, `</w>`) and Unigram give another vocabulary at each
    training (tokenizers 0.23), and with it another model.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.BertNormalizer(lowercase=True), normalizers.Replace(Regex(r"[^\w\s]"), "")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=[PADDING, UNKNOWN, START], show_progress=False)
    tokenizer.train_from_iterator(sorted(set(captions)), trainer)
    # Every text has a first token, so the empty one (the root of a traversal) has an embedding too.
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 2)])
    return tokenizer


class TransformerText(nn.Module):
    """A small BERT, trained from scratch with its own tokenizer; a caption's state is the mean of its token states."""

    def __init__(self, settings: TextEncoder, tokenizer: Tokenizer) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        self.width = settings.width
        self.tokenizer = tokenizer
        self.tokenizer.enable_truncation(settings.maximum_tokens)
        self.tokenizer.enable_padding(pad_id=0, pad_token=PADDING)
        self.encoder = BertModel(
            BertConfig(
                vocab_size=tokenizer.get_vocab_size(),
                hidden_size=settings.width,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.attention_heads,
                intermediate_size=4 * settings.width,
                max_position_embeddings=settings.maximum_tokens,
                hidden_dropout_prob=settings.dropout,
                attention_probs_dropout_prob=settings.dropout,
                pad_token_id=0,
            ),
            add_pooling_layer=False,
        )

    def prepare(self, captions: Sequence[str]) -> Inputs:
        """Return token ids and their mask, `(batch, tokens)` each."""
        encoded = self.tokenizer.encode_batch(list(captions))
        return {
            "input_ids": torch.tensor([item.ids for item in encoded]),
            "attention_mask": torch.tensor([item.attention_mask for item in encoded]),
        }

    def forward(self, inputs: Inputs) -> Tensor:
        """Return caption states `(batch, width)`. Captions are grouped by length: a long one pads few others."""
        lengths = inputs["attention_mask"].sum(dim=1)
        order = lengths.argsort(stable=True)
        states = []
        for rows in order.split(GROUP):
            tokens = int(lengths[rows].max())
            ids, mask = inputs["input_ids"][rows, :tokens], inputs["attention_mask"][rows, :tokens]
            states.append(masked_mean(self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask))
        return torch.cat(states)[order.argsort()]


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the valid tokens: `(batch, tokens, width)`, `(batch, tokens)` → `(batch, width)`."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def build_text_encoder(
    settings: TextEncoder, captions: Sequence[str] | None = None, folder: Path | None = None
) -> nn.Module:
    """Return the encoder that the settings name.

    Args:
        settings: the text section of a model.
        captions: training captions, for a tokenizer of its own.
        folder: a saved model whose tokenizer is taken instead.
    """
    if settings.kind == "pretrained":
        from clapline.model.pretrained_text import FrozenText, PretrainedText

        return FrozenText(settings) if settings.frozen else PretrainedText(settings)
    if folder is not None:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    else:
        tokenizer = train_tokenizer(captions or [], settings.vocabulary)
    return TransformerText(settings, tokenizer)
