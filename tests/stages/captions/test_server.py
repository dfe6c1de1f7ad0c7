"""The paraphrase door against a real HTTP server on the loopback that misbehaves."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import stages.captions.client as client_module
from clapline.randomness import generator
from clapline.storage import file_sha256
from clapline.tables.captions import PARAPHRASES
from stages.captions import paraphrase
from stages.captions.builtin.answer import answer
from stages.captions.prompts import PARAPHRASE_TRAIN, request
from stages.captions.replies import ReplyStore
from tests.stages.captions.fault_server import LOST, USELESS, FaultServer, Messages, Response
from tests.stages.captions.places import clip, save, write_params

REPOSITORY = Path(__file__).resolve().parents[3]
KEY = "sk-planted-7f3e9a"
NOUNS = ["dog", "cat", "train", "bell", "engine", "bird", "door", "clock", "horn", "siren", "drum", "pump", "goat"]
WAYS = ["softly", "steadily", "loudly", "faintly", "clearly", "briefly", "slowly"]
PLACES = ["street", "forest", "kitchen", "room", "city", "garden", "cellar", "valley", "station", "harbour"]
SECONDS = ["rain falls", "wind blows", "a man speaks", "water drips", "people cheer", "birds sing"]
TABLE = Path("data/captions/paraphrases_train.parquet")


def captions(count: int) -> list[str]:
    drawn = itertools.product(NOUNS, WAYS, PLACES, SECONDS)
    texts = [f"A {noun} can be heard {way} in a {place} while {second}" for noun, way, place, second in drawn]
    assert len(texts) >= count
    return texts[:count]


def served(messages: Messages) -> dict[str, str]:
    return json.loads(answer(messages))["answers"]


def lay_out(folder: Path, url: str, count: int, machine: dict[str, Any] | None = None, **section: object) -> None:
    save(
        folder / "data/captioned/paired.parquet",
        [clip(f"c{number:04}", captions=[text]) for number, text in enumerate(captions(count))],
    )
    save(folder / "data/captioned/retrieval.parquet", [])
    own = {"progress": False, "base_url": url, "concurrency": 32, "timeout_s": 5.0, **(machine or {})}
    measured = {"similarity": {"model": "lexical"}}
    write_params(folder, paraphrase={"model": "served", **measured, **section}, machine=own)


def every_caption_is_accepted_or_listed(count: int) -> pd.DataFrame:
    table = PARAPHRASES.read(TABLE)
    dropped = pd.read_csv("reports/paraphrase/dropped.csv")
    wanted = {(f"c{number:04}", level) for number in range(count) for level in (1, 2)}
    accepted = list(zip(table["clip_id"], table["level"], strict=True))
    listed = [(row.clip_id, int(row.task[-1])) for row in dropped.itertuples()]
    assert len(accepted) + len(listed) == len(wanted)
    assert {*accepted, *listed} == wanted
    assert dropped["reason"].str.match(r"[a-z_]+: ").all()
    return table


def everything_written(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(autouse=True, scope="module")
def _ready() -> None:
    """Have the model's word lists loaded: the first answers would run into the client's time-out."""
    served(request(PARAPHRASE_TRAIN, {"caption": captions(1)[0]}, ["level_1", "level_2"]))


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_FIRST_WAIT_S", 0.01)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("share", [0.3, 0.0])
def test_300_captions_are_accepted_or_listed_and_none_is_paid_twice(
    share: float, workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    # A server that hangs is left to the slow test, and to one question in test_client.
    kinds = [kind for kind in (*LOST, *USELESS) if kind != "hang"]
    with FaultServer(served, share=share, kinds=kinds).running() as server:
        lay_out(workplace, server.url, 150)
        paraphrase.main()
        table = every_caption_is_accepted_or_listed(150)
        assert len(table) > 150
        assert max(server.whole.values()) == 1
        if share:
            assert len(server.faults) > len(kinds) - 3
            assert (table["attempts"] > 1).any()
        asked, before = server.asked.total(), file_sha256(TABLE)
        paraphrase.main()
        lay_out(workplace, server.url, 150, {"concurrency": 3, "requests_per_minute": 9000})
        paraphrase.main()
        assert server.asked.total() == asked
        assert file_sha256(TABLE) == before
        assert {headers["authorization"] for *_, headers in server.requests} == {f"Bearer {KEY}"}
        lay_out(workplace, server.url, 10, temperature=0.2)
        paraphrase.main()
        assert server.asked.total() >= asked + 10
    assert not any(KEY.encode() in content for content in everything_written(workplace))
    assert KEY not in "".join(capfd.readouterr())


def test_a_local_server_needs_no_key(workplace: Path) -> None:
    with FaultServer(served).running() as server:
        lay_out(workplace, server.url, 20, levels=[1])
        paraphrase.main()
        assert len(PARAPHRASES.read(TABLE)) > 5


def test_a_stop_half_way_keeps_what_was_paid(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def closed(_: dict[str, Any], __: int) -> Response | None:
        spent = server.whole.total() > 20
        return (401, {"error": {"message": f"bad key {KEY}"}}, {"X-Key": KEY}) if spent else None

    with FaultServer(served, script=closed).running() as server:
        lay_out(workplace, server.url, 60, {"concurrency": 8})
        with pytest.raises(SystemExit):
            paraphrase.main()
        assert not TABLE.exists()
        message = capfd.readouterr().err
        assert "401" in message
        assert message.count("\n") == 1
        assert KEY not in message
        server.script = None
        paraphrase.main()
        every_caption_is_accepted_or_listed(60)
        assert max(server.whole.values()) == 1


def start_door(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OPENAI_API_KEY": KEY}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "stages.captions.paraphrase"],
            cwd=folder,
            env=variables,
            stdout=output,
            stderr=output,
        )


@pytest.mark.slow
def test_10000_captions_three_kills_and_nothing_lost_or_paid_twice(workplace: Path) -> None:
    count, concurrency = 5000, 32
    log = workplace / "log.txt"
    with FaultServer(served, share=0.3).running() as server:
        server.keep_requests = False
        lay_out(workplace, server.url, count)
        draws = generator(0, "kills")
        for kill in range(3):
            moment = int(count * (kill + draws.uniform(0.1, 0.9)) / 3)
            door = start_door(workplace, log)
            while len(server.whole) < moment:
                assert door.poll() is None, log.read_text()
                time.sleep(0.01)
            door.kill()
            door.wait()
            assert not TABLE.exists()
        # What a killed run had under way arrived nowhere; all else is paid once.
        before = sum(number - 1 for number in server.whole.values())
        assert start_door(workplace, log).wait(timeout=800) == 0, log.read_text()
        table = every_caption_is_accepted_or_listed(count)
        assert len(table) > count
        twice = sum(number - 1 for number in server.whole.values())
        assert before <= twice <= 3 * concurrency
        with ReplyStore(workplace / "stores/replies") as replies:
            assert len(replies) == len(server.whole)
            assert replies.damaged == 0
        asked, digest = server.asked.total(), file_sha256(TABLE)
        assert start_door(workplace, log).wait(timeout=300) == 0
        assert server.asked.total() == asked
        assert file_sha256(TABLE) == digest
        faults = sum(number for kind, number in server.faults.items() if kind)
        assert faults > 0.25 * server.faults.total()
        print(f"{len(table)} of {2 * count} accepted; {asked} requests, {faults} faults, {twice} paid twice")
    assert not any(KEY.encode() in content for content in everything_written(workplace))


@pytest.mark.slow
def test_the_server_is_asked_by_several_at_once_and_each_question_once(workplace: Path) -> None:
    log = workplace / "log.txt"
    with FaultServer(served, share=0.1, kinds=("malformed", "too_few")).running() as server:
        lay_out(workplace, server.url, 400)
        doors = [start_door(workplace, log) for _ in range(3)]
        assert [door.wait(timeout=300) for door in doors] == [0, 0, 0], log.read_text()
        every_caption_is_accepted_or_listed(400)
        assert set(server.asked.values()) == {1}
    assert "waiting for another run" in log.read_text()
