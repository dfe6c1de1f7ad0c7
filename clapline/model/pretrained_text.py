"""Pretrained text encoders of transformers: fine-tuned, or frozen with every caption's state computed once, ever."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model.lookup import find_model
from clapline.model.text import Inputs, masked_mean
from clapline.params.model import TextEncoder
from clapline.progress import tracked
from clapline.storage import atomic_path, file_sha256, store


def _load(folder: Path) -> tuple[nn.Module, object]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # of reading a weights file; not quiet off a terminal by itself
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} holds no model.safetensors; other formats are not loaded")
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    return model, AutoTokenizer.from_pretrained(folder)


class PretrainedText(nn.Module):
    """Any AutoModel id, trained further; a caption's state is the mean of its last token states."""

    def __init__(self, settings: TextEncoder) -> None:
        super().__init__()
        self.encoder, self.tokenizer = _load(find_model(settings.model or ""))
        self.width = self.encoder.config.hidden_size
        self.maximum_tokens = settings.maximum_tokens

    def prepare(self, captions: Sequence[str]) -> Inputs:
        """Return token ids and their mask, `(batch, tokens)` each."""
        encoded = self.tokenizer(
            list(captions), padding=True, truncation=True, max_length=self.maximum_tokens, return_tensors="pt"
        )
        return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}

    def forward(self, inputs: Inputs) -> Tensor:
        """Return caption states `(batch, width)`."""
        return masked_mean(self.encoder(**inputs).last_hidden_state, inputs["attention_mask"])


class FrozenText(nn.Module):
    """A frozen sentence encoder: unit states, cached on disk under (weights, caption), so no caption is encoded twice.

    It has no parameters: the encoder itself is loaded only when a caption is not in the cache yet.
    """

    def __init__(self, settings: TextEncoder) -> None:
        super().__init__()
        self.folder = find_model(settings.model or "")
        self.maximum_tokens = settings.maximum_tokens
        if not (self.folder / "model.safetensors").is_file():
            raise UserError(f"{self.folder} holds no model.safetensors; other formats are not loaded")
        weights = file_sha256(self.folder / "model.safetensors")
        self.cache = store("text_states", f"{weights[:32]}-{settings.maximum_tokens}")
        self.states: dict[str, np.ndarray] = {}
        for part in sorted(self.cache.glob("*.safetensors")):
            self._take_in(part)
        from transformers import AutoConfig

        self.width = AutoConfig.from_pretrained(self.folder).hidden_size

    def _take_in(self, part: Path) -> None:
        tensors = load_file(part)
        for name, state in zip(tensors["names"], tensors["states"], strict=True):
            self.states[name.tobytes().hex()] = state

    @staticmethod
    def _name(caption: str) -> str:
        return hashlib.sha256(caption.encode()).hexdigest()[:32]

    @torch.inference_mode()
    def _encode(self, captions: list[str]) -> None:
        encoder, tokenizer = _load(self.folder)
        encoder.eval()
        states = []
        # One at a time: in a batch, the last bits of a state would depend on which captions were in the cache already.
        for caption in tracked(captions, "encoding captions", len(captions)):
            encoded = tokenizer(caption, truncation=True, max_length=self.maximum_tokens, return_tensors="pt")
            hidden = encoder(**encoded).last_hidden_state
            states.append(nn.functional.normalize(masked_mean(hidden, encoded["attention_mask"]), dim=-1))
        names = np.stack([np.frombuffer(bytes.fromhex(self._name(caption)), dtype=np.uint8) for caption in captions])
        part = self.cache / f"{uuid.uuid4().hex}.safetensors"
        with atomic_path(part) as temporary:
            save_file({"names": names, "states": torch.cat(states).numpy()}, temporary)
        self._take_in(part)

    def prepare(self, captions: Sequence[str]) -> Inputs:
        """Return the cached states, `(batch, width)`."""
        missing = [caption for caption in dict.fromkeys(captions) if self._name(caption) not in self.states]
        if missing:
            self._encode(missing)
        return {"states": torch.from_numpy(np.stack([self.states[self._name(caption)] for caption in captions]))}

    def forward(self, inputs: Inputs) -> Tensor:
        """Return caption states `(batch, width)`."""
        return inputs["states"]
