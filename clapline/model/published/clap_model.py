"""ClapModel of transformers, e.g. laion/clap-htsat-unfused: both towers and both projections → a Clap.

A model with feature fusion, e.g. laion/clap-htsat-fused, gives its own embeddings of clips no longer than its input
(10 s), of which it uses one image alone (`is_longer` False). Of a longer clip it would fuse the whole and three crops
drawn at random; the Clap hears the middle of it, as every Clap does, with the same weights but those of the fusion.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from clapline.errors import UserError
from clapline.model.audio.architectures import plain, read_config, read_folder, read_mapping
from clapline.model.audio.htsat import FUSION, mel_scale, tower_config
from clapline.model.clap import Clap
from clapline.model.published.parts import Published, moved, temperature
from clapline.model.text.pretrained import read_config as read_text_config
from clapline.params.base import validated
from clapline.params.model import Model

# Names of a ClapModel → names of a Clap.
PLACES = {
    "audio_model.": "audio.encoder.",
    "text_model.": "text.encoder.",
    "audio_projection.linear1.": "audio_head.first.",
    "audio_projection.linear2.": "audio_head.second.",
    "text_projection.linear1.": "text_head.first.",
    "text_projection.linear2.": "text_head.second.",
    "logit_scale_a": "log_scale",
}
# The fusion of longer clips (see htsat.py); tables of counted numbers; the second temperature, of the same logits in
# the direction from text to audio, where a Clap has one for both.
IGNORED = (
    *(f"audio.encoder.{name}" for name in FUSION),
    "text.encoder.embeddings.position_ids",
    "text.encoder.embeddings.token_type_ids",
    "logit_scale_t",
)
MAXIMUM_TOKENS = 77  # of a caption in LAION-CLAP's training (laion_clap/hook.py, tokenizer)
# What ClapFeatureExtractor calls our settings.
EXTRACTOR = {
    "sampling_rate": "sample_rate_hz",
    "fft_window_size": "window_samples",
    "hop_length": "hop_samples",
    "feature_size": "mel_bands",
    "frequency_min": "minimum_hz",
    "frequency_max": "maximum_hz",
    "max_length_s": "duration_s",
}
# Its padding of short clips → ours.
SHORT = {"repeatpad": "repeat_pad", "repeat": "repeat", "pad": "zero"}


def from_clap_model(folder: Path, name: str) -> Clap:
    """Return the ClapModel in a folder as a Clap in evaluation mode. Raises UserError when a weight is missing.

    `name`, as the user gave it, is what the Clap's settings say of where its tokenizer is from: never the folder, which
    is a place on one machine.
    """
    return read(folder, source=name).assembled()[0]


def read(folder: Path, source: str) -> Published:
    """Return what the folder of a ClapModel holds, its weights under our names; `source` is its name for the user.

    Raises:
        UserError: no ClapModel, projections with another activation than ReLU, or features we cannot make.
    """
    content = read_config(folder, ("clap",))
    config = read_text_config(folder)
    if config.projection_hidden_act != "relu":
        raise UserError(f"{source}: projections with {config.projection_hidden_act} are not supported; allowed: relu")
    audio = tower_config(content)
    features = heard(folder, source) | {"mel_scale": mel_scale(folder, content)}
    tensors = moved(read_folder(folder), PLACES)
    settings = clap_settings(tensors, features, source, config.projection_dim, source)
    return Published(settings, plain(audio), config.text_config, folder, tensors, IGNORED, source)


def clap_settings(
    tensors: dict[str, Tensor], features: dict[str, Any], source: str, dimension: int, text: str
) -> Model:
    """Return the settings of a Clap of this family: HTSAT's own summary, RoBERTa's pooler, LAION's projections.

    `text` is where the tokenizer is from. Raises UserError when there is no temperature.
    """
    scale = tensors.get("log_scale")
    if scale is None:
        raise UserError(f"{source} holds no temperature (logit_scale_a)")
    values = {
        "features": features,
        "audio": {"kind": "htsat", "states": "segment"},
        "text": {"kind": "pretrained", "model": text, "pooling": "pooler", "maximum_tokens": MAXIMUM_TOKENS},
        "head": {"kind": "mlp", "dimension": dimension},
        "temperature": temperature(scale),
    }
    return validated(Model, values, source)


def heard(folder: Path, source: str) -> dict[str, Any]:
    """Return the features of preprocessor_config.json but for the mel scale; without that file those of kind `clap`.

    Raises:
        UserError: what the front end does not make.
    """
    file = folder / "preprocessor_config.json"
    says = read_mapping(file) if file.is_file() else {}
    padding = says.get("padding", "repeatpad")
    if padding not in SHORT:
        raise UserError(f"{source}: padding {padding!r} of short clips is unknown; allowed: {', '.join(SHORT)}")
    features: dict[str, Any] = {"kind": "clap", "short": SHORT[padding]}
    features |= {ours: says[theirs] for theirs, ours in EXTRACTOR.items() if says.get(theirs) is not None}
    if says.get("top_db") is not None:
        raise UserError(f"{source}: a floor of {says['top_db']} dB below the loudest value is not supported")
    return features
