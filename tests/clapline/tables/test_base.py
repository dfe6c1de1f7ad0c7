from __future__ import annotations

import importlib
import pkgutil

import pandas as pd
import pyarrow as pa
import pytest

import clapline.tables
from clapline.errors import UserError
from clapline.tables.base import TEXTS, Table

TABLE = Table(
    "toys",
    pa.schema([("name", pa.string()), ("place", pa.int32()), ("words", TEXTS), ("note", pa.string())]),
    keys=("name", "place"),
    nullable=frozenset({"note"}),
)


def row(name: str, place: int, **more) -> dict:
    return {"name": name, "place": place, "words": ["a", "b"], "note": None} | more


def test_round_trip_sorts_by_the_keys_and_keeps_lists(tmp_path):
    TABLE.write(tmp_path / "t.parquet", TABLE.frame([row("b", 1), row("a", 2, words=[]), row("a", 1, note="x")]))
    back = TABLE.read(tmp_path / "t.parquet")
    assert list(zip(back.name, back.place, strict=True)) == [("a", 1), ("a", 2), ("b", 1)]
    assert back.words.tolist() == [["a", "b"], [], ["a", "b"]]
    assert back.note.tolist()[0] == "x"
    assert pd.isna(back.note.tolist()[1])


def test_equal_rows_give_equal_bytes_in_any_order(tmp_path):
    rows = [row("b", 1), row("a", 2), row("c", 0)]
    TABLE.write(tmp_path / "one", TABLE.frame(rows))
    TABLE.write(tmp_path / "two", TABLE.frame(rows[::-1]))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_empty_table_keeps_its_columns(tmp_path):
    TABLE.write(tmp_path / "t", TABLE.frame())
    assert list(TABLE.read(tmp_path / "t").columns) == ["name", "place", "words", "note"]


def every_table() -> dict[str, Table]:
    names = [found.name for found in pkgutil.iter_modules(clapline.tables.__path__)]
    modules = [importlib.import_module(f"clapline.tables.{name}") for name in names]
    return {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Table)}


@pytest.mark.parametrize("table", every_table().values(), ids=every_table())
def test_an_empty_table_can_be_read_and_written_again(table, tmp_path):
    table.write(tmp_path / "one", table.frame())
    back = table.read(tmp_path / "one")
    for column in table.schema:
        if pa.types.is_list(column.type):
            assert back[column.name].dtype == object
    table.write(tmp_path / "two", back)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a", 1), row("a", 1)], "stands there twice"),
        ([row(None, 1)], "empty cells"),
        ([row("a", "one")], "toys"),
        ([row("a", 1.5)], "toys"),
    ],
)
def test_a_broken_contract_is_refused_and_writes_nothing(rows, message, tmp_path):
    with pytest.raises(UserError, match=message):
        TABLE.write(tmp_path / "t", TABLE.frame(rows))
    assert not list(tmp_path.iterdir())


def test_columns_too_many_or_too_few_are_named(tmp_path):
    with pytest.raises(UserError, match=r"missing columns \['note'\], unknown columns \['nite'\]"):
        TABLE.write(tmp_path / "t", TABLE.frame([row("a", 1)]).rename(columns={"note": "nite"}))


def test_missing_and_foreign_files_are_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="run the stage that makes it"):
        TABLE.read(tmp_path / "none")
    (tmp_path / "text").write_text("no parquet")
    with pytest.raises(UserError, match="no Parquet table"):
        TABLE.read(tmp_path / "text")
