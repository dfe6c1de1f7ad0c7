"""What a dataset kind says of itself, and what its reader yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Card:
    """Facts of a dataset, as its own page gives them."""

    title: str
    homepage: str
    licence: str
    version: str
    recorded: bool  # False: synthesised
    clips: int | None  # None: it depends on the options
    sample_rate_hz: int | None
    oddities: tuple[str, ...] = ()
    verified: bool = True  # the reader has seen real files of it
    labels: tuple[str, ...] = ()  # class names as words, where the dataset has classes


@dataclass(frozen=True)
class RawClip:
    """One recording of a raw folder with what is known of it. `path` is relative to the raw folder."""

    clip_id: str
    path: Path | None  # None: a caption without audio
    split: str = "train"
    captions: tuple[str, ...] = ()
    caption_tree: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    label: str | None = None
    fold: int | None = None
    description: str | None = None
    source_id: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class BadItem:
    """An entry that cannot be used: where it stands and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Fetched:
    """What a fetch brought: files, bytes, and the items that are gone with the reason."""

    files: int
    nbytes: int
    gone: Mapping[str, str] = field(default_factory=dict)
