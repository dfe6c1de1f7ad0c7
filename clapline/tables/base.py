"""A table's contract: its columns, which of them may be empty, which together are unique; Parquet in and out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clapline.errors import UserError
from clapline.storage import atomic_path

TEXTS = pa.list_(pa.string())


@dataclass(frozen=True)
class Table:
    """A named schema. `keys` are unique together and give the order of the rows; `nullable` columns may be empty."""

    name: str
    schema: pa.Schema
    keys: tuple[str, ...]
    nullable: frozenset[str] = field(default_factory=frozenset)

    def frame(self, rows: list[dict] | None = None) -> pd.DataFrame:
        """Return rows (dicts with every column) as a data frame with the table's columns."""
        return pd.DataFrame(rows or [], columns=self.schema.names)

    def write(self, path: Path | str, frame: pd.DataFrame) -> None:
        """Check `frame`, sort it by the keys, write it atomically. Raises UserError when the contract is broken."""
        self._check_columns(path, list(frame.columns))
        ordered = frame[self.schema.names].sort_values(list(self.keys), kind="stable").reset_index(drop=True)
        try:
            table = pa.Table.from_pandas(ordered, schema=self.schema, preserve_index=False, safe=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UserError(f"{path}: table {self.name}: {error}") from None
        self._check_values(path, table, ordered)
        # The pandas block names the library's version: without it equal rows give equal bytes.
        with atomic_path(path) as temporary:
            pq.write_table(table.replace_schema_metadata(None), temporary, compression="zstd")

    def read(self, path: Path | str) -> pd.DataFrame:
        """Read and check a table. Lists come back as Python lists. Raises UserError when the contract is broken."""
        try:
            table = pq.read_table(path)
        except FileNotFoundError:
            raise UserError(f"{path}: no such table ({self.name}); run the stage that makes it") from None
        except pa.ArrowInvalid as error:
            raise UserError(f"{path} is no Parquet table ({self.name}): {error}") from None
        self._check_columns(path, table.schema.names)
        table = table.select(self.schema.names).cast(self.schema)
        frame = table.to_pandas()
        for column in self.schema:
            if pa.types.is_list(column.type):
                frame[column.name] = [list(value) for value in frame[column.name]]
        self._check_values(path, table, frame)
        return frame

    def _check_columns(self, path: Path | str, columns: list[str]) -> None:
        missing = [name for name in self.schema.names if name not in columns]
        unknown = [name for name in columns if name not in self.schema.names]
        if missing or unknown:
            raise UserError(f"{path}: table {self.name}: missing columns {missing}, unknown columns {unknown}")

    def _check_values(self, path: Path | str, table: pa.Table, frame: pd.DataFrame) -> None:
        for name in self.schema.names:
            if name not in self.nullable and table.column(name).null_count:
                raise UserError(f"{path}: table {self.name}: column {name} has empty cells")
        if frame.duplicated(list(self.keys)).any():
            row = frame[frame.duplicated(list(self.keys))].iloc[0]
            key = {name: row[name] for name in self.keys}
            raise UserError(f"{path}: table {self.name}: {key} stands there twice")
