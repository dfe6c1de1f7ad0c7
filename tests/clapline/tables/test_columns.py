"""Columns of a table's file as Arrow, and what is said of a file that has them not."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clapline.errors import UserError
from clapline.tables.columns import read_columns
from clapline.tables.embeddings import AUDIO_ROWS, TEXT_ROWS

ROWS = pa.table({"dataset": ["toy", "toy"], "clip_id": ["a", "b"], "caption_index": [0, 1], "text": ["x", "y"]})


def test_columns_come_in_the_order_asked_for_and_with_the_types_of_the_table(tmp_path):
    pq.write_table(ROWS.cast(ROWS.schema.set(3, pa.field("text", pa.large_string()))), tmp_path / "rows")
    found = read_columns(TEXT_ROWS, tmp_path / "rows", ("text", "caption_index"))
    assert found.schema.equals(pa.schema([("text", pa.string()), ("caption_index", pa.int32())]))
    assert found.to_pydict() == {"text": ["x", "y"], "caption_index": [0, 1]}
    assert read_columns(AUDIO_ROWS, tmp_path / "rows").column_names == ["dataset", "clip_id"]


def test_a_file_without_a_column_or_that_is_no_table_is_one_line(tmp_path):
    path = tmp_path / "rows"
    with pytest.raises(UserError, match=r"rows: no such table \(text_rows\); run the stage that makes it"):
        read_columns(TEXT_ROWS, path)
    pq.write_table(ROWS.drop_columns(["text"]), path)
    with pytest.raises(UserError, match=r"table text_rows: missing columns \['text'\]"):
        read_columns(TEXT_ROWS, path)
    whole = path.read_bytes()
    for content in (b"", b"no table", whole[:-9], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is no Parquet table") as error:
            read_columns(TEXT_ROWS, path)
        assert "\n" not in str(error.value)
