"""`python -m stages.prepare <dataset>`: decode a raw dataset into tar shards with a clip table and rejects."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from clapline.errors import UserError, door
from clapline.params.base import read_section
from clapline.params.datasets import read_dataset
from clapline.params.machine import Machine
from clapline.params.prepare import Prepare
from clapline.storage import atomic_folder, store
from clapline.work import discard
from stages.prepare.pack import packed
from stages.prepare.shard import Job
from stages.prepare.work import held_work, state_of


@door
def main() -> None:
    """Read, decode, pack, and say how many clips came of it."""
    if len(sys.argv) != 2:
        raise UserError("usage: python -m stages.prepare <dataset>, a name of the datasets section of params.yaml")
    name = sys.argv[1]
    kind, options = read_dataset(name)
    settings, machine = read_section("prepare", Prepare), read_section("machine", Machine)
    raw, clips, index = (Path("data") / place / name for place in ("raw", "clips", "index"))
    if not raw.is_dir():
        raise UserError(f"{raw}: no such folder; run `dvc repro download@{name}`")
    decides = [kind.__name__, options.model_dump(mode="json"), settings.model_dump(mode="json"), state_of(raw)]
    with _room_needed(name), held_work(name, *decides) as folder:
        done = packed(name, kind.read(options, raw), raw, folder, clips.as_posix(), settings, machine)
        _put_in_place(done.job, clips)
        done.index.write(index)
        # Only now: a run that is killed on the way to here finds its clips again.
        discard(folder)
    before = done.finished_before
    taken_over = f"; {before} of {done.job.items} items were finished by a run before" if before else ""
    print(f"prepare {name}: {done.index.summary()}{taken_over}")


@contextlib.contextmanager
def _room_needed(name: str) -> Iterator[None]:
    """Say in one line that a disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise UserError(
            f"prepare {name}: {os.strerror(error.errno)} for {store('work', 'prepare')} or data/: "
            "make room and run it again; finished clips are kept"
        ) from None


def _put_in_place(job: Job, clips: Path) -> None:
    """Make `clips` a folder of the finished shards: hard links, or copies on another file system."""
    for stale in clips.parent.glob(f".{clips.name}.*.part"):
        shutil.rmtree(stale)
    with atomic_folder(clips) as temporary:
        for shard in job.shards():
            if job.tar(shard).exists():
                try:
                    os.link(job.tar(shard), temporary / job.tar(shard).name)
                except OSError:
                    shutil.copyfile(job.tar(shard), temporary / job.tar(shard).name)


if __name__ == "__main__":
    main()
