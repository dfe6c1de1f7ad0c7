"""Read the tensors of a published weight file without running anything that is in it."""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clapline.errors import UserError
from clapline.storage import mirror

# Where trainers put the state dict inside a checkpoint: Lightning and LAION-CLAP; MS-CLAP and EfficientAT; others.
INSIDE = ("state_dict", "model", "model_state_dict")


# What torch's restricted reader raises of a file that is none, or holds more than tensors.
_DAMAGED = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
)


def find_weight_file(named: str, published: str) -> Path:
    """Return the file: as named, below the run's folder (`DVC_ROOT`), in the mirror (models/), or in torch's hub cache.

    Args:
        named: the setting `weights`.
        published: where the authors offer it, for the error.

    Raises:
        UserError: in none of these places.
    """
    path = Path(named).expanduser()
    places = [path, Path(os.environ.get("DVC_ROOT", ".")) / path]
    mirrored = mirror()
    if mirrored is not None:
        places.append(mirrored / "models" / path)
    places.append(Path(torch.hub.get_dir()) / "checkpoints" / path)  # where the authors' own packages put downloads
    for place in places:
        if place.is_file():
            return place
    raise UserError(
        f"no file {named!r} here, under models/ of the mirror or in torch's hub cache; published: {published}"
    )


def read_tensors(path: Path, inside: Sequence[str] = INSIDE) -> dict[str, Tensor]:
    """Return the state dict of a .safetensors, .pt, .pth or .ckpt file, on the CPU.

    Pickled files go through torch's restricted unpickler (`weights_only=True`), which builds tensors and plain
    containers and refuses everything else; besides these only numpy scalars and `argparse.Namespace` are let through,
    which training scripts leave beside the weights. A state dict below one of the keys `inside` is taken from there.

    Raises:
        UserError: another kind of file, a file that holds other objects or none, a damaged file.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise UserError(f"{path} is no safetensors file: {error}") from error
    if path.suffix not in (".pt", ".pth", ".ckpt", ".bin"):
        raise UserError(f"{path}: weights are read from .safetensors, .pt, .pth, .ckpt and .bin files")
    try:
        with torch.serialization.safe_globals(_harmless()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{path} holds more than tensors or is damaged, and is not loaded: nothing pickled is run here. "
            f"Save its state dict as .safetensors where you trust it ({reason})"
        ) from error
    return _state_dict(content, inside, path)


def _state_dict(content: Any, inside: Sequence[str], path: Path) -> dict[str, Tensor]:
    """Return the mapping of names to tensors, itself or below one of the keys."""
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}, not a state dict")
    for key in inside:
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"{path} holds no tensors; its keys: {', '.join(map(str, list(content)[:8])) or 'none'}")
    return tensors


def _harmless() -> list[Any]:
    """Return what the restricted unpickler may build besides tensors: values without behaviour."""
    scalar = type(np.float64(0)).__reduce__(np.float64(0))[0]
    kinds = {type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")}
    return [
        argparse.Namespace,
        np.dtype,
        *kinds,
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
    ]
