from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import shutil
import threading
import time
import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from clapline.errors import UserError
from stages.captions import replies
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


def content(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def test_a_damaged_reply_may_be_stored_again(tmp_path: Path) -> None:
    (tmp_path / "0.jsonl").write_bytes(b'{"key": "' + key(1).encode() + b'", "content": \xff}\n\x00\x00\n')
    with ReplyStore(tmp_path) as store:
        assert store.get(key(1)) is None
        assert store.damaged == 2
        store.put(key(1), reply("again"))
        assert store.get(key(1)) == reply("again")
    with ReplyStore(tmp_path) as store:
        assert store.get(key(1)) == reply("again")


def test_every_flipped_or_lost_byte_costs_one_reply_at_most(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        for number in range(3):
            store.put(content(number), reply(f"text {number}"))
    (segment,) = tmp_path.iterdir()
    whole = segment.read_bytes()
    for place in range(0, len(whole), 3):
        for damaged in (whole[:place] + b"\x00" + whole[place + 1 :], whole[:place] + whole[place + 1 :]):
            segment.write_bytes(damaged)
            with ReplyStore(tmp_path) as store:
                found = [store.get(content(number)) is not None for number in range(3)]
                assert sum(found) >= 2, place


def test_a_torn_line_does_not_swallow_what_is_appended_to_it(tmp_path: Path) -> None:
    for name, number in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        with ReplyStore(tmp_path / name) as store:
            store.put(content(number), reply(f"text {number}"))
    parts = [next((tmp_path / name).glob("*.jsonl")).read_bytes() for name in ("a", "b")]
    joined = tmp_path / "joined"
    joined.mkdir()
    (joined / "c.jsonl").write_bytes(parts[0][:-20] + parts[1])
    with ReplyStore(joined) as store:
        assert store.get(content(1)) is None
        assert store.get(content(2)) == reply("text 2")
        assert store.damaged == 1


def test_segments_of_a_colleague_are_taken_in_and_lines_of_other_versions_too(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    with ReplyStore(own) as mine:
        mine.put(content(1), reply("mine"))
        with ReplyStore(other) as theirs:
            theirs.put(content(2), replace(reply("theirs"), via="batch"))
        shutil.copy(next(other.glob("*.jsonl")), own)
        old = {"key": content(3), **asdict(reply("old"))}
        new = {"key": content(4), **asdict(reply("new")), "a_field_of_later": 1}
        del old["via"]
        (own / "notes.jsonl").write_text(json.dumps(old) + "\n" + json.dumps(new) + "\n")
        mine.refresh()
        assert mine.get(content(2)) == replace(reply("theirs"), via="batch")
        assert mine.get(content(3)) == reply("old")
        assert mine.get(content(4)) == reply("new")
        assert mine.damaged == 0


def test_keys_that_share_a_hash_are_told_apart(tmp_path: Path) -> None:
    keys = [f"{number:016x}{7:016x}" for number in range(5)]
    with ReplyStore(tmp_path) as store:
        for number, one in enumerate(keys):
            store.put(one, reply(str(number)))
        assert [store.get(one) for one in keys] == [reply(str(number)) for number in range(5)]
        assert store.get(f"{9:016x}{7:016x}") is None
    with ReplyStore(tmp_path) as store:
        assert [store.get(one) for one in keys] == [reply(str(number)) for number in range(5)]


@pytest.mark.parametrize(("segments", "each"), [(1, 70_000), (500, 20)])
def test_many_replies_in_one_segment_or_many_segments(tmp_path: Path, segments: int, each: int) -> None:
    for segment in range(segments):
        with (tmp_path / f"{segment:03}.jsonl").open("w") as file:
            for number in range(segment * each, (segment + 1) * each):
                file.write(json.dumps({"key": content(number), **asdict(reply(str(number)))}) + "\n")
    tracemalloc.start()
    with ReplyStore(tmp_path) as store:
        kept = tracemalloc.get_traced_memory()[0] / (segments * each)
        tracemalloc.stop()
        assert len(store) == segments * each
        for number in range(0, segments * each, 97):
            assert store.get(content(number)) == reply(str(number))
            assert store.get(content(-1 - number)) is None
    assert kept < 150


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        store.put(content(1), reply("a"))
        writer, store._writer = store._writer, Path("/dev/full").open("ab")  # noqa: SIM115
        with pytest.raises(UserError, match="cannot be stored"):
            store.put(content(2), reply("b"))
        with contextlib.suppress(OSError):
            store._writer.close()
        store._writer = writer


def test_what_was_written_is_synced_within_a_second_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    monkeypatch.setattr(replies.os, "fsync", lambda _: synced.set())
    monkeypatch.setattr(replies, "_SYNC_S", 0.02)
    with ReplyStore(tmp_path) as store:
        store.put(content(1), reply("a"))
        assert synced.wait(30)
        synced.clear()
        monkeypatch.setattr(replies, "_SYNC_S", 1000)
        store.put(content(2), reply("b"))
        assert not synced.is_set()
    assert synced.is_set()


def _send(folder: Path, barrier: Any, log: Any) -> None:
    with ReplyStore(folder) as store:
        barrier.wait()
        with store.sending("server", "model"):
            if store.get(content(1)) is None:
                time.sleep(0.2)
                store.put(content(1), reply("paid"))
                log.put("sent")


def test_one_process_at_a_time_sends_and_the_others_find_its_replies(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, log = context.Barrier(3), context.Queue()
    runs = [context.Process(target=_send, args=(tmp_path, barrier, log)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert log.get(timeout=10) == "sent"
    assert log.empty()
