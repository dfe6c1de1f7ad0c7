"""A published model taken apart: what a Clap is built from, and its weights under our names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from clapline.model.audio import build_audio_encoder
from clapline.model.audio.matching import Matched, match
from clapline.model.clap import Clap
from clapline.model.text.architecture import random_model
from clapline.model.text.encoder import TransformersText
from clapline.model.text.pretrained import published_tokenizer
from clapline.params.model import Model

# What may stay as it was built: tables that follow from the sizes, which some versions of transformers do not save.
COMPUTED = "relative_position_index"


@dataclass(frozen=True)
class Published:
    """What a published model says of itself."""

    settings: Model
    audio_config: dict[str, Any]  # `encoder_config` of the audio encoder
    text_config: Any  # configuration of transformers
    tokenizer: Path  # folder
    tensors: dict[str, Tensor]  # named as in Clap: audio.…, audio_head.…, text.…, text_head.…, log_scale
    ignored: tuple[str, ...]  # prefixes of names that have no place in a Clap, as they stand in `tensors`
    source: str

    def assembled(self) -> tuple[Clap, Matched]:
        """Return the Clap with all its weights, in evaluation mode, and the report.

        Raises:
            UserError: a weight is missing or of another size, or the text model has no tokenizer here.
        """
        settings = self.settings
        audio = build_audio_encoder(settings.audio, settings.features, self.audio_config)
        model = random_model(self.text_config, settings.text)
        tokens = published_tokenizer(self.tokenizer, self.text_config, settings.text)
        clap = Clap(settings, audio, TransformersText(settings.text, model, tokens))
        computed = [name for name in clap.state_dict() if name.endswith(COMPUTED)]
        report = match(clap, self.tensors, self.ignored, allow_missing=computed, source=self.source)
        return clap.eval(), report


def temperature(log_scale: Tensor) -> dict[str, float]:
    """Return the temperature settings of a published log scale, bounded at 100 in training as CLIP's is.

    A larger scale is its own bound: a model trained up to log(100) has a little more than 100 in single precision.
    """
    initial = math.exp(-float(log_scale))
    return {"initial": initial, "maximum_scale": max(100.0, 1 / initial)}


def moved(tensors: Mapping[str, Tensor], places: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the tensors with the prefix of each name replaced by the first of `places` that fits; others as named."""
    renamed = {}
    for name, tensor in tensors.items():
        old = next((old for old in places if name.startswith(old)), None)
        renamed[name if old is None else places[old] + name.removeprefix(old)] = tensor
    return renamed


def layers(tensors: Mapping[str, Tensor], before: str) -> int:
    """Return how many numbered modules there are below a prefix: 12 for before.0 … before.11."""
    numbers = {name.removeprefix(before).split(".")[0] for name in tensors if name.startswith(before)}
    return len([number for number in numbers if number.isdigit()])
