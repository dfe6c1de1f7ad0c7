from __future__ import annotations

from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from clapline.chapter import read_chapter
from clapline.storage import content_key, read_json
from clapline.tables.captions import DROPPED
from stages.captions.accounts import Account, dropped_row, pick, write_accounts
from stages.captions.asking import Accepted, Dropped, Outcome
from stages.captions.audit.inputs import read_dropped

rows = st.lists(st.lists(st.one_of(st.text(max_size=2), st.integers(0, 3), st.none()), max_size=2), max_size=40)


@given(rows, st.integers(0, 8), st.randoms())
def test_pick_returns_the_distinct_rows_of_the_smallest_keys_in_any_order(drawn: list, count: int, mixed) -> None:
    expected = sorted({content_key(row): row for row in drawn}.items())[:count]
    shuffled = [*drawn, *drawn]
    mixed.shuffle(shuffled)
    assert [content_key(row) for row in pick(iter(shuffled), count)] == [key for key, _ in expected]


def test_pick_holds_no_more_than_it_returns() -> None:
    alive = 0
    most = 0

    class Row(list):
        def __init__(self, number: int) -> None:
            nonlocal alive, most
            super().__init__([number])
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    assert len(pick((Row(number) for number in range(5000)), 12)) == 12
    assert most < 20


def outcome(**values) -> Outcome:
    return Outcome(
        {"a": Accepted("text", 1)}, {"b": Dropped("words_kept: 0.9", 3)}, {"b": ["words_kept"] * 3}, 3, **values
    )


def test_equal_captions_share_one_outcome_and_its_tokens_count_once() -> None:
    shared = outcome(prompt_tokens=100, completion_tokens=40, batched_prompt_tokens=60, batched_completion_tokens=20)
    account = Account("task", "some-model", "task-train-1", least_similarity=0.6)
    account.add_questions([shared, shared, outcome(prompt_tokens=1)])
    for name in ("a", "b", "a"):
        account.count(shared, name)
    summary = account.summary()
    assert (summary["questions"], summary["askings"]) == (2, 6)
    assert (summary["prompt_tokens"], summary["completion_tokens"]) == (101, 40)
    assert (summary["batched_prompt_tokens"], summary["batched_completion_tokens"]) == (60, 20)
    assert (summary["captions"], summary["accepted"], summary["first_time"], summary["dropped"]) == (3, 2, 2, 1)
    assert summary["failures"] == {"words_kept": 6}
    assert summary["least_similarity"] == 0.6


def written(folder: Path, *accounts: Account) -> list[str]:
    lost = DROPPED.frame(
        [
            dropped_row("toy", clip, 0, "task", "train", 'He said "no",\nthen left', Dropped("entity: tv", 3))
            for clip in ("b", "a")
        ]
    )
    examples = (["caption", "text"], ([f"caption {k}", "text"] for k in range(100)))
    write_accounts(folder, "Title", "Words.", accounts, lost, examples)
    return read_chapter(folder).blocks[1].columns


def test_batched_tokens_have_columns_where_there_are_any(tmp_path: Path) -> None:
    plain, batched = Account("plain", "m", "p"), Account("batched", "m", "p", batched_prompt_tokens=7)
    assert not any("batched" in name for name in written(tmp_path / "one", plain))
    columns = written(tmp_path / "two", plain, batched)
    assert sum("batched" in name for name in columns) == 2
    block = read_chapter(tmp_path / "two").blocks[1]
    assert [row[columns.index("prompt, batched")] for row in block.rows] == [0, 7]


ODD = ["a\rb", "a\r\nb", "\r", "a\nb", 'say "a", "b"', "a,b", ",", '"', "NA", "", " a ", "犬が吠える", "'", "\t"]


def test_any_caption_is_listed_in_one_row_and_comes_back_as_it_was(tmp_path: Path) -> None:
    lost = [dropped_row("toy", f"{k:02}", 0, "task", "train", text, Dropped(text, 3)) for k, text in enumerate(ODD)]
    more = pd.DataFrame({"clip_id": ODD})
    accounts = [Account("task", "m", "p")]
    write_accounts(tmp_path / "report", "Title", "", accounts, DROPPED.frame(lost), ([], []), {"more": more})
    listed = read_dropped(tmp_path / "report/dropped.csv")
    assert list(listed["original"]) == list(listed["reason"]) == ODD
    assert list(pd.read_csv(tmp_path / "report/more.csv", keep_default_na=False)["clip_id"]) == ODD


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    written(tmp_path / "report", Account("task", "m", "p"))
    listed = pd.read_csv(tmp_path / "report/dropped.csv")
    assert list(listed["clip_id"]) == ["a", "b"]
    assert set(listed["original"]) == {'He said "no",\nthen left'}
    assert list(read_json(tmp_path / "report/summary.json")) == ["task"]
    assert len(read_chapter(tmp_path / "report").blocks[-1].rows) == 12
