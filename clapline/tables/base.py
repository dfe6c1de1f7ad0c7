"""A table's contract: its columns, which of them may be empty, which together are unique; Parquet in and out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
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
        try:
            table = pa.Table.from_pandas(frame[self.schema.names], schema=self.schema, preserve_index=False, safe=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise UserError(f"{path}: table {self.name}: {error}") from None
        self.write_arrow(path, table)

    def write_arrow(self, path: Path | str, table: pa.Table) -> None:
        """Write an Arrow table of the same schema as `write` does, without making Python objects of its cells."""
        self._check_columns(path, table.schema.names)
        table = table.select(self.schema.names).cast(self.schema)
        # One chunk per column: the file's bytes then do not depend on the pieces that the table was made of.
        table = table.sort_by([(name, "ascending") for name in self.keys]).combine_chunks()
        self._check_values(path, table)
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
                # Of objects even where there is no row: a list of none would become a column of numbers.
                lists = [list(value) for value in frame[column.name]]
                frame[column.name] = pd.Series(lists, index=frame.index, dtype=object)
        self._check_values(path, table)
        return frame

    def _check_columns(self, path: Path | str, columns: list[str]) -> None:
        missing = [name for name in self.schema.names if name not in columns]
        unknown = [name for name in columns if name not in self.schema.names]
        if missing or unknown:
            raise UserError(f"{path}: table {self.name}: missing columns {missing}, unknown columns {unknown}")

    def _check_values(self, path: Path | str, table: pa.Table) -> None:
        for name in self.schema.names:
            if name not in self.nullable and table.column(name).null_count:
                raise UserError(f"{path}: table {self.name}: column {name} has empty cells")
        counts = table.select(list(self.keys)).group_by(list(self.keys)).aggregate([([], "count_all")])
        repeated = counts.filter(pc.field("count_all") > 1)
        if repeated.num_rows:
            key = repeated.select(list(self.keys)).slice(0, 1).to_pylist()[0]
            raise UserError(f"{path}: table {self.name}: {key} stands there twice")
