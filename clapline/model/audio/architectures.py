"""What the encoders built on transformers' architectures share: sizes from the settings, and published folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model.audio.weight_files import read_tensors
from clapline.params.features import Features
from clapline.storage import read_json


def heard_frames(features: Features) -> int:
    """Return the frames of a whole segment, as the front end makes them."""
    from clapline.model.front_ends import build_front_end

    return build_front_end(features).frames


def sized(model_type: str, sizes: Mapping[str, Any], fixed: Mapping[str, Any]) -> Any:
    """Return a transformers configuration: `sizes` as the user set them, `fixed` as the encoder needs them.

    Args:
        model_type: transformers' name of the architecture.
        sizes: the setting `audio.config`.
        fixed: what follows from the features or from other settings, and may not be set.

    Raises:
        UserError: an unknown name (the known ones are listed), a name that is fixed, or a value of another type.
    """
    from transformers import AutoConfig, PreTrainedConfig

    general = set(PreTrainedConfig().to_dict())
    known = sorted(name for name in AutoConfig.for_model(model_type).to_dict() if name not in {*general, *fixed})
    unknown = sorted(set(sizes) - set(known))
    if unknown:
        raise UserError(f"audio.config: unknown {', '.join(unknown)} for {model_type}; known: {', '.join(known)}")
    return restored({"model_type": model_type, **sizes, **fixed})


def restored(config: Mapping[str, Any]) -> Any:
    """Return the transformers configuration that `plain` wrote; a wrong value is a UserError."""
    from transformers import AutoConfig

    content = dict(config)
    try:
        return AutoConfig.for_model(content.pop("model_type"), **content)
    except Exception as error:  # transformers checks values in its own classes, whose names differ between versions
        raise UserError(f"audio.config: {' '.join(str(error).split())}") from error


def plain(config: Any) -> dict[str, Any]:
    """Return what a transformers configuration says of the architecture, JSON-able; `restored` reads it."""
    from transformers import PreTrainedConfig

    general = set(PreTrainedConfig().to_dict()) - {"model_type"}
    return {name: value for name, value in config.to_dict().items() if name not in general and not name.startswith("_")}


def built(make: Any, config: Any) -> nn.Module:
    """Return `make(config)`; sizes that do not go together are a UserError."""
    try:
        return make(config)
    except (ValueError, RuntimeError, IndexError, ZeroDivisionError, KeyError) as error:
        raise UserError(f"audio.config: {' '.join(str(error).split())}") from error


def published(make: Any, folder: Path, config: Any) -> nn.Module:
    """Return a model of transformers with the weights of a folder, float32, every weight of it found there.

    transformers itself loads it, because it knows how names changed between its versions.

    Raises:
        UserError: no safetensors file, or a weight of the model is not in it.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # of reading a weights file; not quiet off a terminal by itself
    if not any(folder.glob("model*.safetensors")):
        raise UserError(f"{folder} holds no model.safetensors; other formats are not loaded")
    model, report = make.from_pretrained(folder, config=config, use_safetensors=True, output_loading_info=True)
    missing = [*report["missing_keys"], *(str(names[0]) for names in report.get("mismatched_keys") or ())]
    if missing:
        raise UserError(f"{folder} does not fit {type(model).__name__}: missing {', '.join(sorted(missing)[:5])}")
    return model.float()


def read_config(folder: Path, kinds: Iterable[str]) -> dict[str, Any]:
    """Return the config.json of a folder of transformers; a UserError where it is of none of the `kinds`."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is no model folder: it has no config.json")
    config = read_mapping(folder / "config.json")
    found = config.get("model_type")
    if found not in tuple(kinds):
        raise UserError(f"{folder} holds a model of type {found!r}; allowed: {', '.join(kinds)}")
    return config


def read_mapping(path: Path) -> dict[str, Any]:
    """Return a JSON file of names and values; a UserError where it is none."""
    try:
        content = read_json(path)
    except ValueError as error:  # no JSON, or no text
        raise UserError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold names and values, found a {type(content).__name__}")
    return content


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a folder of transformers: safetensors, whole or in shards, or a weights-only .bin."""
    files = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise UserError(f"{folder} holds neither model.safetensors nor pytorch_model.bin")
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors.update(read_tensors(file))
    return tensors
