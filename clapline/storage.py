"""Atomic writes, content keys, and the stores outside all DVC outputs (replies, downloads, resumable work).

DVC deletes a stage's outputs before it runs, so what must outlive an edit or a kill lies in a store. Stores are found
under `CLAPLINE_HOME`, else `$DVC_ROOT/.work` (which in a temporary experiment names the real repository), else `.work`
of the repository that holds this file's checkout: never by the working directory. `CLAPLINE_REPLIES` names a folder of
its own for the replies of language models, so that a team shares them without sharing the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def store(*parts: str) -> Path:
    """Return (and make) a folder of the stores, e.g. `store("replies")`."""
    shared = os.environ.get("CLAPLINE_REPLIES")
    if shared and parts[:1] == ("replies",):
        folder = Path(shared).expanduser().joinpath(*parts[1:])
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    home = os.environ.get("CLAPLINE_HOME")
    if home is None:
        root = os.environ.get("DVC_ROOT")
        home = str((Path(root) if root else Path(__file__).resolve().parents[1]) / ".work")
    folder = Path(home).expanduser().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def mirror() -> Path | None:
    """Return the folder that `CLAPLINE_MIRROR` names (a relative one is taken from the repository), or None."""
    named = os.environ.get("CLAPLINE_MIRROR")
    if not named:
        return None
    root = os.environ.get("DVC_ROOT") or Path(__file__).resolve().parents[1]
    return (Path(root) / Path(named).expanduser()).resolve()


def _temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary file name beside `path`; rename it to `path` when the block ends well, else remove it."""
    path = Path(path)
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield a new temporary folder beside `path`; it takes the place of `path` when the block ends well."""
    path = Path(path)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically, keys in the order given, floats in Python's shortest exact form, a newline at the end."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def content_key(*values: Any) -> str:
    """Return 32 hex digits that name the given JSON-like values (dict order does not matter)."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
