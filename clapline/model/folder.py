"""A model as a folder: config.json, model.safetensors, the text encoder's tokenizer, README.md. No pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from safetensors.torch import save_file
from torch import nn

from clapline.errors import UserError
from clapline.model.audio import build_audio_encoder
from clapline.model.audio.architectures import read_mapping
from clapline.model.audio.matching import match, shorten
from clapline.model.audio.weight_files import read_tensors
from clapline.model.clap import Clap
from clapline.model.lookup import find_model
from clapline.model.text import build_text_encoder
from clapline.model.text.encoder import COUNTED
from clapline.params.base import validated
from clapline.params.model import Model
from clapline.storage import atomic_folder, write_json, write_text

Built = TypeVar("Built", bound=nn.Module)


def save(clap: Clap, folder: Path | str, card: str) -> None:
    """Write the folder atomically; it needs no hub and no other file to be loaded again."""
    with atomic_folder(folder) as temporary:
        write_json(
            temporary / "config.json",
            {"model": clap.settings.model_dump(), "audio": clap.audio.encoder_config()},
        )
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in clap.state_dict().items()},
            temporary / "model.safetensors",
        )
        clap.text.save(temporary)
        write_text(temporary / "README.md", card)


def load(name: Path | str) -> Clap:
    """Return the model of a folder or a hub id, in evaluation mode: ours, or any ClapModel of transformers.

    Raises:
        UserError: it is neither, or nowhere to be had, or damaged: the file is named, and what is wrong with it.
    """
    folder = find_model(str(name))
    config_file, weights_file = folder / "config.json", folder / "model.safetensors"
    if not config_file.is_file():
        raise UserError(f"{folder} is no saved model: it has no config.json")
    config = read_mapping(config_file)
    if config.get("model_type") == "clap":
        from clapline.model.published.clap_model import from_clap_model

        return _built(lambda: from_clap_model(folder, str(name)), f"{folder} holds no ClapModel that can be read")
    if "model" not in config:
        raise UserError(f"{config_file} describes neither a clapline model nor a ClapModel")
    if not weights_file.is_file():
        raise UserError(f"{folder} is no saved model: it has no model.safetensors")
    settings = validated(Model, config["model"], f"{config_file}: model")
    audio_config = config.get("audio", {})
    if not isinstance(audio_config, dict):
        raise UserError(f"{config_file}: audio must hold names and values, found a {type(audio_config).__name__}")
    audio = _built(
        lambda: build_audio_encoder(settings.audio, settings.features, audio_config),
        f"{config_file}: audio does not describe an encoder of kind {settings.audio.kind}",
    )
    text = _built(
        lambda: build_text_encoder(settings.text, folder=folder),
        f"{folder / 'text'} does not describe a text encoder of kind {settings.text.kind}",
    )
    clap = Clap(settings, audio, text)
    tensors = read_tensors(weights_file)
    counted = [name for name in tensors if name.startswith("text.encoder.") and name.split(".")[-1] in COUNTED]
    unexpected = sorted(set(tensors) - set(clap.state_dict()) - set(counted))
    if unexpected:
        raise UserError(f"{weights_file} does not fit its config.json: no place for {shorten(unexpected)}")
    match(clap, tensors, ignore=counted, source=str(weights_file))
    clap.bound_logit_scale()
    return clap.eval()


def _built(build: Callable[[], Built], wrong: str) -> Built:
    """Return what `build` makes of a folder's own words; whatever it stumbles over there is a UserError."""
    try:
        return build()
    except UserError:
        raise
    except Exception as error:  # transformers checks values in its own classes, whose names differ between versions
        raise UserError(f"{wrong}: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from None
