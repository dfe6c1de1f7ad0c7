"""AST, the audio spectrogram transformer (Gong et al. 2021, arXiv 2104.01778), from transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model.audio.architectures import built, heard_frames, plain, published, read_config, restored, sized
from clapline.model.lookup import find_model
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

KIND = "audio-spectrogram-transformer"
POSITIONS = "embeddings.position_embeddings"
TOKENS = 2  # class and distillation


class Ast(nn.Module):
    """A vision transformer over overlapping patches of a spectrogram.

    `(segments, bands, frames)`, standardised → states `(segments, positions, width)`. Of the published model's 1214
    tokens two are summaries, the others a grid of 12 bands × 101 time steps, bands first; states are the means over its
    bands, 101 per 10.24 s of width 768. With states "segment" the only position is the mean of the two summaries, the
    model's own pooled output. A shorter input has fewer time steps and takes the positions from the start.

    Attention is not masked: every state has seen the padding of its segment, as in the published model.
    """

    fixed_length = True  # cut to its longest clip, a batch would show each clip a padding that its mates decide

    def __init__(self, model: nn.Module, states: str, frames: int) -> None:
        super().__init__()
        self.encoder = model
        config = model.config
        if frames > config.max_length:
            raise UserError(f"ast hears at most {config.max_length} frames, the features have {frames}")
        self.states = states
        self.width = config.hidden_size
        self.grid = (
            (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1,
            (config.max_length - config.patch_size) // config.time_stride + 1,
        )
        self.positions = 1 if states == "segment" else self._steps(frames)

    @classmethod
    def from_settings(cls, settings: AudioEncoder, features: Features) -> Ast:
        """Return a published AST (`weights`: id or folder), or a random one of `config` and `patch_stride`."""
        from transformers import ASTModel

        frames = heard_frames(features)
        if settings.weights is None:
            fixed: dict[str, Any] = {"num_mel_bins": features.mel_bands, "max_length": frames}
            if settings.patch_stride:
                fixed |= dict(zip(("frequency_stride", "time_stride"), settings.patch_stride, strict=True))
            return cls(built(ASTModel, sized(KIND, settings.config, fixed)), settings.states, frames)
        folder = find_model(settings.weights)
        config = restored(plain(restored(read_config(folder, (KIND,)))))
        _same_bands(config, features)
        if settings.patch_stride and settings.patch_stride != [config.frequency_stride, config.time_stride]:
            raise UserError(
                f"audio.patch_stride {settings.patch_stride}: {settings.weights} has "
                f"[{config.frequency_stride}, {config.time_stride}]; leave it out"
            )
        return cls(published(ASTModel, folder, config), settings.states, frames)

    @classmethod
    def from_config(cls, settings: AudioEncoder, features: Features, config: dict[str, Any]) -> Ast:
        """Return the encoder of a saved model, its weights still random."""
        from transformers import ASTModel

        sizes = restored(config)
        _same_bands(sizes, features)
        return cls(built(ASTModel, sizes), settings.states, heard_frames(features))

    def encoder_config(self) -> dict[str, Any]:
        """Return the sizes of the architecture; `from_config` reads them."""
        return plain(self.encoder.config)

    def forward(self, features: Tensor) -> Tensor:
        """Return states `(segments, positions, width)`."""
        steps = self._steps(features.shape[-1])
        output = self._encoded(features.transpose(1, 2), steps)
        if self.states == "segment":
            return output.pooler_output.unsqueeze(1)
        patches = output.last_hidden_state[:, TOKENS:]
        return patches.reshape(len(features), self.grid[0], steps, self.width).mean(dim=1)

    def _encoded(self, frames: Tensor, steps: int) -> Any:
        """Return the model's output, with the position embeddings of the first `steps` time steps."""
        if steps == self.grid[1]:
            return self.encoder(frames)
        own = self.encoder.get_parameter(POSITIONS)
        grid = own[:, TOKENS:].reshape(1, *self.grid, self.width)[:, :, :steps].flatten(1, 2)
        # The model adds all its positions to the patches; here it runs with those of a shorter input in their place.
        shorter = {POSITIONS: torch.cat((own[:, :TOKENS], grid), dim=1)}
        return torch.func.functional_call(self.encoder, shorter, (frames,))

    def _steps(self, frames: int) -> int:
        config = self.encoder.config
        steps = (frames - config.patch_size) // config.time_stride + 1
        if not 0 < steps <= self.grid[1]:
            raise UserError(f"ast hears {config.patch_size} to {config.max_length} frames, got {frames}")
        return steps


def _same_bands(config: Any, features: Features) -> None:
    if config.num_mel_bins != features.mel_bands:
        raise UserError(f"ast hears {config.num_mel_bins} mel bands, features.mel_bands is {features.mel_bands}")
