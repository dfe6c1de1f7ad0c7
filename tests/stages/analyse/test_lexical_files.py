from __future__ import annotations

import pandas as pd
import pytest

from clapline.errors import UserError
from stages.analyse.lexical_files import number_range, read_captions


def test_csv_as_clothos(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text(
        'file_name,caption_1,caption_10,caption_2\nx.wav,"a dog, barking",ten,two\ny.wav,rain,,\n', "utf-8-sig"
    )
    assert read_captions(path) == [("x.wav", "a dog, barking"), ("x.wav", "two"), ("x.wav", "ten"), ("y.wav", "rain")]
    assert read_captions(path, (1, 2)) == [("x.wav", "a dog, barking"), ("x.wav", "two"), ("y.wav", "rain")]


def test_one_caption_per_line(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("audiocap_id,youtube_id,start_time,caption\n1,abc,30,rain\n2,abc,30,wind\n", encoding="utf-8")
    assert read_captions(path) == [("abc", "rain"), ("abc", "wind")]


def test_parquet_with_a_dataset_and_with_lists(tmp_path):
    path = tmp_path / "c.parquet"
    pd.DataFrame({"dataset": ["d", "e"], "clip_id": ["1", "1"], "text": ["rain", None]}).to_parquet(path)
    assert read_captions(path) == [("d/1", "rain")]
    pd.DataFrame({"clip_id": [1], "captions": [["rain", "", "wind"]]}).to_parquet(path)
    assert read_captions(path) == [("1", "rain"), ("1", "wind")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.csv", None, "no such file"),
        ("c.txt", b"clip_id,text\n", "not from .txt"),
        ("c.csv", b"", "needs a clip column"),
        ("c.csv", b"clip_id,words\n1,rain\n", "there are: clip_id, words"),
        ("c.csv", b"caption_1\nrain\n", "needs a clip column"),
        ("c.csv", b"clip_id,text\n1,\n", "no captions in text"),
        ("c.csv", b"clip_id,text\n1,rain,wind\n", "record 1 has 3 cells"),
        ("c.csv", b"clip_id,text,text\n1,rain,wind\n", "comes twice"),
        ("c.csv", b"clip_id,text\n1,caf\xe9\n", "no CSV in UTF-8"),
        ("c.csv", b'clip_id,text\n1,"rain\n', "no CSV in UTF-8"),
        ("c.parquet", b"nothing of the kind", "no Parquet"),
    ],
)
def test_bad_files_are_one_error(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_captions(path)


def test_a_column_that_is_not_there(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("file_name,caption_1\nx.wav,rain\n", encoding="utf-8")
    with pytest.raises(UserError, match="no column caption_2"):
        read_captions(path, (1, 5))


def test_ranges():
    assert number_range("6-10") == (6, 10)
    assert number_range("3") == (3, 3)
    for wrong in ("", "5-1", "0-2", "a-b", "-3"):
        with pytest.raises(ValueError):
            number_range(wrong)
