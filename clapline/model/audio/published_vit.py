"""Build a `SpectrogramVit` from settings: new, from published weights, or as a saved folder describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from clapline.model.audio.matching import Matched, match
from clapline.model.audio.spectrogram_vit import SpectrogramVit
from clapline.model.audio.vit_sizes import VitSizes, random_sizes
from clapline.model.audio.weight_files import find_weight_file, read_tensors
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features


class PublishedVit(SpectrogramVit):
    """A family of published spectrogram transformers: sizes of a new one, and how its checkpoints are read.

    Attention is not masked: every state has seen the padding of its segment, as in the published models.
    """

    fixed_length = True  # cut to its longest clip, a batch would show each clip a padding that its mates decide

    PUBLISHED: ClassVar[str]  # where the authors offer weights
    FILES: ClassVar[Mapping[str, str]] = {}  # the authors' name of a model → its file

    @classmethod
    def new_sizes(cls, settings: AudioEncoder, features: Features, frames: int) -> VitSizes:
        """Return the sizes of a network with random weights."""
        raise NotImplementedError

    @classmethod
    def read_checkpoint(
        cls, tensors: Mapping[str, Tensor], settings: AudioEncoder, features: Features
    ) -> tuple[VitSizes, dict[str, Tensor], list[str]]:
        """Return sizes, tensors under our names, and the names that are left out on purpose."""
        raise NotImplementedError

    @classmethod
    def from_settings(cls, settings: AudioEncoder, features: Features) -> Self:
        """Return a new encoder: published weights where `settings.weights` names them, else random ones.

        `settings.weights` is a file, or the authors' name of a model whose file lies beside the run or in the mirror.
        The sizes are read off the checkpoint; `matched` of the encoder says what fitted.

        Raises:
            UserError: no such file, a file that holds other weights, settings or features that do not fit them.
        """
        if settings.weights is None:
            frames = frames_of(features)
            return cls._build(settings, frames, cls.new_sizes(settings, features, frames))
        path = find_weight_file(cls.FILES.get(settings.weights, settings.weights), cls.PUBLISHED)
        return cls.from_tensors(read_tensors(path), settings, features, source=str(path))

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, Tensor],
        settings: AudioEncoder,
        features: Features,
        *,
        source: str = "the checkpoint",
    ) -> Self:
        """Return an encoder filled from a published state dict, under its authors' names.

        Raises:
            UserError: the tensors are of another model, or do not fit settings and features.
        """
        sizes, ours, ignored = cls.read_checkpoint(tensors, settings, features)
        frames = frames_of(features)
        with torch.device("meta"):  # nothing is drawn for weights that are filled below
            encoder = cls._build(settings, frames, sizes)
        encoder = encoder.to_empty(device="cpu")
        fitted = match(encoder, ours, source=source)
        encoder.matched = Matched(fitted.loaded, fitted.missing, fitted.unexpected, fitted.reshaped, ignored)
        return encoder

    @classmethod
    def from_config(cls, settings: AudioEncoder, features: Features, config: dict[str, Any]) -> Self:
        """Return an encoder of the sizes that `encoder_config` wrote, with weights yet to be loaded."""
        return cls._build(settings, frames_of(features), VitSizes.from_config(config))

    @classmethod
    def _build(cls, settings: AudioEncoder, frames: int, sizes: VitSizes) -> Self:
        return cls(
            sizes,
            frames=frames,
            states=settings.states,
            patchout_bands=settings.patchout_bands,
            patchout_frames=settings.patchout_frames,
        )


def frames_of(features: Features) -> int:
    """Return the frames of a segment, as the front end makes them."""
    from clapline.model.front_ends import build_front_end

    return build_front_end(features).frames


def stride_of(settings: AudioEncoder) -> tuple[int, int] | None:
    """Return the step of the patches that the settings name, in bands and frames."""
    return None if settings.patch_stride is None else (settings.patch_stride[0], settings.patch_stride[1])


def new_sizes(settings: AudioEncoder, features: Features, frames: int, patch: tuple[int, int], **kind: Any) -> VitSizes:
    """Return the sizes of a network with random weights: the base model's, with what `settings.config` says instead."""
    sizes = random_sizes(
        settings.config, patch=patch, stride=stride_of(settings), bands=features.mel_bands, frames=frames
    )
    return VitSizes(**sizes, **kind)
