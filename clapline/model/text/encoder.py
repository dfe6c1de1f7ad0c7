"""A trainable text encoder: a text model of transformers with the tokenizer that feeds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clapline.errors import UserError
from clapline.model.inputs import Inputs, States
from clapline.model.text.length import in_groups
from clapline.model.text.tokenizer import CaptionTokenizer
from clapline.params.text_encoder import TextEncoder

FOLDER = "text"  # of a saved model: the tokenizer and the config of its text encoder

# Tables of counted numbers that transformers' models carry. Which of them belong to the weights differs from one of its
# versions to the next, and a saved model must load in all.
COUNTED = ("position_ids", "token_type_ids")


class TransformersText(nn.Module):
    """Captions → the last hidden states of their tokens, or with `pooling: pooler` the pooler's output alone."""

    def __init__(self, settings: TextEncoder, encoder: nn.Module, tokens: CaptionTokenizer) -> None:
        """Take a text model of transformers, with a pooler if and only if the settings pool by it.

        Raises:
            UserError: captions may have more tokens than the model has positions for.
        """
        super().__init__()
        limit = readable_tokens(encoder)
        if limit is not None and settings.maximum_tokens > limit:
            raise UserError(f"text.maximum_tokens = {settings.maximum_tokens}: this model reads at most {limit}")
        self.encoder = encoder
        self.tokens = tokens
        self.pooler = settings.pooling == "pooler"
        self.width: int = encoder.config.hidden_size
        for module in encoder.modules():
            module._non_persistent_buffers_set.update(name for name in COUNTED if name in module._buffers)
        self.register_load_state_dict_pre_hook(_drop_counted)

    def tokenise(self, captions: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each caption."""
        return self.tokens.tokenise(captions)

    @property
    def collate(self) -> Callable[[Sequence[Sequence[int]]], Inputs]:
        """Token ids of captions → `input_ids` and `attention_mask`, `(captions, tokens)` each; holds no weights."""
        return self.tokens.collate

    def prepare(self, captions: Sequence[str]) -> Inputs:
        """Return token ids and their mask, `(captions, tokens)` each."""
        return self.collate(self.tokenise(captions))

    def forward(self, inputs: Inputs) -> States:
        """Return token states `(captions, tokens, width)`; with a pooler one position, `(captions, 1, width)`."""
        return in_groups(self._encode, inputs)

    def _encode(self, inputs: Inputs) -> States:
        output = self.encoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        if self.pooler:
            states = output.pooler_output.unsqueeze(1)
            return States(states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device))
        return States(output.last_hidden_state, inputs["attention_mask"].bool())

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and config.json into the folder `text` of a saved model; not the weights."""
        (folder / FOLDER).mkdir(exist_ok=True)
        self.tokens.save(folder / FOLDER / "tokenizer.json")
        self.encoder.config.to_json_file(folder / FOLDER / "config.json")


def _drop_counted(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
    """Take counted tables out of a state dict that another version of transformers wrote."""
    inside = f"{prefix}encoder."
    for name in [name for name in state_dict if name.startswith(inside) and name.split(".")[-1] in COUNTED]:
        del state_dict[name]


def readable_tokens(encoder: nn.Module) -> int | None:
    """Return how many tokens a model has learned positions for; None when it has no table of them.

    RoBERTa and its kin (MPNet, CLAP's text tower) count positions from the padding's id + 1.
    """
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Embedding) and name.split(".")[-1] in ("position_embeddings", "wpe"):
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return None
