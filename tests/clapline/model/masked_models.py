"""Tiny models with masks: every family of audio encoders, and the small text encoder beside it."""

from __future__ import annotations

import torch

from clapline import Clap
from clapline.model.inputs import AudioInputs
from clapline.model.masking import at_frames
from clapline.params.model import Model

HEARD = {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0}
VIT = {"width": 16, "depth": 1, "heads": 2, "hidden": 16}
AST = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
HTSAT = {
    "spec_size": 64,
    "patch_embeds_hidden_size": 8,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "window_size": 4,
}
RESNET = {"embedding_size": 8, "layer_type": "basic", "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
VISION = {"kind": "vision", "architecture": "resnet", "config": RESNET}
CNN14 = {"kind": "cnn14", "config": {"channels": [4, 8, 8], "embedding": 16}}
AUDIO = {
    "cnn": ({"channels": [4, 8]}, HEARD),
    "cnn, mean and maximum": ({"channels": [4, 8], "pooling": "mean_max"}, HEARD),
    "htsat": ({"kind": "htsat", "config": HTSAT}, {"kind": "clap", "mel_bands": 16, "duration_s": 2.0}),
    "ast": ({"kind": "ast", "config": AST}, {"kind": "ast", "mel_bands": 48, "duration_s": 1.28}),
    "passt": ({"kind": "passt", "config": VIT}, {"kind": "passt", "duration_s": 1.28}),
    "atst": ({"kind": "atst", "config": VIT}, {"kind": "atst", "duration_s": 0.64}),
    "cnn14": (CNN14, {"kind": "clap", "duration_s": 0.5}),
    "vision": (VISION, {"kind": "passt", "mel_bands": 64, "duration_s": 1.28}),
}
TEXT = {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 100, "maximum_tokens": 12}
CAPTIONS = ["a dog barks", "rain falls on a tin roof", "a dog barks while rain falls"]


def model_of(audio: dict, features: dict, text: dict = TEXT, **more: object) -> Clap:
    sections = {"features": features, "audio": audio, "text": text, "head": {"dimension": 8}, "masked": True, **more}
    torch.manual_seed(0)
    return Clap.new(Model.model_validate(sections), CAPTIONS).eval()


def heard_by(name: str, states: str = "frames", segments: int = 1, **audio: object) -> Clap:
    kind, features = AUDIO[name]
    features = {**features, "short": "zero"}
    if segments > 1:
        features |= {"segment_s": features["duration_s"], "duration_s": segments * features["duration_s"]}
    return model_of({**kind, "states": states, **audio}, features)


def clips_of(clap: Clap, *valid: float) -> AudioInputs:
    shape = (len(valid), clap.front_end.segments, clap.front_end.bands, clap.front_end.frames)
    return AudioInputs(torch.tensor(valid), torch.randn(shape, generator=torch.Generator().manual_seed(1)))


def hidden_frames(clap: Clap, inputs: AudioInputs, visible: torch.Tensor) -> torch.Tensor:
    _, segments, _, frames = inputs.features.shape
    hidden = clap.valid_units(inputs) & ~visible
    return at_frames(hidden, segments, frames, clap.front_end.segments * clap.front_end.frames).unsqueeze(2)


def half_of(clap: Clap, inputs: AudioInputs) -> torch.Tensor:
    """Hide every second unit of a clip, whole segments too where there are three."""
    units = clap.mask_units
    visible = (torch.arange(units) % 2 == 1).expand(len(inputs), -1).clone()
    if clap.front_end.segments == 3:
        visible[:, units // 3 : 2 * units // 3] = False
    return visible
