"""Tar shards of FLAC clips: written in order with reproducible bytes, read at random through mmap."""

from __future__ import annotations

import hashlib
import io
import mmap
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import soundfile

from clapline.errors import UserError


@dataclass(frozen=True)
class Place:
    """Where a clip's bytes lie: the shard's file name, the offset of the first byte, their number, their SHA-256."""

    shard: str
    offset: int
    nbytes: int
    sha256: str


class ShardWriter:
    """Write clips into `folder/00000.tar`, `00001.tar`, …; a new shard begins once one holds `shard_size_bytes`.

    Plain ustar with zero times and owners, so equal clips in equal order give equal bytes, and any tar tool (or
    webdataset) reads them. The caller makes the folder, and renames it when all is written.
    """

    def __init__(self, folder: Path, shard_size_bytes: int) -> None:
        self._folder = folder
        self._limit = shard_size_bytes
        self._file: BinaryIO | None = None
        self._shards = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def add(self, clip_id: str, data: bytes) -> Place:
        """Append one clip and return its place."""
        if self._file is not None and self._file.tell() >= self._limit:
            self._close()
        if self._file is None:
            self._file = (self._folder / f"{self._shards:05d}.tar").open("xb")
            self._shards += 1
        header = tarfile.TarInfo(member_name(clip_id))
        header.size = len(data)
        self._file.write(header.tobuf(tarfile.USTAR_FORMAT))
        offset = self._file.tell()
        self._file.write(data)
        self._file.write(bytes(-len(data) % tarfile.BLOCKSIZE))
        return Place(Path(self._file.name).name, offset, len(data), hashlib.sha256(data).hexdigest())

    def _close(self) -> None:
        if self._file is None:
            return
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        self._file.write(bytes(-self._file.tell() % tarfile.RECORDSIZE))
        self._file.close()
        self._file = None


def member_name(clip_id: str) -> str:
    """Return `<clip_id>.flac`; an id that tar or webdataset would misread is spelt plainly, with a hash to tell it."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", clip_id)
    if plain != clip_id or len(plain) > 80:
        plain = f"{plain[:80]}-{hashlib.sha256(clip_id.encode()).hexdigest()[:12]}"
    return f"{plain}.flac"


class ShardReader:
    """Random access to clips by the rows of a clip table. Safe to hand to another process."""

    def __init__(self, root: Path | str = ".") -> None:
        self._root = Path(root)
        self._maps: dict[str, mmap.mmap] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_root": self._root, "_maps": {}}

    def read_bytes(self, row: Any) -> bytes:
        """Return the FLAC bytes of a clip. `row` has shard, offset, nbytes, sha256 (and clip_id, dataset): a row of
        `frame.itertuples()`, not a pandas Series, whose `nbytes` is its own size.

        Raises UserError when the clip has no audio, the shard is missing or short, or the bytes are not the table's.
        """
        if not row.shard:
            raise UserError(f"clip {row.clip_id!r} of {row.dataset} is a caption without audio")
        data = self._map(row.shard)[row.offset : row.offset + row.nbytes]
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise UserError(
                f"{row.shard}: clip {row.clip_id!r} is not what the clip table says; "
                f"run `dvc checkout` or `dvc repro prepare@{row.dataset}`"
            )
        return data

    def read(self, row: Any) -> np.ndarray:
        """Return a clip's samples `(samples,)` float32 in [-1, 1]."""
        samples, _ = soundfile.read(io.BytesIO(self.read_bytes(row)), dtype="float32")
        return samples

    def _map(self, shard: str) -> mmap.mmap:
        if shard not in self._maps:
            try:
                with (self._root / shard).open("rb") as file:
                    self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except FileNotFoundError:
                raise UserError(f"{shard}: no such shard; run `dvc repro prepare` or `dvc checkout`") from None
            except ValueError:
                raise UserError(f"{shard}: the shard is empty; run `dvc checkout --force {shard}`") from None
        return self._maps[shard]
