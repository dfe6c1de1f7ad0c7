"""Audio encoders: spectrogram features of a segment → states along time. One module per family, found by its kind."""

from __future__ import annotations

from typing import Any

from torch import nn

from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features


def build_audio_encoder(settings: AudioEncoder, features: Features, config: dict[str, Any] | None = None) -> nn.Module:
    """Return the encoder that the settings name: `(segments, bands, frames)` → states `(segments, positions, width)`.

    Args:
        settings: the audio section of a model.
        features: what it hears.
        config: what a saved encoder wrote of itself (`encoder_config`); its weights are loaded afterwards. None: a new
            encoder, with published weights where the settings name them.
    """
    family = _family(settings.kind)
    if config is not None:
        return family.from_config(settings, features, config)
    return family.from_settings(settings, features)


def _family(kind: str) -> Any:
    """Return a kind's class; only its own module is imported, and each stands here by name, for what depends on it."""
    if kind == "cnn":
        from clapline.model.audio.small import SmallCnn as family
    elif kind == "htsat":
        from clapline.model.audio.htsat import Htsat as family
    elif kind == "ast":
        from clapline.model.audio.ast import Ast as family
    elif kind == "passt":
        from clapline.model.audio.passt import Passt as family
    elif kind == "atst":
        from clapline.model.audio.atst import Atst as family
    elif kind == "cnn14":
        from clapline.model.audio.cnn14 import Cnn14 as family
    elif kind == "vision":
        from clapline.model.audio.vision import VisionCnn as family
    else:
        raise ValueError(f"no audio encoder of kind {kind!r}")
    return family
