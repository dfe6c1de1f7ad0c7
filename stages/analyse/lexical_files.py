"""Captions out of anybody's file: CSV as Clotho's, or CSV and Parquet with one caption per line."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clapline.errors import UserError

CLIP_COLUMNS, TEXT_COLUMNS = ("clip_id", "file_name", "youtube_id"), ("caption", "text", "captions")
_NUMBERED = re.compile(r"caption_(\d+)")
SHAPES = f"a clip column ({', '.join(CLIP_COLUMNS)}) and caption_1, caption_2, … or one of {', '.join(TEXT_COLUMNS)}"


def read_captions(path: Path, numbers: tuple[int, int] | None = None) -> list[tuple[str, str]]:
    """Return clip and caption, one pair per caption, in the order of the file; empty captions are left out.

    Args:
        path: a .csv or .parquet file. A column `dataset` beside the clip's keeps equal names of two datasets apart.
        numbers: of the columns caption_N those from the first to the last number; None: all.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    readers = {".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: captions are read from .csv and .parquet, not from {path.suffix or 'other'} files")
    table = readers[path.suffix.lower()](path)
    clip, texts = _columns(path, list(table), numbers)
    names = [_name(value) for value in table[clip]]
    if "dataset" in table:
        names = [f"{dataset}/{name}" for dataset, name in zip(table["dataset"], names, strict=True)]
    found = [
        (name, text)
        for name, *values in zip(names, *(table[column] for column in texts), strict=True)
        for value in values
        for text in _texts(value)
    ]
    if not found:
        raise UserError(f"{path}: no captions in {', '.join(texts)}")
    return found


def number_range(words: str) -> tuple[int, int]:
    """Read `6-10` or `3`. Raises ValueError."""
    first, _, last = words.partition("-")
    low, high = int(first), int(last or first)
    if not 1 <= low <= high:
        raise ValueError
    return low, high


def _columns(path: Path, names: Sequence[str], numbers: tuple[int, int] | None) -> tuple[str, list[str]]:
    clip = next((name for name in CLIP_COLUMNS if name in names), None)
    numbered = {int(found[1]): name for name in names if (found := _NUMBERED.fullmatch(name))}
    if numbers:
        missing = [number for number in range(numbers[0], numbers[1] + 1) if number not in numbered]
        if missing:
            raise UserError(f"{path}: no column caption_{missing[0]}; there are: {', '.join(names)}")
        texts = [numbered[number] for number in range(numbers[0], numbers[1] + 1)]
    else:
        single = [name for name in TEXT_COLUMNS if name in names][:1]
        texts = [numbered[number] for number in sorted(numbered)] or single
    if clip is None or not texts:
        raise UserError(f"{path}: needs {SHAPES}; there are: {', '.join(names) or 'none'}")
    return clip, texts


def _csv(path: Path) -> pd.DataFrame:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            header, *rows = [row for row in csv.reader(lines, strict=True) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: no CSV in UTF-8: {error}") from error
    if len(set(header)) < len(header):
        raise UserError(f"{path}: a column name comes twice in: {', '.join(header)}")
    for place, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise UserError(f"{path}: record {place} has {len(row)} cells, the header {len(header)}")
    return pd.DataFrame(rows, columns=header, dtype=object)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: no Parquet: {error}") from error


def _name(value: object) -> str:
    return "" if value is None else str(value)


def _texts(value: object) -> list[str]:
    values = value if not isinstance(value, str) and hasattr(value, "__iter__") else [value]
    return [each.strip() for each in values if isinstance(each, str) and each.strip()]
