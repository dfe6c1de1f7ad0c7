"""The store of replies: what a language model answered is money, so no question is ever sent twice.

Append-only JSON lines under the store "replies", one segment per writing process, so that two writers never touch one
file. A line is whole or it is the torn end of a killed process and ignored. Each line begins with its key, so that
opening the store reads no JSON; a reply is read from its place when it is asked for, so memory holds keys only.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

_HEAD = b'{"key": "'
_KEY_DIGITS = 32


@dataclass(frozen=True)
class Reply:
    """One answer, with the token usage that the server stated when it was paid."""

    content: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    model: str
    prompt_version: str


class ReplyStore:
    """Replies by content key. Use as a context manager; safe for any number of processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readers: dict[Path, BinaryIO] = {}
        self._places: dict[bytes, tuple[Path, int]] = {}
        self._read_to: dict[Path, int] = {}
        self._writer: BinaryIO | None = None
        self.refresh()

    def __enter__(self) -> ReplyStore:
        return self

    def __exit__(self, *raised: object) -> None:
        for file in [*self._readers.values(), *([self._writer] if self._writer else [])]:
            file.close()

    def __len__(self) -> int:
        return len(self._places)

    def refresh(self) -> None:
        """Take in what other processes have written since the store was opened."""
        for path in sorted(self._folder.glob("*.jsonl")):
            start = self._read_to.get(path, 0)
            if path.stat().st_size > start:
                self._take_in(path, start)

    def _take_in(self, path: Path, start: int) -> None:
        with path.open("rb") as file:
            file.seek(start)
            offset = start
            for line in file:
                if not line.endswith(b"\n"):
                    break
                if line.startswith(_HEAD):
                    key = line[len(_HEAD) : len(_HEAD) + _KEY_DIGITS]
                    self._places.setdefault(key, (path, offset))
                offset += len(line)
        self._read_to[path] = offset

    def get(self, key: str) -> Reply | None:
        """Return the stored reply, or None. A line that is no JSON (a damaged disk) counts as absent."""
        place = self._places.get(key.encode())
        if place is None:
            return None
        path, offset = place
        if path not in self._readers:
            self._readers[path] = path.open("rb")
        reader = self._readers[path]
        reader.seek(offset)
        try:
            value = json.loads(reader.readline())
            del value["key"]
            return Reply(**value)
        except (ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Append a reply and hand it to the operating system, so that killing the process loses nothing."""
        if self._writer is None:
            path = self._folder / f"{os.getpid()}-{uuid.uuid4().hex}.jsonl"
            self._writer = path.open("ab")
            self._path = path
            self._read_to[path] = 0
        offset = self._writer.tell()
        line = json.dumps({"key": key, **asdict(reply)}, ensure_ascii=False) + "\n"
        self._writer.write(line.encode())
        self._writer.flush()
        self._places[key.encode()] = (self._path, offset)
        self._read_to[self._path] = self._writer.tell()
