"""A folder of the user's own recordings, with or without captions.

All recordings below the folder are taken, in any format that soundfile reads; hidden files are left alone, other files
are listed as set aside. Captions come from a CSV file (comma, semicolon or tab; UTF-8 or ISO-8859-1) with a column
`file_name` and `caption`, or `caption_1`, `caption_2`, …; a file is named by its path in the folder, or by its bare
name where only one file has it. DVC does not look into the folder: raise `revision` when its content has changed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from clapline.datasets.card import BadItem, Card, Fetched, RawClip
from clapline.datasets.sources import copy_files, csv_rows, files_below, listing, user_path
from clapline.errors import UserError
from clapline.params.base import Section
from clapline.params.machine import Machine
from clapline.storage import read_json, write_json

CARD = Card(
    title="folder",
    homepage="",
    licence="the user's own",
    version="",
    recorded=True,
    clips=None,
    sample_rate_hz=None,
    oddities=("a clip's id is its path without the ending; with it, where two files differ by the ending alone",),
)

_SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".snd",
    ".caf",
    ".w64",
    ".rf64",
)
_CAPTION = re.compile(r"caption(_\d+)?$")


class Options(Section):
    """Where the recordings are, and what is known of them."""

    path: str = Field(min_length=1, description="folder of recordings; relative to the repository")
    captions: str | None = Field(None, min_length=1, description="captions CSV; relative to that folder")
    labels: Literal["from_subfolders"] | None = Field(None, description="name a clip's class by its subfolder")
    revision: int = Field(1, ge=1, description="raise it when the folder's content changed")


def origin(options: Options) -> Any:
    """Return what tells one state of the source from another."""
    folder, captions = _source(options)
    return [
        listing(folder, files_below(folder)),
        listing(captions.parent, [Path(captions.name)]) if captions else [],
    ]


def fetch(options: Options, raw: Path, machine: Machine) -> Fetched:
    """Copy the recordings and the captions. Raises UserError when the folder or the CSV file is missing."""
    folder, captions = _source(options)
    files = [file for file in files_below(folder) if folder / file != captions]
    recordings = [file for file in files if file.suffix.lower() in _SUFFIXES]
    if not recordings:
        raise UserError(f"folder {options.path} holds no recording; looked for {', '.join(_SUFFIXES)}")
    fetched = copy_files(folder, recordings, raw / "audio")
    if captions:
        copy_files(captions.parent, [Path(captions.name)], raw)
        (raw / captions.name).rename(raw / "captions.csv")
    left_out = [file.as_posix() for file in files if file.suffix.lower() not in _SUFFIXES]
    write_json(raw / "left_out.json", left_out)
    return fetched


def read(options: Options, raw: Path) -> Iterator[RawClip | BadItem]:
    """Yield the recordings in the order of their paths, then what cannot be used."""
    files = list(files_below(raw / "audio"))
    captions, bad = _captions(raw / "captions.csv", files)
    stems = Counter(file.with_suffix("").as_posix() for file in files)
    for file in files:
        stem = file.with_suffix("").as_posix()
        label = None
        if options.labels == "from_subfolders" and len(file.parts) > 1:
            label = file.parts[0].replace("_", " ").strip()
        yield RawClip(
            clip_id=stem if stems[stem] == 1 else file.as_posix(),
            path=Path("audio") / file,
            captions=tuple(captions.get(file, ())),
            tags=(label,) if label else (),
            label=label,
        )
    yield from bad
    for path in read_json(raw / "left_out.json"):
        yield BadItem(path, "no recording: its ending is none that is read")


def _source(options: Options) -> tuple[Path, Path | None]:
    folder = user_path(options.path)
    if not folder.is_dir():
        raise UserError(f"folder {options.path}: no such folder")
    captions = folder / options.captions if options.captions else None
    if captions and not captions.is_file():
        raise UserError(f"folder {options.path}: no captions file {options.captions}")
    return folder, captions


def _captions(path: Path, files: list[Path]) -> tuple[dict[Path, list[str]], list[BadItem]]:
    """Return the captions by file, and the rows that name no file or hold no caption."""
    if not path.is_file():
        return {}, []
    rows = csv_rows(path, ("file_name",))
    columns = [name for name in (rows[0] if rows else ()) if _CAPTION.match(name)]
    if not columns:
        raise UserError("captions CSV: a column `caption` or `caption_1` is needed beside file_name, and a row")
    by_path = {file.as_posix(): file for file in files}
    bare = Counter(file.name for file in files)
    by_path |= {file.name: file for file in files if bare[file.name] == 1}
    found: dict[Path, list[str]] = {}
    bad = []
    for number, row in enumerate(rows, start=2):
        name = row["file_name"].replace("\\", "/").removeprefix("./")
        words = [text for column in columns if (text := " ".join(row[column].split()))]
        if name not in by_path:
            bad.append(BadItem(f"captions.csv:{number}", f"names no recording of the folder: {name!r}"))
        elif not words:
            bad.append(BadItem(f"captions.csv:{number}", f"no caption for {name!r}"))
        else:
            found.setdefault(by_path[name], []).extend(words)
    return found, bad
