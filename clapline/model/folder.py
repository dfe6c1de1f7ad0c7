"""A model as a folder: config.json, model.safetensors, the text encoder's tokenizer, README.md. No pickle."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file

from clapline.errors import UserError
from clapline.model.audio import build_audio_encoder
from clapline.model.clap import Clap
from clapline.model.lookup import find_model
from clapline.model.text import build_text_encoder
from clapline.params.base import validated
from clapline.params.model import Model
from clapline.storage import atomic_folder, read_json, write_json, write_text


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
        UserError: it is neither, or nowhere to be had.
    """
    folder = find_model(str(name))
    for needed in ("config.json", "model.safetensors"):
        if not (folder / needed).is_file():
            raise UserError(f"{folder} is no saved model: it has no {needed}")
    config = read_json(folder / "config.json")
    if config.get("model_type") == "clap":
        from clapline.model.published.clap_model import from_clap_model

        return from_clap_model(folder).eval()
    if "model" not in config:
        raise UserError(f"{folder}/config.json describes neither a clapline model nor a ClapModel")
    settings = validated(Model, config["model"], f"{folder}/config.json: model")
    audio = build_audio_encoder(settings.audio, settings.features, config.get("audio", {}))
    clap = Clap(settings, audio, build_text_encoder(settings.text, folder=folder))
    clap.load_state_dict(load_file(folder / "model.safetensors"))
    return clap.eval()
