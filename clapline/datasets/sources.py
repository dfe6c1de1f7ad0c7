"""Where the files of a dataset come from: the mirror, or a path of the user's own. Shared by the kinds."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from clapline.datasets.card import Card, Fetched
from clapline.errors import UserError
from clapline.storage import mirror


def mirrored(names: tuple[str, ...], card: Card, needed: tuple[str, ...]) -> Path:
    """Return the dataset's folder in the mirror: the first of `names` there. `needed` are paths it must hold.

    Raises UserError that names CLAPLINE_MIRROR, the layout and the homepage.
    """
    root = mirror()
    layout = ", ".join(needed)
    if root is None:
        raise UserError(
            f"{card.title}: set CLAPLINE_MIRROR to a folder that holds {names[0]}/ with {layout}; "
            f"get the dataset from {card.homepage}"
        )
    if not root.is_dir():
        raise UserError(f"CLAPLINE_MIRROR: {root} is no folder")
    folder = next((root / name for name in names if (root / name).is_dir()), None)
    if folder is None:
        raise UserError(
            f"{card.title}: the mirror {root} holds no folder {' or '.join(names)}; "
            f"it needs {layout}, as in {card.homepage}"
        )
    for path in needed:
        if not (folder / path).exists():
            raise UserError(f"{card.title}: {folder / path} is missing in the mirror; needed: {layout}")
    return folder


def user_path(path: str) -> Path:
    """Return a path named in params.yaml; a relative one is taken from the repository, also in an experiment's copy."""
    root = os.environ.get("DVC_ROOT") or Path(__file__).resolve().parents[2]
    return (Path(root) / Path(path).expanduser()).resolve()


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder as relative paths, sorted; hidden files and folders are no part of a dataset."""
    found = []
    for directory, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [Path(directory, name).relative_to(folder) for name in names if not name.startswith(".")]
    yield from sorted(found, key=Path.as_posix)


def listing(folder: Path, files: Iterable[Path]) -> list[list[str | int]]:
    """Return [path, bytes, time of change in ns] per file: what tells one state of a source from another."""
    stats = ((file, (folder / file).stat()) for file in files)
    return [[file.as_posix(), stat.st_size, stat.st_mtime_ns] for file, stat in stats]


def copy_files(source: Path, files: Iterable[Path], target: Path) -> Fetched:
    """Copy files, named relative to `source`, below `target` (contents alone: a mirror may be read-only)."""
    count = nbytes = 0
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, target / file)
        count += 1
        nbytes += (target / file).stat().st_size
    return Fetched(count, nbytes)


def decoded(data: bytes) -> str:
    """Return text from UTF-8 (with or without a mark) or, where that fails, ISO-8859-1."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("iso-8859-1")


def csv_rows(path: Path, needed: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header line; comma, semicolon or tab, whichever the header holds most of.

    Cells and column names lose outer spaces; missing cells are "". Raises UserError when a needed column is missing.
    """
    text = decoded(path.read_bytes())
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [(name or "").strip() for name in reader.fieldnames or []]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UserError(f"{path.name}: column {', '.join(missing)} is missing; found: {', '.join(columns) or 'none'}")
    reader.fieldnames = columns
    return [{key: (value or "").strip() for key, value in row.items() if key is not None} for row in reader]
