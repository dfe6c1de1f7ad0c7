"""States of a frozen audio encoder: computed once for every clip, ever, and read through memory-mapped files."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from clapline.model.inputs import AudioInputs, States
from clapline.model.pooling import masked_mean
from clapline.params.machine import Machine
from clapline.progress import progress_bar
from clapline.storage import atomic_path, content_key, store

# Clips encoded at a time on an accelerator. On the CPU one at a time: in a batch, the last bits of a state would depend
# on which clips were in the store already.
ENCODE_BATCH = 32
_PART_BYTES = 2**26
_TYPES = {"U8": np.uint8, "F16": np.float16, "F32": np.float32}


class FrozenStates:
    """States of clips by row, half precision, in files that are mapped and read as they are asked for.

    Safe and cheap to hand to another process, which maps the files anew.
    """

    def __init__(self, parts: Sequence[Path], places: np.ndarray, valid: Tensor) -> None:
        self.parts, self.places, self.valid = list(parts), places, valid  # places: (rows, 2), part and row in it
        self._maps: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.places)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_maps": {}}

    def __getitem__(self, rows: Sequence[int]) -> Tensor:
        """Return states `(rows, positions, width)`, half precision, on the CPU."""
        return torch.from_numpy(np.stack([self._part(part)[row] for part, row in self.places[list(rows)].tolist()]))

    def _part(self, part: int) -> np.ndarray:
        if part not in self._maps:
            mapped = mapped_tensors(self.parts[part])
            if mapped is None:
                raise OSError(f"{self.parts[part]} was there and is no longer whole")
            self._maps[part] = mapped["states"]
        return self._maps[part]


def frozen_states(
    encode: Callable[[AudioInputs], States],
    key: Sequence[Any],
    clips: pd.DataFrame,
    read: Callable[[Sequence[Any]], AudioInputs],
    machine: Machine,
    description: str,
    *,
    device: torch.device | str = "cpu",
    pooled: bool = False,
) -> FrozenStates:
    """Return the states of the clips of a table, of which only those that the store lacks are computed.

    Parts are written as they fill, each at once and under a name of its own: a killed run goes on where it was, a part
    that is not whole is passed over, and of two processes that write at a time both are right.

    Args:
        encode: of a batch of clips on the device, to states and their mask.
        key: whatever decides the states (JSON-like): the encoder's config, `weights_key`, the features' settings.
        clips: rows with a `sha256` and whatever `read` needs.
        read: of rows of the table (`itertuples`), to the encoder's inputs, on the CPU; crops must be deterministic.
        machine: whose `save_every_s` bounds the work that a kill loses.
        description: of the progress bar.
        device: where `encode` runs.
        pooled: keep the mean over the states that count, one position per clip, where nothing else is used.
    """
    folder = store("audio_states", content_key(list(key), {"pooled": pooled}))
    known, parts = _index(folder)
    names = [bytes.fromhex(name) for name in clips.sha256]
    first_row = {name: row for row, name in reversed(list(enumerate(names)))}
    missing = [row for name, row in first_row.items() if name not in known]
    if missing:
        rows = sorted(missing)
        _encode_all(encode, clips.iloc[rows], read, machine, description, folder, torch.device(device), pooled)
        known, parts = _index(folder)
    places = np.array([known[name][:2] for name in names], dtype=np.int64).reshape(-1, 2)
    valid = torch.tensor([known[name][2] for name in names], dtype=torch.float32)
    return FrozenStates(parts, places, valid)


def weights_key(module: nn.Module) -> str:
    """Return the SHA-256 of a module's weights and buffers by name, in hex."""
    found = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def mapped_tensors(path: Path) -> dict[str, np.ndarray] | None:
    """Return the tensors of a safetensors file as read-only maps of it; None when it is not a whole one.

    The format: eight bytes with the length of a JSON header, the header with each tensor's type, shape and place among
    the bytes that follow (safetensors' README). The library's own reader would copy a tensor to give one row of it.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                return None
            header = json.loads(file.read(length))
    except (OSError, ValueError):
        return None
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        if 8 + length + end > size or entry["dtype"] not in _TYPES:
            return None
        tensors[name] = np.memmap(path, _TYPES[entry["dtype"]], "r", 8 + length + begin, tuple(entry["shape"]))
    return tensors


def _index(folder: Path) -> tuple[dict[bytes, tuple[int, int, float]], list[Path]]:
    """Return where each clip's states are: part, row in it, valid share; and the parts."""
    known: dict[bytes, tuple[int, int, float]] = {}
    parts: list[Path] = []
    for path in sorted(folder.glob("[!.]*.safetensors")):
        tensors = mapped_tensors(path)
        if tensors is None or not {"names", "states", "valid"} <= set(tensors):
            continue
        for row, (name, valid) in enumerate(zip(tensors["names"], tensors["valid"], strict=True)):
            known.setdefault(name.tobytes(), (len(parts), row, float(valid)))
        parts.append(path)
    return known, parts


@torch.inference_mode()
def _encode_all(
    encode: Callable[[AudioInputs], States],
    clips: pd.DataFrame,
    read: Callable[[Sequence[Any]], AudioInputs],
    machine: Machine,
    description: str,
    folder: Path,
    device: torch.device,
    pooled: bool,
) -> None:
    rows = list(clips.itertuples(index=False))
    batch = 1 if device.type == "cpu" else ENCODE_BATCH
    held: list[tuple[bytes, np.ndarray, float]] = []
    saved = time.monotonic()
    with progress_bar(shown=machine.progress) as bar:
        task = bar.add_task(description, total=len(rows))
        for start in range(0, len(rows), batch):
            chosen = rows[start : start + batch]
            inputs = read(chosen)
            heard = encode(inputs.to(device))
            states = masked_mean(heard.states, heard.mask).unsqueeze(1) if pooled else heard.states
            for row, state, valid in zip(chosen, states.half().cpu().numpy(), inputs.valid.tolist(), strict=True):
                held.append((bytes.fromhex(row.sha256), state, 1.0 if pooled else valid))
            bar.advance(task, len(chosen))
            full = len(held) * held[0][1].nbytes >= _PART_BYTES
            if full or time.monotonic() - saved >= machine.save_every_s:
                _write(folder, held)
                held, saved = [], time.monotonic()
    if held:
        _write(folder, held)


def _write(folder: Path, held: list[tuple[bytes, np.ndarray, float]]) -> None:
    tensors = {
        "names": np.stack([np.frombuffer(name, dtype=np.uint8) for name, _, _ in held]),
        "states": np.stack([state for _, state, _ in held]),
        "valid": np.array([valid for _, _, valid in held], dtype=np.float32),
    }
    with atomic_path(folder / f"{uuid.uuid4().hex}.safetensors") as temporary:
        save_file(tensors, temporary)
