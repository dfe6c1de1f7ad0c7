"""Columns of a table as Arrow, for tables of millions of rows: no Python object is made of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clapline.errors import UserError
from clapline.tables.base import Table


def read_columns(table: Table, path: Path | str, names: Sequence[str] | None = None) -> pa.Table:
    """Return the columns `names` (None: all) of a table's file, in the order of its rows.

    The contract is checked when a table is written; here it is that the columns are there and have its types. Raises
    UserError when they have not, or the file is missing or damaged.
    """
    schema = pa.schema([table.schema.field(name) for name in names or table.schema.names])
    try:
        missing = [name for name in schema.names if name not in pq.read_schema(path).names]
        if missing:
            raise UserError(f"{path}: table {table.name}: missing columns {missing}")
        return pq.read_table(path, columns=schema.names).select(schema.names).cast(schema)
    except FileNotFoundError:
        raise UserError(f"{path}: no such table ({table.name}); run the stage that makes it") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is no Parquet table ({table.name}): {' '.join(str(error).split())[:200]}") from None
