"""The work folder of a dataset, and what tells one state of its raw files from another."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from clapline import work
from clapline.datasets.files import walked
from clapline.loaded_code import code_hashes


def held_work(dataset: str, *decides: Any) -> AbstractContextManager[Path]:
    """Hold the work folder of a dataset for all that decides the outcome: the values given, and the project's code."""
    libraries = [soundfile.__libsndfile_version__, soxr.__version__, np.__version__]
    return work.held_work(f"prepare {dataset}", dataset, *decides, code_hashes(), libraries)


def state_of(folder: Path) -> str:
    """Return a hash of path, size and time of change of every file below a folder.

    It reads a folder at a time, so that memory does not grow with the number of files.
    """
    digest = hashlib.sha256()
    for directory, subfolders, names in walked(folder):
        subfolders.sort()
        for name in sorted(names):
            path = Path(directory, name)
            stat = path.stat() if path.exists() else path.lstat()
            entry = f"{path.relative_to(folder).as_posix()}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
            digest.update(entry.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
