"""A stage's chapter of the report: text, tables, figures and clips to listen to, written as `chapter.json`.

Each stage says in its own report folder what is worth reading; the report only lays the chapters out. So a new figure
needs no change of the report, and the report needs neither model nor shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from clapline.storage import read_json, write_json

Cell = str | int | float | None


@dataclass(frozen=True)
class Block:
    """One part of a chapter. `file` is relative to the chapter's folder."""

    kind: Literal["text", "table", "figure", "audio", "plot"]
    caption: str = ""
    file: str | None = None  # figure (SVG, PNG), audio (FLAC, OGG) or plot (JSON of plotly: data and layout)
    still: str | None = None  # of a plot: the figure that stands for it in print and without scripts
    columns: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)


@dataclass(frozen=True)
class Chapter:
    """A stage's part of the report, in reading order."""

    title: str
    blocks: list[Block]


def text(words: str) -> Block:
    """A paragraph."""
    return Block("text", caption=words)


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Block:
    """A table with a caption; numbers are laid out by the report."""
    return Block("table", caption=caption, columns=list(columns), rows=[list(row) for row in rows])


def figure(caption: str, file: str) -> Block:
    """A picture that lies in the chapter's folder."""
    return Block("figure", caption=caption, file=file)


def plot(caption: str, file: str, still: str) -> Block:
    """A plotly figure (JSON with `data` and `layout`) to move about in, and the picture that stands for it in print."""
    return Block("plot", caption=caption, file=file, still=still)


def audio(caption: str, file: str) -> Block:
    """A clip to listen to that lies in the chapter's folder."""
    return Block("audio", caption=caption, file=file)


def write_chapter(folder: Path | str, chapter: Chapter) -> None:
    """Write `chapter.json` into the folder."""
    write_json(Path(folder) / "chapter.json", asdict(chapter))


def read_chapter(folder: Path | str) -> Chapter:
    """Read a chapter back."""
    value: dict[str, Any] = read_json(Path(folder) / "chapter.json")
    return Chapter(value["title"], [Block(**block) for block in value["blocks"]])
