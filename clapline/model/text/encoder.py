"""A trainable text encoder: a text model of transformers with the tokenizer that feeds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

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
        # The padding's id in RoBERTa and its kin, which do not count it where they number the positions.
        table = position_table(encoder)
        self.uncounted: int | None = None if table is None else table.padding_idx
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

    @property
    def input_width(self) -> int:
        """Channels of a token before the first layer, to which its position is added."""
        return self.encoder.get_input_embeddings().weight.shape[1]

    def special_tokens(self, inputs: Inputs) -> Tensor:
        """Return where the tokenizer's template has put tokens of its own, `(captions, tokens)` boolean."""
        ids = inputs["input_ids"]
        special = torch.zeros_like(ids, dtype=torch.bool)
        for token in self.tokens.special:
            special |= ids == token
        return special & inputs["attention_mask"].bool()  # GPT-2 pads with its end

    def forward(self, inputs: Inputs, hidden: Tensor | None = None, stand_in: Tensor | None = None) -> States:
        """Return token states `(captions, tokens, width)`; with a pooler one position, `(captions, 1, width)`.

        Args:
            inputs: what `prepare` gave.
            hidden: `(captions, tokens)` boolean, the tokens whose input embedding is replaced; None: no token's.
            stand_in: `(input_width,)`, what takes its place; the position is added to it.
        """
        if hidden is None or stand_in is None:
            return in_groups(self._encode, inputs)
        return in_groups(partial(self._encode, stand_in=stand_in), {**inputs, "hidden": hidden})

    def _encode(self, inputs: Inputs, stand_in: Tensor | None = None) -> States:
        read = {"input_ids": inputs["input_ids"]} if stand_in is None else self._embedded(inputs, stand_in)
        output = self.encoder(**read, attention_mask=inputs["attention_mask"])
        if self.pooler:
            states = output.pooler_output.unsqueeze(1)
            return States(states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device))
        return States(output.last_hidden_state, inputs["attention_mask"].bool())

    def _embedded(self, inputs: Inputs, stand_in: Tensor) -> dict[str, Tensor]:
        """Return what the encoder takes in place of token ids."""
        ids = inputs["input_ids"]
        embedded = self.encoder.get_input_embeddings()(ids)
        read = {"inputs_embeds": torch.where(inputs["hidden"].unsqueeze(-1), stand_in.to(embedded.dtype), embedded)}
        if self.uncounted is not None:
            # What these models do themselves with ids; without ids they would count every token.
            counted = ids != self.uncounted
            read["position_ids"] = counted.long().cumsum(dim=1) * counted + self.uncounted
        return read

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
    table = position_table(encoder)
    if table is None:
        return None
    return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)


def position_table(encoder: nn.Module) -> nn.Embedding | None:
    """Return a model's table of learned positions; None when it has none."""
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Embedding) and name.split(".")[-1] in ("position_embeddings", "wpe"):
            return module
    return None
