"""A frozen text encoder: every caption's state is computed once, ever, and kept on disk."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor, nn

from clapline.errors import UserError
from clapline.loaded_code import source_key
from clapline.model.inputs import Inputs, States
from clapline.model.lookup import find_model
from clapline.model.pooling import pool_tokens
from clapline.model.text import pretrained
from clapline.model.text.encoder import FOLDER, TransformersText
from clapline.params.text_encoder import TextEncoder
from clapline.progress import tracked
from clapline.storage import atomic_path, file_sha256, read_json, store, write_json

# The modules that decide a caption's state.
SOURCES = (
    *(f"clapline.model.text.{name}" for name in ("architecture", "encoder", "frozen", "length")),
    *(f"clapline.model.text.{name}" for name in ("pretrained", "tokenizer", "words")),
    "clapline.model.pooling",
)
PART = 1000  # captions encoded between two writes: what a kill can cost


class FrozenText(nn.Module):
    """A frozen sentence encoder: one unit state per caption, cached under (weights, reading, code, caption).

    It has no parameters: the encoder itself is loaded only when a caption is not in the cache. Captions are encoded one
    at a time, and on the CPU: in a batch the last bits of a state would depend on which captions were in the cache
    already, and on a GPU on which machine filled it.
    """

    def __init__(self, settings: TextEncoder, folder: Path | None = None) -> None:
        """Take the published weights, or with `folder` those that a saved model names, which may be absent.

        Raises:
            UserError: the weights are nowhere to be had, or the saved model does not name them.
        """
        super().__init__()
        self.settings = settings
        if folder is None:
            published = find_model(settings.model or "")
            self.weights = _hash_of(published)
            self.width: int = pretrained.text_config(pretrained.read_config(published)).hidden_size
        else:
            try:
                saved = read_json(folder / FOLDER / "config.json")
                self.weights, self.width = saved["weights"], saved["width"]
            except (OSError, ValueError, KeyError):
                raise UserError(f"{folder / FOLDER}/config.json does not name a frozen text encoder") from None
        self.cache = store("text_states", cache_name(self.weights, settings))
        self._on_disk: dict[str, tuple[Path, int]] = {}
        self._indexed: set[Path] = set()
        self._rows: dict[str, int] = {}
        self._states = torch.empty(0, self.width)

    def tokenise(self, captions: Sequence[str]) -> list[list[int]]:
        """Return for each caption the one row of its state in the table; encodes those that no cache has."""
        names = {caption: hashlib.sha256(caption.encode()).hexdigest()[:32] for caption in captions}
        wanted = {name: caption for caption, name in names.items() if name not in self._rows}
        if wanted:
            self._take_in(wanted)
            missing = {name: caption for name, caption in wanted.items() if name not in self._rows}
            if missing:
                # Whoever comes second waits, and finds the work done.
                with _alone(self.cache / "lock"):
                    self._take_in(missing)
                    self._encode({name: caption for name, caption in missing.items() if name not in self._rows})
                self._take_in(missing)
        return [[self._rows[names[caption]]] for caption in captions]

    @property
    def collate(self) -> Callable[[Sequence[Sequence[int]]], Inputs]:
        """Rows of the table → `states` `(captions, width)`, for all rows that `tokenise` has given so far."""
        return partial(look_up, table=self._states)

    def prepare(self, captions: Sequence[str]) -> Inputs:
        """Return the cached states, `(captions, width)`."""
        rows = self.tokenise(captions)
        return self.collate(rows)

    def forward(self, inputs: Inputs) -> States:
        """Return states of one position, `(captions, 1, width)`."""
        states = inputs["states"].unsqueeze(1)
        return States(states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device))

    def save(self, folder: Path) -> None:
        """Write config.json into the folder `text` of a saved model: which weights they are, not the weights."""
        (folder / FOLDER).mkdir(exist_ok=True)
        content = {"model": self.settings.model, "weights": self.weights, "width": self.width}
        write_json(folder / FOLDER / "config.json", content)

    def _take_in(self, wanted: dict[str, str]) -> None:
        """Append to the table what the disk has of the wanted names; parts are read only where they hold one."""
        for part in sorted(set(self.cache.glob("*.safetensors")) - self._indexed):
            with safe_open(part, framework="np") as file:
                for row, name in enumerate(file.get_tensor("names")):
                    self._on_disk.setdefault(name.tobytes().hex(), (part, row))
            self._indexed.add(part)
        found: dict[Path, list[tuple[str, int]]] = {}
        for name in wanted:
            if name not in self._rows and name in self._on_disk:
                part, row = self._on_disk[name]
                found.setdefault(part, []).append((name, row))
        added = []
        count = len(self._states)
        for part, entries in found.items():
            with safe_open(part, framework="np") as file:
                added.append(torch.from_numpy(file.get_tensor("states")[[row for _, row in entries]]))
            for name, _ in entries:
                self._rows[name] = count
                count += 1
        # A new table, not a longer one: what `collate` gave away before stays as it was.
        self._states = torch.cat([self._states, *added])

    @torch.inference_mode()
    def _encode(self, missing: dict[str, str]) -> None:
        if not missing:
            return
        published = find_model(self.settings.model or "")
        if _hash_of(published) != self.weights:
            raise UserError(
                f"{len(missing)} captions are not in the cache, and the weights of {self.settings.model} in "
                f"{published} are not those of the saved model"
            )
        encoder, tokens = pretrained.load_published(self.settings)
        text = TransformersText(self.settings, encoder, tokens).eval()
        names: list[str] = []
        states: list[Tensor] = []
        for name, caption in tracked(missing.items(), "encoding captions", len(missing)):
            names.append(name)
            states.append(nn.functional.normalize(pool_tokens(text(text.prepare([caption])), self.settings.pooling)))
            if len(names) == PART:
                self._write(names, states)
                names, states = [], []
        if names:
            self._write(names, states)

    def _write(self, names: list[str], states: list[Tensor]) -> None:
        keys = np.stack([np.frombuffer(bytes.fromhex(name), dtype=np.uint8) for name in names])
        with atomic_path(self.cache / f"{uuid.uuid4().hex}.safetensors") as temporary:
            save_file({"names": keys, "states": torch.cat(states).numpy()}, temporary)


def cache_name(weights: str, settings: TextEncoder) -> str:
    """Return the name of the cache's folder: the weights and all that a caption's state depends on beside them.

    That is how captions are read, and the code that does it: a mended fault must not live on in the cache.
    """
    pooling = "" if settings.pooling == "mean" else f"-{settings.pooling}"
    plain = "-plain" if settings.plain else ""
    return f"{weights[:32]}-{settings.maximum_tokens}{pooling}{plain}-{source_key(*SOURCES)[:16]}"


def look_up(rows: Sequence[Sequence[int]], table: Tensor) -> Inputs:
    """Return `states`, the rows `[[row], ...]` of a table `(rows, width)`."""
    return {"states": table[torch.tensor([row for (row,) in rows], dtype=torch.int64)]}


def _hash_of(published: Path) -> str:
    """Return the SHA-256 of a model's weights, in hex; over the hashes of all parts where there are several."""
    hashes = [file_sha256(path) for path in pretrained.weight_files(published)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file against other processes and threads; a killed process holds it no longer."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
