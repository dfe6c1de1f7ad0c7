from __future__ import annotations

import multiprocessing
from pathlib import Path

from stages.captions.replies import Reply, ReplyStore


def reply(words: str) -> Reply:
    return Reply(words, "stop", 3, 2, "m", "paraphrase-train-1")


def key(number: int) -> str:
    return f"{number:032x}"


def test_a_reply_is_found_again_by_another_store(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        store.put(key(1), reply("ein Hund bellt – 犬"))
        assert store.get(key(1)) == reply("ein Hund bellt – 犬")
    with ReplyStore(tmp_path) as store:
        assert store.get(key(1)) == reply("ein Hund bellt – 犬")
        assert store.get(key(2)) is None


def test_the_torn_last_line_is_ignored_and_the_rest_kept(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        store.put(key(1), reply("whole"))
        store.put(key(2), reply("torn"))
    (segment,) = tmp_path.iterdir()
    content = segment.read_bytes()
    for cut in range(content.index(b"\n") + 1, len(content)):
        segment.write_bytes(content[:cut])
        with ReplyStore(tmp_path) as store:
            assert store.get(key(1)) == reply("whole")
            assert store.get(key(2)) is None


def test_a_damaged_line_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"key": "' + key(1).encode() + b'", "content": \xff}\n\x00\x00\n')
    with ReplyStore(tmp_path) as store:
        assert store.get(key(1)) is None


def _write(folder: Path, first: int) -> None:
    with ReplyStore(folder) as store:
        for number in range(first, first + 200):
            store.put(key(number), reply(str(number)))


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, first)) for first in (0, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with ReplyStore(tmp_path) as store:
        assert len(store) == 400
        assert all(store.get(key(number)) == reply(str(number)) for number in range(400))


def test_refresh_sees_what_another_store_wrote(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as one, ReplyStore(tmp_path) as other:
        one.put(key(1), reply("a"))
        other.put(key(2), reply("b"))
        assert other.get(key(1)) is None
        other.refresh()
        assert other.get(key(1)) == reply("a")
        assert other.get(key(2)) == reply("b")
