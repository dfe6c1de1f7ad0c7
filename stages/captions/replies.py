"""The store of replies: what a language model answered is money, so no question is ever sent twice.

Append-only JSON lines in one folder, a segment per writing process, so that two writers never touch one file. A segment
copied in from elsewhere is taken in like any other. A line is whole or it is ignored and counted: the torn end of a
killed process, a damaged block of a disk. Each line begins with its key, so that opening the store reads no JSON; a
reply is read from its place when it is asked for, so memory holds 16 bytes a reply.

A reply is with the operating system before anything else is done, so a killed process loses none. The disk is synced
within a second of every reply, so a power cut loses at most those of the last second.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock, Timeout

from clapline.errors import UserError
from clapline.storage import content_key
from stages.captions.places import Places

_HEAD = b'{"key": "'
_KEY_DIGITS = 32
_HASH_DIGITS = 16  # the last ones of a key; the line itself tells keys with one hash apart
_LINES = 65_536
_OPEN_FILES = 64
_SYNC_S = 1.0


@dataclass(frozen=True)
class Reply:
    """One answer, with the token usage that the server stated when it was paid. `via` is "batch" or empty."""

    content: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    model: str
    prompt_version: str
    via: str = ""


_FIELDS = {field.name for field in fields(Reply)}


class ReplyStore:
    """Replies by content key (32 hex digits). Use as a context manager; safe for any number of processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: list[Path] = []
        self._numbers: dict[Path, int] = {}
        self._read_to: dict[Path, int] = {}
        self._places = Places()
        self._readers: dict[int, BinaryIO] = {}
        self._writer: BinaryIO | None = None
        self._writing = threading.Lock()
        self._timer: threading.Timer | None = None
        self._bad: set[tuple[int, int]] = set()
        self.refresh()

    def __enter__(self) -> ReplyStore:
        return self

    def __exit__(self, *raised: object) -> None:
        for file in self._readers.values():
            file.close()
        self._readers.clear()
        self.sync()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __len__(self) -> int:
        return self._places.distinct()

    @property
    def damaged(self) -> int:
        """Lines seen so far that hold no whole reply."""
        return len(self._bad)

    def refresh(self) -> None:
        """Take in what other processes have written since the store was opened."""
        for path in sorted(self._folder.glob("*.jsonl")):
            start = self._read_to.get(path, 0)
            if path.stat().st_size > start:
                self._take_in(path, start)

    def _segment(self, path: Path) -> int:
        if path not in self._numbers:
            self._numbers[path] = len(self._segments)
            self._segments.append(path)
        return self._numbers[path]

    def _take_in(self, path: Path, start: int) -> None:
        segment = self._segment(path)
        keys: list[bytes] = []
        offsets: list[int] = []
        with path.open("rb", buffering=1 << 20) as file:
            file.seek(start)
            offset = start
            for line in file:
                if not line.endswith(b"\n"):
                    break
                # A torn line that another was appended to holds a whole one at its end: JSON text escapes its quotes.
                head = line.rfind(_HEAD)
                if head:
                    self._bad.add((segment, offset))
                if head >= 0:
                    end = head + len(_HEAD) + _KEY_DIGITS
                    keys.append(line[end - _HASH_DIGITS : end])
                    offsets.append(offset + head)
                offset += len(line)
                if len(keys) == _LINES:
                    self._add(segment, keys, offsets)
                    keys, offsets = [], []
        self._add(segment, keys, offsets)
        self._read_to[path] = offset

    def _add(self, segment: int, keys: list[bytes], offsets: list[int]) -> None:
        # A whole chunk at once where it can be; the few lines of a small segment are not worth sorting all for.
        if len(keys) == _LINES:
            with contextlib.suppress(ValueError):
                hashes = np.frombuffer(bytes.fromhex(b"".join(keys).decode("ascii")), ">u8").astype(np.uint64)
                if len(hashes) == len(offsets):
                    self._places.extend(hashes, segment, np.array(offsets, np.uint64))
                    return
        for key, offset in zip(keys, offsets, strict=True):
            hashed = _hash(key)
            if hashed is None:
                self._bad.add((segment, offset))
            else:
                self._places.add(hashed, segment, offset)

    def get(self, key: str) -> Reply | None:
        """Return the first stored reply whose line is whole, or None."""
        for segment, offset in self._places.find(int(key[-_HASH_DIGITS:], 16)):
            try:
                value = json.loads(self._line(segment, offset))
                if value["key"] == key:
                    return Reply(**{name: value[name] for name in _FIELDS & value.keys()})
            except (ValueError, KeyError, TypeError, AttributeError):
                self._bad.add((segment, offset))
        return None

    def _line(self, segment: int, offset: int) -> bytes:
        reader = self._readers.pop(segment, None)
        if reader is None:
            if len(self._readers) >= _OPEN_FILES:
                self._readers.pop(next(iter(self._readers))).close()
            reader = self._segments[segment].open("rb")
        self._readers[segment] = reader  # the one used last stands last
        reader.seek(offset)
        return reader.readline()

    def put(self, key: str, reply: Reply) -> None:
        """Append a reply and hand it to the operating system. Raises UserError when it cannot be written."""
        line = json.dumps({"key": key, **asdict(reply)}, ensure_ascii=False) + "\n"
        hashed = int(key[-_HASH_DIGITS:], 16)
        try:
            if self._writer is None:
                # Named by time, so that of two replies to one question the older is always found first.
                self._path = self._folder / f"{time.time_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:12]}.jsonl"
                self._writer = self._path.open("ab")
                self._segment_written = self._segment(self._path)
            offset = self._writer.tell()
            self._writer.write(line.encode("utf-8", "backslashreplace"))
            self._writer.flush()
        except OSError as error:
            raise UserError(f"{self._folder}: a reply cannot be stored ({error.strerror})") from None
        self._places.add(hashed, self._segment_written, offset)
        self._read_to[self._path] = self._writer.tell()
        if self._timer is None:
            self._timer = threading.Timer(_SYNC_S, self.sync)
            self._timer.daemon = True
            self._timer.start()

    def sync(self) -> None:
        """Have the disk keep all replies so far."""
        with self._writing:
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
                if self._writer is not None:
                    os.fsync(self._writer.fileno())

    @contextlib.contextmanager
    def sending(self, server: str, model: str) -> Iterator[None]:
        """Be the only process that sends to one model of one server, and know all that the others have stored.

        While another process sends, wait, and say so in one line.
        """
        folder = self._folder / "locks"
        folder.mkdir(exist_ok=True)
        # Whoever shares the store may lock it.
        lock = FileLock(folder / f"{content_key(server, model)}.lock", mode=0o666)
        try:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                print(f"replies: waiting for another run that asks {model}", file=sys.stderr, flush=True)
                lock.acquire(poll_interval=0.2)
        except (OSError, NotImplementedError) as error:
            raise UserError(f"{folder}: a lock cannot be taken ({error})") from None
        try:
            self.refresh()
            yield
        finally:
            lock.release()


def _hash(key: bytes) -> int | None:
    try:
        return int.from_bytes(bytes.fromhex(key.decode("ascii")), "big") if len(key) == _HASH_DIGITS else None
    except ValueError:
        return None
