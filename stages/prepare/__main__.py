"""`python -m stages.prepare <dataset>`: decode a raw dataset into tar shards with a clip table and rejects."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from clapline.errors import UserError, door
from clapline.params.base import read_section
from clapline.params.datasets import read_dataset
from clapline.params.machine import Machine
from clapline.params.prepare import Prepare
from clapline.storage import atomic_folder
from clapline.tables.clips import CLIPS, REJECTS
from stages.prepare.pack import packed


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
    for stale in clips.parent.glob(f".{name}.*.part"):
        shutil.rmtree(stale)
    with atomic_folder(clips) as folder:
        rows, rejects = packed(name, kind.read(options, raw), raw, folder, clips.as_posix(), settings, machine)
    CLIPS.write(index / "clips.parquet", CLIPS.frame(rows))
    REJECTS.write(index / "rejects.parquet", REJECTS.frame(rejects))
    hours = sum(row["duration_s"] for row in rows) / 3600
    texts = sum(not row["shard"] for row in rows)
    print(
        f"prepare {name}: {len(rows) - texts} clips, {hours:.2f} h"
        + (f", {texts} captions without audio" if texts else "")
        + f"; {len(rejects)} items set aside"
    )


if __name__ == "__main__":
    main()
