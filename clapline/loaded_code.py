"""Which code a process runs: part of the key of work that may be gone on with, and of what is kept for ever."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path

from clapline.storage import content_key, file_sha256


def code_hashes() -> dict[str, str]:
    """Return the hash of every module of this project that the process has loaded (its door, `__main__`, too)."""
    return {
        name: file_sha256(module.__file__)
        for name, module in sorted(sys.modules.items())
        if name.split(".")[0] in {"clapline", "stages", "__main__"} and getattr(module, "__file__", None)
    }


@functools.cache
def source_key(*modules: str) -> str:
    """Return 32 hex digits that name the source of modules, and of all modules in those that are packages.

    A name for the code that decides a value: what is kept under it is not found again once that code is another. Only
    the modules named count, not what they import. The order of the names does not matter.

    Raises:
        ValueError: there is no such module.
    """
    hashes: dict[str, str] = {}
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ValueError(f"no module {module!r}")
        if spec.submodule_search_locations is None:
            hashes[module] = file_sha256(spec.origin)
            continue
        for folder in map(Path, spec.submodule_search_locations):
            for path in folder.rglob("*.py"):
                hashes[".".join([module, *path.relative_to(folder).with_suffix("").parts])] = file_sha256(path)
    return content_key(hashes)
