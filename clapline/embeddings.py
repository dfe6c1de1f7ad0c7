"""The folder of the stage embed: unit embeddings of many clips and of many captions, in shards with their ids.

    embeddings.json            dimension, precision, and for audio and for text the numbers of rows and of shards
    audio/00000.safetensors    tensor `embeddings` (rows, dimension), float32 or float16
    audio/00000.parquet        its ids (table AUDIO_ROWS), in the order of the matrix
    text/…                     the same of captions (table TEXT_ROWS)

The rows of all shards together are in the order of the table's keys. A model's embeddings written so by anything else
can be read as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from clapline.errors import UserError
from clapline.storage import atomic_folder, atomic_path, read_json, write_json
from clapline.tables.base import Table
from clapline.tables.columns import read_columns
from clapline.tables.embeddings import AUDIO_ROWS, TEXT_ROWS

Side = Literal["audio", "text"]
Precision = Literal["fp32", "fp16"]
SIDES: dict[Side, Table] = {"audio": AUDIO_ROWS, "text": TEXT_ROWS}
_INDEX, _TENSOR = "embeddings.json", "embeddings"
_STORED = {"fp32": np.float32, "fp16": np.float16}
_DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


class Rows:
    """The rows of several matrices one after the other, `(rows, dimension)`.

    Memory-mapped matrices stay on disk: what is asked for is copied, as float32, and nothing else is held.
    """

    def __init__(self, matrices: Sequence[np.ndarray], dimension: int) -> None:
        self._matrices = matrices
        self._starts = np.cumsum([0, *(len(matrix) for matrix in matrices)])
        self.shape = (int(self._starts[-1]), dimension)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, wanted: slice | np.ndarray) -> np.ndarray:
        """Return rows `(n, dimension)`, float32: those of a slice of step 1, or of places `(n,)` in any order.

        Raises:
            ValueError: a slice of another step.
            IndexError: places that are no whole numbers from 0 to below the number of rows.
        """
        if isinstance(wanted, slice):
            start, stop, step = wanted.indices(len(self))
            if step != 1:
                raise ValueError(f"rows are sliced by steps of 1, not {step}")
            return self._sliced(start, max(start, stop))
        places = np.asarray(wanted)
        if places.ndim != 1 or (len(places) and not np.issubdtype(places.dtype, np.integer)):
            raise IndexError(f"places of rows are whole numbers (n,), found {places.dtype} {places.shape}")
        if len(places) and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"places {places.min()} to {places.max()} of {len(self)} rows")
        order = np.argsort(places, kind="stable")  # each matrix once, from its beginning to its end
        places = places[order]
        borders = np.searchsorted(places, self._starts)
        rows = np.empty((len(places), self.shape[1]), np.float32)
        for matrix, begins, start, stop in zip(self._matrices, self._starts, borders, borders[1:], strict=False):
            if start < stop:
                rows[order[start:stop]] = matrix[places[start:stop] - begins]
        return rows

    def matrix(self) -> np.ndarray:
        """Return all rows, `(rows, dimension)` float32, in memory."""
        return self[:]

    def _sliced(self, start: int, stop: int) -> np.ndarray:
        rows = np.empty((stop - start, self.shape[1]), np.float32)
        for matrix, begins in zip(self._matrices, self._starts, strict=False):
            first, last = max(start, begins), min(stop, begins + len(matrix))
            if first < last:
                rows[first - start : last - start] = matrix[first - begins : last - begins]
        return rows


class Embeddings(Rows):
    """Unit embeddings of clips or captions, with their ids; what `read_embeddings` returns."""

    def __init__(self, matrices: Sequence[np.ndarray], dimension: int, ids: Callable[[], pa.Table]) -> None:
        super().__init__(matrices, dimension)
        self._ids = ids

    def ids(self) -> pa.Table:
        """Return the ids of all rows, in their order, as one Arrow table. Raises UserError when a file is damaged."""
        return self._ids()


def read_embeddings(folder: Path | str, side: Side) -> Embeddings:
    """Open the embeddings of clips (`audio`) or of captions (`text`) that the stage embed wrote.

    Raises:
        UserError: the folder or a shard is missing, cut short or no such file; a matrix and its ids differ in number;
            shards differ in dimension; rows and shards are not those that `embeddings.json` counts.
    """
    folder = Path(folder)
    dimension, rows, shards = _counted(folder / _INDEX, side)
    files = [_shard(folder, side, number) for number in range(shards)]
    matrices = [map_matrix(file) for file in files]
    for file, matrix in zip(files, matrices, strict=True):
        if matrix.shape[1] != dimension:
            raise UserError(
                f"{file}: {matrix.shape[1]} dimensions, but {folder / _INDEX} says {dimension}; run the stage embed"
            )
        ids = _count_ids(file.with_suffix(".parquet"))
        if ids != len(matrix):
            raise UserError(f"{file} and its ids differ in number: {len(matrix)} and {ids}; run the stage embed")
    found = sum(map(len, matrices))
    if found != rows:
        raise UserError(f"{folder / side}: {found} rows, but {folder / _INDEX} says {rows}; run the stage embed")
    return Embeddings(matrices, dimension, lambda: _ids(files, SIDES[side]))


def map_matrix(file: Path) -> np.ndarray:
    """Return the matrix of a shard, `(rows, dimension)` float32 or float16, as a read-only memory map.

    Raises:
        UserError: the file is missing, cut short, or holds something else.
    """
    try:
        with file.open("rb") as opened:
            (header_nbytes,) = struct.unpack("<Q", opened.read(8))
            nbytes = file.stat().st_size - 8 - header_nbytes
            if nbytes <= 0:
                raise ValueError("it is cut short")
            tensor = json.loads(opened.read(header_nbytes))[_TENSOR]
        dtype, (rows, dimension) = _DTYPES[tensor["dtype"]], tensor["shape"]
        if tensor["data_offsets"] != [0, nbytes] or nbytes != rows * dimension * dtype.itemsize:
            raise ValueError("it is cut short")
        return np.memmap(file, dtype, "r", offset=8 + header_nbytes, shape=(rows, dimension))
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; run the stage embed") from None
    except (OSError, struct.error, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{file} is damaged, or no shard of embeddings ({error}); run the stage embed") from None


def write_matrix(file: Path, embeddings: np.ndarray, precision: Precision) -> None:
    """Write the matrix of a shard, `(rows, dimension)`, atomically."""
    with atomic_path(file) as temporary:
        save_file({_TENSOR: np.ascontiguousarray(embeddings, _STORED[precision])}, temporary)


class EmbeddingsWriter:
    """Writes the shards of a folder in order; `write_embeddings` makes one."""

    def __init__(self, folder: Path, precision: Precision) -> None:
        self._folder, self._precision = folder, precision
        self._counts = {side: {"rows": 0, "shards": 0} for side in SIDES}
        self._dimensions: set[int] = set()
        for side in SIDES:
            (folder / side).mkdir()

    def add(self, side: Side, ids: pa.Table, embeddings: np.ndarray) -> None:
        """Write the next shard: at least one row of ids, sorted by their table's keys, and a unit embedding of each.

        Raises:
            ValueError: ids and embeddings differ in number, or the ids are in another order.
        """
        file = self._next(side, ids, embeddings)
        write_matrix(file, embeddings, self._precision)

    def add_file(self, side: Side, ids: pa.Table, source: Path) -> None:
        """Take a file that `write_matrix` wrote, of the same precision, as the next shard: a hard link, or a copy.

        Raises:
            UserError: the file is damaged.
            ValueError: as for `add`.
        """
        file = self._next(side, ids, map_matrix(source))
        try:
            os.link(source, file)
        except OSError:  # another file system
            shutil.copyfile(source, file)

    def finish(self) -> None:
        """Write what is to be known of all shards. Raises ValueError when their dimensions differ."""
        (dimension,) = self._dimensions
        write_json(self._folder / _INDEX, {"dimension": dimension, "precision": self._precision, **self._counts})

    def _next(self, side: Side, ids: pa.Table, embeddings: np.ndarray) -> Path:
        table, count = SIDES[side], self._counts[side]
        if len(ids) != len(embeddings) or not len(ids):
            raise ValueError(f"{len(ids)} ids for {len(embeddings)} embeddings")
        ids = ids.select(table.schema.names).cast(table.schema)
        if not ids.equals(ids.sort_by([(name, "ascending") for name in table.keys])):
            raise ValueError(f"ids of {side} are not sorted by {', '.join(table.keys)}")
        file = _shard(self._folder, side, count["shards"])
        table.write_arrow(file.with_suffix(".parquet"), ids)
        count["rows"] += len(ids)
        count["shards"] += 1
        self._dimensions.add(embeddings.shape[1])
        return file


@contextlib.contextmanager
def write_embeddings(folder: Path | str, precision: Precision) -> Iterator[EmbeddingsWriter]:
    """Yield a writer of shards; what it wrote takes the place of `folder` when the block ends well."""
    with atomic_folder(folder) as temporary:
        writer = EmbeddingsWriter(temporary, precision)
        yield writer
        writer.finish()


def _shard(folder: Path, side: Side, number: int) -> Path:
    return folder / side / f"{number:05d}.safetensors"


def _counted(index: Path, side: Side) -> tuple[int, int, int]:
    """Return dimension, rows and shards."""
    try:
        read = read_json(index)
        counts = read["dimension"], read[side]["rows"], read[side]["shards"]
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError
    except FileNotFoundError:
        raise UserError(f"{index}: no such file; run the stage embed") from None
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{index} is damaged: it must count dimension, rows and shards; run the stage embed") from None
    return counts


def _count_ids(file: Path) -> int:
    try:
        return pq.read_metadata(file).num_rows
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; run the stage embed") from None
    except (pa.ArrowException, OSError):
        raise UserError(f"{file} is damaged, or no Parquet table; run the stage embed") from None


def _ids(files: Sequence[Path], table: Table) -> pa.Table:
    shards = (read_columns(table, file.with_suffix(".parquet")) for file in files)
    return pa.concat_tables([table.schema.empty_table(), *shards])
