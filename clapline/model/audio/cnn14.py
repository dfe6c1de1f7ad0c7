"""CNN14 of PANNs (Kong et al. 2020, arXiv 1912.10211), the audio encoder of MS-CLAP 2022."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from clapline.errors import UserError
from clapline.model.audio.architectures import heard_frames
from clapline.model.audio.matching import match, renamed
from clapline.model.audio.weight_files import find_weight_file, read_tensors
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

PUBLISHED = "https://zenodo.org/record/3987831 (Cnn14_mAP=0.431.pth)"
# Every size there is, and the published ones (qiuqiangkong/audioset_tagging_cnn, pytorch/models.py, class Cnn14).
SIZES: dict[str, Any] = {
    "channels": [64, 128, 256, 512, 1024, 2048],
    "embedding": 2048,
    "block_dropout": 0.2,
    "dropout": 0.5,
}
# Parts of a published checkpoint that have no place here: the front end and the classifier.
OTHERS = ("spectrogram_extractor.", "logmel_extractor.", "spec_augmenter.", "fc_audioset.")


class Block(nn.Module):
    """Two 3×3 convolutions without bias, each with batch norm and ReLU, then mean pooling."""

    def __init__(self, inputs: int, outputs: int, pool: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.pool = pool
        for convolution in (self.first, self.second):
            nn.init.xavier_uniform_(convolution.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Return `(batch, outputs, height / pool, width / pool)`."""
        images = functional.relu(self.first_norm(self.first(images)))
        images = functional.relu(self.second_norm(self.second(images)))
        return functional.avg_pool2d(images, self.pool) if self.pool > 1 else images


class Cnn14(nn.Module):
    """Blocks of convolutions, each but the last halving both axes, then the mean over what is left of the bands.

    `(segments, bands, frames)` in dB → frame states `(segments, frames / 32, 2048)`. With states "segment" the only
    position is the published embedding: ReLU(W (max + mean over time) + b), with dropout before and after. The layer W
    exists only there: a weight that takes no part could not be trained by several processes.
    """

    def __init__(self, sizes: Mapping[str, Any], states: str, bands: int, frames: int) -> None:
        super().__init__()
        self.sizes = checked(sizes)
        channels = self.sizes["channels"]
        self.states = states
        # The embedding is of a whole segment: cut to its longest clip, a batch would move that of every clip.
        self.fixed_length = states == "segment"
        self.scale = nn.BatchNorm2d(bands)
        pools = [2] * (len(channels) - 1) + [1]
        pairs = itertools.pairwise([1, *channels])
        self.blocks = nn.ModuleList(Block(*pair, pool) for pair, pool in zip(pairs, pools, strict=True))
        halvings = 2 ** (len(channels) - 1)
        if min(bands, frames) < halvings:
            raise UserError(f"cnn14 needs at least {halvings} bands and frames, the features have {bands} x {frames}")
        self.positions = 1 if states == "segment" else frames // halvings
        self.width = channels[-1]
        if states == "segment":
            self.width = self.sizes["embedding"]
            self.summary = nn.Linear(channels[-1], self.width)
            nn.init.xavier_uniform_(self.summary.weight)
            nn.init.zeros_(self.summary.bias)

    @classmethod
    def from_settings(cls, settings: AudioEncoder, features: Features) -> Cnn14:
        """Return the network of a published file (`weights`; sizes are told from its shapes), or a random one."""
        if settings.weights is None:
            return cls(settings.config, settings.states, features.mel_bands, heard_frames(features))
        tensors = from_authors(read_tensors(find_weight_file(settings.weights, PUBLISHED)))
        encoder = cls(sizes_of(tensors), settings.states, features.mel_bands, heard_frames(features))
        encoder.take(tensors, settings.weights)
        return encoder

    @classmethod
    def from_config(cls, settings: AudioEncoder, features: Features, config: dict[str, Any]) -> Cnn14:
        """Return the encoder of a saved model, its weights still random."""
        return cls(config, settings.states, features.mel_bands, heard_frames(features))

    def encoder_config(self) -> dict[str, Any]:
        """Return the sizes; `from_config` reads them."""
        return dict(self.sizes)

    def take(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Load what `from_authors` renamed; a weight that lacks is a UserError."""
        match(self, tensors, ignore=() if self.states == "segment" else ("summary.",), source=source)

    def forward(self, features: Tensor) -> Tensor:
        """Return states `(segments, positions, width)`."""
        # The batch norm of each band: bands stand on the channel axis, as in the published model.
        images = self.scale(features.unsqueeze(-1)).permute(0, 3, 2, 1)
        for block in self.blocks:
            images = functional.dropout(block(images), self.sizes["block_dropout"], self.training)
        frames = images.mean(dim=3)
        if self.states == "frames":
            return frames.transpose(1, 2)
        clip = functional.dropout(frames.amax(dim=2) + frames.mean(dim=2), self.sizes["dropout"], self.training)
        clip = functional.relu(self.summary(clip))
        return functional.dropout(clip, self.sizes["dropout"], self.training).unsqueeze(1)


def checked(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Return all sizes, the published ones where they are left out. Raises UserError on unknown or impossible ones."""
    unknown = sorted(set(sizes) - set(SIZES))
    if unknown:
        raise UserError(f"audio.config: unknown {', '.join(unknown)} for cnn14; known: {', '.join(SIZES)}")
    complete = {**SIZES, **sizes}
    channels, embedding = complete["channels"], complete["embedding"]
    if not isinstance(channels, Sequence) or not channels or not all(_count(size) for size in channels):
        raise UserError(f"audio.config: channels must be a list of positive whole numbers, got {channels!r}")
    if not _count(embedding):
        raise UserError(f"audio.config: embedding must be a positive whole number, got {embedding!r}")
    for name in ("block_dropout", "dropout"):
        if not isinstance(complete[name], int | float) or not 0 <= complete[name] < 1:
            raise UserError(f"audio.config: {name} must lie in [0, 1), got {complete[name]!r}")
    return {**complete, "channels": list(channels)}


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def from_authors(tensors: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Return a published state dict under our names; what has no place here is left out.

    Names and shapes: qiuqiangkong/audioset_tagging_cnn, pytorch/models.py, classes Cnn14 and ConvBlock: bn0,
    conv_block1 … conv_block6 with conv1, bn1, conv2, bn2 (conv2 is named before bn1 there), fc1; microsoft/CLAP,
    src/models/audio.py has the same names.
    """
    layers = {"conv1": "first", "bn1": "first_norm", "conv2": "second", "bn2": "second_norm"}
    ours: dict[str, Tensor] = {}
    for name, tensor in (renamed(tensors, prefix) if prefix else tensors).items():
        if name.startswith(OTHERS):
            continue
        part, _, rest = name.partition(".")
        if part.startswith("conv_block") and part.removeprefix("conv_block").isdigit():
            layer, _, last = rest.partition(".")
            block = int(part.removeprefix("conv_block")) - 1
            ours[f"blocks.{block}.{layers.get(layer, layer)}.{last}"] = tensor
        else:
            ours[f"{ {'bn0': 'scale', 'fc1': 'summary'}.get(part, part) }.{rest}"] = tensor
    return ours


def sizes_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the sizes that the shapes of a renamed state dict tell."""
    channels = []
    while (name := f"blocks.{len(channels)}.first.weight") in tensors:
        channels.append(tensors[name].shape[0])
    if not channels or "summary.weight" not in tensors:
        raise UserError(f"no CNN14 checkpoint: conv_block1.conv1.weight or fc1.weight lacks; published: {PUBLISHED}")
    return {"channels": channels, "embedding": tensors["summary.weight"].shape[0]}
