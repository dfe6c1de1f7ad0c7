"""Clap: the two towers, the learned temperature, and the folder they are saved in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model.audio import Pooling, build_audio_encoder
from clapline.model.features import LogMel, fit_duration
from clapline.model.head import PointHead
from clapline.model.text import Inputs, build_text_encoder
from clapline.params.base import validated
from clapline.params.model import Model
from clapline.storage import atomic_folder, read_json, write_json, write_text

# Clips or captions encoded at a time. Not a knob: another batch size moves the last bits of an embedding.
ENCODE_BATCH = 128


class Clap(nn.Module):
    """Audio encoder → pooling → head; text encoder → head. Embeddings are unit vectors `(batch, dimension)`."""

    def __init__(self, settings: Model, text: nn.Module) -> None:
        super().__init__()
        self.settings = settings
        self.front_end = LogMel(settings.features)
        self.audio = build_audio_encoder(settings.audio)
        self.pooling = Pooling(settings.audio.pooling)
        self.audio_head = PointHead(self.audio.width, settings.head.dimension, settings.head.dropout)
        self.text = text
        self.text_head = PointHead(text.width, settings.head.dimension, settings.head.dropout)
        self.log_scale = nn.Parameter(
            torch.tensor(math.log(1 / settings.temperature.initial)), requires_grad=settings.temperature.learned
        )

    @classmethod
    def new(cls, settings: Model, captions: Sequence[str]) -> Clap:
        """Return an untrained model; the tokenizer of a text encoder from scratch is trained on `captions`."""
        return cls(settings, build_text_encoder(settings.text, captions=captions))

    @property
    def dimension(self) -> int:
        """Size of an embedding."""
        return self.settings.head.dimension

    def logit_scale(self) -> Tensor:
        """Return exp(log scale), clamped to the bound of the temperature settings; a scalar."""
        return self.log_scale.clamp(max=math.log(self.settings.temperature.maximum_scale)).exp()

    def embed_features(self, features: Tensor) -> Tensor:
        """Return unit embeddings `(batch, dimension)` of log-mel features `(batch, bands, frames)`."""
        return self.audio_head(self.pooling(self.audio(features)))

    def embed_text(self, inputs: Inputs) -> Tensor:
        """Return unit embeddings `(batch, dimension)` of what the text encoder's `prepare` made of captions."""
        return self.text_head(self.text(inputs))

    def forward(self, features: Tensor, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return audio embeddings and text embeddings in one call, which a wrapper for several GPUs can hook."""
        return self.embed_features(features), self.embed_text(inputs)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.log_scale.device

    @torch.inference_mode()
    def encode_texts(self, captions: Sequence[str]) -> np.ndarray:
        """Return unit embeddings `(captions, dimension)`, float32, in evaluation mode.

        Captions are encoded sorted by length, each distinct one once, so that equal captions get equal embeddings.
        """
        self.eval()
        distinct = sorted(set(captions), key=lambda caption: (len(caption), caption))
        parts = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(distinct), ENCODE_BATCH):
            inputs = self.text.prepare(distinct[start : start + ENCODE_BATCH])
            inputs = {name: tensor.to(self.device) for name, tensor in inputs.items()}
            parts.append(self.embed_text(inputs).float().cpu().numpy())
        rows = {caption: row for row, caption in enumerate(distinct)}
        return np.concatenate(parts)[[rows[caption] for caption in captions]]

    @torch.inference_mode()
    def encode_waveforms(self, waveforms: Sequence[np.ndarray], sample_rate_hz: int) -> np.ndarray:
        """Return unit embeddings `(clips, dimension)` of mono waveforms in [-1, 1], in evaluation mode.

        Raises:
            UserError: the sample rate is not the one the model was trained at (nothing is resampled in silence).
        """
        if sample_rate_hz != self.settings.features.sample_rate_hz:
            raise UserError(
                f"the model hears {self.settings.features.sample_rate_hz} Hz, got {sample_rate_hz} Hz: resample first"
            )
        self.eval()
        batch = np.stack([fit_duration(waveform, self.front_end.samples) for waveform in waveforms])
        features = self.front_end(torch.from_numpy(batch.astype(np.float32, copy=False)).to(self.device))
        return self.embed_features(features).float().cpu().numpy()

    def save(self, folder: Path | str, card: str) -> None:
        """Write config.json, model.safetensors, the tokenizer and README.md (the card) as one folder, atomically."""
        with atomic_folder(folder) as temporary:
            write_json(temporary / "config.json", {"model": self.settings.model_dump()})
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()},
                temporary / "model.safetensors",
            )
            if self.settings.text.kind == "transformer":
                self.text.tokenizer.save(str(temporary / "tokenizer.json"))
            write_text(temporary / "README.md", card)

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> Clap:
        """Load a model that `save` wrote. Raises UserError when the folder is not one."""
        folder = Path(folder)
        for name in ("config.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise UserError(f"{folder} is no saved model: it has no {name}")
        config = read_json(folder / "config.json")
        settings = validated(Model, config["model"], f"{folder}/config.json: model")
        model = cls(settings, build_text_encoder(settings.text, folder=folder))
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return model.eval()
