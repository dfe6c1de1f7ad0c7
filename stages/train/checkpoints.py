"""Resumable work: a run's state in the work store, under a key of everything that decides its outcome."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from clapline.storage import atomic_path, content_key, store, write_text
from stages.train.distributed import is_first, once

STATE, PREVIOUS, FINISHED = "state.pt", "previous.pt", "finished"


class Checkpoint:
    """The latest state of one run, written atomically; an edit of params, inputs or code starts afresh.

    So does a run that was finished before: whoever forces a stage to run again wants it trained again. One process
    works on a run at a time. A second one says so, waits, and takes over what the first one left: its finished weights,
    or the state it was killed in. The lock is the kernel's (flock): that of a dead process is free.

    Of several processes that train together the first one holds the lock and writes; all of them read the state, from
    a folder they share.

    Args:
        stage: the stage's name, for the folder and for what is said on standard error.
        decides: JSON-like values that decide the outcome: settings, hashes of inputs and code, seed.
    """

    def __init__(self, stage: str, *decides: Any) -> None:
        self.stage = stage
        self.stage_folder = store("work", stage)
        self.folder = self.stage_folder / content_key(*decides)
        self._lock = FileLock(self.folder.with_suffix(".lock"))
        self._read_already: dict[str, Any] | None = None
        once(self._take)

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the run, so that another process may go on with it; the end of this process does the same."""
        self._lock.release()

    def load(self) -> dict[str, Any] | None:
        """Return the saved state (tensors on the CPU and plain values), or None where there is none that can be read.

        A file that was cut short is set aside, with one line on standard error, and the state before it is taken.
        """
        name = once(self._newest)
        if name is None:
            return None
        state, self._read_already = self._read_already, None
        return self._read(name) if state is None else state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state (first process only); the one before stays beside it until the next save.

        `step` of the state says how far the run is; `kept`, where it is not None, at which step weights were saved
        with `keep` that the run needs.
        """
        with self._written(STATE) as temporary:
            torch.save(state, temporary)
            if (self.folder / STATE).exists():
                (self.folder / STATE).replace(self.folder / PREVIOUS)
        # Two states are there, and between them they name at most the two latest.
        for file in sorted(self.folder.glob("kept-*.pt"), key=_step_of)[:-2]:
            file.unlink()

    def keep(self, step: int, weights: dict[str, Any]) -> None:
        """Save the weights of a step that may be the best (first process only).

        They lie in a file of their own: written once, not with each state, and held in no memory.
        """
        with self._written(f"kept-{step}.pt") as temporary:
            torch.save(weights, temporary)

    def kept(self, step: int) -> dict[str, Any]:
        """Return the weights that were kept at a step, on the CPU."""
        return torch.load(self.folder / f"kept-{step}.pt", weights_only=True, map_location="cpu")

    def finish(self) -> None:
        """Mark the run as done, so that it may be cleared when another one starts, and let go of it."""
        if is_first():
            (self.folder / FINISHED).touch()
        self.close()

    def _take(self) -> None:
        """Get the lock; begin anew where the run was finished before this process came; clear what others finished."""
        done_before = self._mark_of_end()
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            owner = self._owner.read_text() if self._owner.exists() else "of unknown number"
            print(f"{self.stage}: process {owner} trains this already; waiting for it", file=sys.stderr, flush=True)
            self._lock.acquire(poll_interval=0.5)
        write_text(self._owner, str(os.getpid()))
        if done_before is not None and self._mark_of_end() == done_before:
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(".*.part"):  # of a process that was killed as it wrote
            leftover.unlink()
        for other in self.stage_folder.iterdir():
            # An unfinished run of another key may be another process's, or resumed when its params come back.
            if other != self.folder and (other / FINISHED).exists():
                with contextlib.suppress(Timeout), FileLock(other.with_suffix(".lock"), timeout=0):
                    shutil.rmtree(other, ignore_errors=True)

    @property
    def _owner(self) -> Path:
        return self.folder.with_suffix(".pid")

    def _mark_of_end(self) -> tuple[int, int] | None:
        """Return what tells one end of this run from another, or None where it has not ended."""
        try:
            found = (self.folder / FINISHED).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _newest(self) -> str | None:
        """Return the name of the newest state that can be read, and set aside those that cannot."""
        for name in (STATE, PREVIOUS):
            file = self.folder / name
            if not file.exists():
                continue
            try:
                state = self._read(name)
                if state["kept"] is not None:
                    self.kept(state["kept"])
            except Exception as error:  # torch has no error of its own for a broken file
                aside = file.with_suffix(".broken")
                file.replace(aside)
                reason = " ".join(str(error).split())[:120]
                print(f"{self.stage}: {file} cannot be read ({reason}); set aside as {aside.name}", file=sys.stderr)
                continue
            for kept in self.folder.glob("kept-*.pt"):
                if _step_of(kept) > state["step"]:  # of steps that a killed run made after this state
                    kept.unlink()
            self._read_already = state
            return name
        return None

    def _read(self, name: str) -> dict[str, Any]:
        return torch.load(self.folder / name, weights_only=True, map_location="cpu")

    @contextlib.contextmanager
    def _written(self, name: str) -> Iterator[Path]:
        """Yield a temporary file that takes the place of `name`; written out, so that not even a power cut tears it."""
        with atomic_path(self.folder / name) as temporary:
            yield temporary
            _to_disk(temporary)
        _to_disk(self.folder)


def _step_of(file: Path) -> int:
    return int(file.stem.removeprefix("kept-"))


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
