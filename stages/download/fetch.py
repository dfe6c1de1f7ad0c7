"""The download store: what a kind fetched, by content key, so that no edit and no experiment fetches it again.

A stored folder is named by (kind, options, sources of the kind, state of the kind's origin). Its files are read-only
and data/raw holds hard links to them: never change a file of data/raw in place.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from clapline import randomness
from clapline.datasets import sources
from clapline.params.base import Section
from clapline.params.machine import Machine
from clapline.storage import atomic_folder, content_key, file_sha256, store


def stored(kind: ModuleType, options: Section, machine: Machine) -> tuple[Path, bool]:
    """Return the folder of the store with the dataset, and whether it was fetched just now.

    Raises UserError from the kind: no mirror, a missing folder, an empty file.
    """
    name = kind.__name__.rsplit(".", 1)[1]
    origin = kind.origin(options) if hasattr(kind, "origin") else None
    key = content_key(name, options.model_dump(mode="json"), _sources(kind), origin)
    shelf = store("downloads", name)
    folder = shelf / key
    with _locked(shelf / f"{key}.lock"):
        if folder.exists():
            return folder, False
        # Only the holder of the lock writes here, so what lies about is left from a killed run.
        for stale in shelf.glob(f".{key}.*.part"):
            shutil.rmtree(stale)
        with atomic_folder(folder) as temporary:
            kind.fetch(options, temporary, machine)
            for file in _files(temporary):
                file.chmod(0o444)
    return folder, True


def linked(folder: Path, raw: Path) -> tuple[int, int]:
    """Make `raw` a tree of hard links (copies, on another file system) of `folder`; return its files and bytes."""
    count = nbytes = 0
    with atomic_folder(raw) as temporary:
        for file in _files(folder):
            target = temporary / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, target)
            except OSError:
                shutil.copyfile(file, target)
            count += 1
            nbytes += file.stat().st_size
    return count, nbytes


def _sources(kind: ModuleType) -> list[list[str]]:
    """Return name and SHA-256 of what may change a fetch: the kind's modules and word lists, and what they draw on."""
    root = Path(kind.__file__).parent
    own = [file for file in _files(root) if "__pycache__" not in file.parts]
    shared = [Path(module.__file__) for module in (randomness, sources)]
    return [[file.name, file_sha256(file)] for file in [*own, *shared]]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, so that two runs do not fetch the same thing; a killed run lets go of it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
