"""The folder of a run's unfinished work: found again by whoever wants the same outcome, held by one run at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from clapline.storage import content_key, store


@contextlib.contextmanager
def held_work(run: str, *decides: Any) -> Iterator[Path]:
    """Yield the work folder of a run for all that decides the outcome.

    A second run of the same waits for the first, and says so. Unfinished work of the same name for another outcome is
    removed unless a run holds it. The folder stays when the block ends: the caller discards it once its outputs are
    written. The locks are the kernel's (flock): those of a dead process are free.

    Args:
        run: the stage's name, and what it is run for: `"prepare esc50"`. Its words are folders of the work store.
        decides: JSON-like values: settings, hashes of inputs and code.
    """
    shelf = store("work", *run.split())
    folder = shelf / content_key(*decides)
    for other in shelf.iterdir():
        if other.name.startswith("."):  # on its way out, or left there by a run that was killed
            shutil.rmtree(other, ignore_errors=True)
        elif other != folder:
            with _held(other, run, wait=False) as free:
                if free:
                    discard(other)
    with _held(folder, run, wait=True):
        yield folder


def discard(folder: Path) -> None:
    """Remove a work folder that this run holds. It goes out of the way first: whoever waits for it makes another.

    Another run may help to remove it.
    """
    gone = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path, run: str, *, wait: bool) -> Iterator[bool]:
    """Hold a folder (made if it is not there); yield False where another holds it and `wait` is not wished."""
    file = _locked_file(folder, run, wait)
    try:
        yield file is not None
    finally:
        if file is not None:
            file.close()


def _locked_file(folder: Path, run: str, wait: bool) -> BinaryIO | None:
    while True:
        folder.mkdir(exist_ok=True)
        try:
            file = (folder / "lock").open("ab")
        except FileNotFoundError:  # its holder has just removed it
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                file.close()
                return None
            print(f"{run}: waiting for another run of the same", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        # Its last holder may have removed the folder while this run waited.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), (folder / "lock").stat()):
                return file
        file.close()
