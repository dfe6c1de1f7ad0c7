"""Resumable work: a run's state in the work store, under a key of everything that decides its outcome."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from clapline.storage import atomic_path, content_key, store, write_text
from stages.train.distributed import is_first, once

STATE, PREVIOUS, FINISHED = "state.pt", "previous.pt", "finished"
# Unfinished runs of other keys may be resumed when their params come back: the newest of them are kept, for so long.
_DAY_S = 24 * 3600.0
OTHERS_KEPT, OTHERS_KEPT_S = 3, 14 * _DAY_S
DVC_LOCK = Path("dvc.lock")  # what DVC has recorded, in the folder that a stage runs in


class Checkpoint:
    """The latest state of one run, written atomically; an edit of params, inputs or code starts afresh.

    So does a run that was finished and recorded before: whoever forces a stage to run again wants it trained again. One
    that ended after DVC wrote its dvc.lock was not recorded (a kill fell between the two, or there is no dvc.lock), and
    its final state is taken.

    One process works on a run at a time, and one run of a stage goes on in a working folder at a time, since it writes
    the stage's outputs there. A second process says so and waits. Of the same run it takes over what the first one
    left: its finished weights, or the state it was killed in. Temporary experiments of DVC have working folders of
    their own and go on side by side. The locks are the kernel's (flock): those of a dead process are free.

    Finished runs of other keys are removed when a run starts; of the unfinished ones the newest `OTHERS_KEPT` stay for
    `OTHERS_KEPT_S` seconds, unless a process works on them.

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
        place = self.stage_folder / f"place-{content_key(Path.cwd().resolve().as_posix())}.lock"
        # The place before the run, in every process: so none waits for one that waits for it.
        self._locks = [FileLock(place), FileLock(self.folder.with_suffix(".lock"))]
        self._read_already: dict[str, Any] | None = None
        once(self._take)

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the run, so that another process may go on with it; the end of this process does the same."""
        for lock in reversed(self._locks):
            lock.release()

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
        """Get the locks; begin anew where the run was finished and recorded before; clear what others left."""
        done_before = self._mark_of_end()
        for lock in self._locks:
            self._acquire(lock)
        if done_before is not None and self._mark_of_end() == done_before and self._recorded(done_before):
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        os.utime(self.folder)  # the age of a run that is left unfinished counts from here, and from each save
        for leftover in self.folder.glob(".*.part"):  # of a process that was killed as it wrote
            leftover.unlink()
        self._clear_others()

    def _acquire(self, lock: FileLock) -> None:
        named = Path(lock.lock_file).with_suffix(".pid")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            owner = named.read_text() if named.exists() else "of unknown number"
            print(f"{self.stage}: process {owner} trains this already; waiting for it", file=sys.stderr, flush=True)
            lock.acquire(poll_interval=0.5)
        write_text(named, str(os.getpid()))

    def _recorded(self, mark: tuple[int, int]) -> bool:
        """Return whether DVC has written its dvc.lock since the run ended, as it does when it records outputs."""
        return DVC_LOCK.exists() and DVC_LOCK.stat().st_mtime_ns >= mark[1]

    def _clear_others(self) -> None:
        """Remove the finished runs of other keys, and of the unfinished ones the old and the many; none under way."""
        others = [folder for folder in self.stage_folder.iterdir() if folder.is_dir() and folder != self.folder]
        unfinished = []
        for folder in others:
            if (folder / FINISHED).exists():
                self._remove(folder)
            elif not any((folder / name).exists() for name in (STATE, PREVIOUS)):
                self._remove(folder)  # killed before its first state: nothing to go on from
            else:
                unfinished.append((folder.stat().st_mtime, folder))
        unfinished.sort(reverse=True)
        for place, (touched_at, folder) in enumerate(unfinished):
            untouched_s = time.time() - touched_at
            old = untouched_s > OTHERS_KEPT_S
            if (old or place >= OTHERS_KEPT) and self._remove(folder):
                age = f"untouched for {untouched_s / _DAY_S:.1f} days"
                why = f"kept for {OTHERS_KEPT_S / _DAY_S:.0f} days" if old else f"{OTHERS_KEPT} newer ones stay"
                print(
                    f"{self.stage}: removed the unfinished run {folder}, {age} ({why})",
                    file=sys.stderr,
                    flush=True,
                )

    @staticmethod
    def _remove(folder: Path) -> bool:
        """Remove a run's folder unless a process works on it; return whether it is gone."""
        with contextlib.suppress(Timeout), FileLock(folder.with_suffix(".lock"), timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".pid").unlink(missing_ok=True)
        return not folder.exists()

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
