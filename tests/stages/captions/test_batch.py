"""The batch API, against a server that knows it: half the price, paid once, whatever happens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clapline.errors import UserError
from clapline.params.captions import LanguageModel
from clapline.params.machine import Machine
from stages.captions import batch
from stages.captions.asking import Outcome, ask_all
from tests.stages.captions.batch_server import BatchServer
from tests.stages.captions.fault_server import FaultServer
from tests.stages.captions.toys import all_accepted, ask, question

CAPTIONS = [f"sound {number}" for number in range(50)]
BATCH = {"batch_api": True}


@pytest.fixture(autouse=True)
def _stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "stores"))
    monkeypatch.setattr(batch, "_FIRST_POLL_S", 0.01)
    monkeypatch.setattr(batch, "_LONGEST_POLL_S", 0.02)


def lines(server: BatchServer) -> list[dict]:
    return [json.loads(line) for name in server.files if name[5:].isdigit() for line in server.files[name].splitlines()]


def batched(outcomes: list[Outcome]) -> int:
    return sum(outcome.batched_prompt_tokens for outcome in outcomes) // 11


def test_a_round_is_one_batch_and_is_paid_once() -> None:
    with BatchServer().running() as server:
        outcomes = ask(server.url, CAPTIONS, BATCH)
        assert all_accepted(outcomes)
        assert batched(outcomes) == len(CAPTIONS) == server.batched
        assert len(server.batches) == 1
        assert server.asked.total() == 0
        first = lines(server)[0]
        assert first["method"] == "POST"
        assert first["url"] == server.batches["batch_0"]["endpoint"] == "/v1/chat/completions"
        assert first["body"]["response_format"]["type"] == "json_schema"
        count = len(server.paths)
        assert batched(ask(server.url, CAPTIONS, BATCH)) == len(CAPTIONS)
        assert all_accepted(ask(server.url, CAPTIONS))
        assert len(server.paths) == count


@pytest.mark.parametrize("status", ["completed", "expired", "cancelled"])
def test_what_a_batch_leaves_out_is_asked_one_by_one(status: str, capfd: pytest.CaptureFixture[str]) -> None:
    fates = ["", "error", "missing", "broken"]
    with BatchServer(fate=lambda number: fates[number % 4], status=status).running() as server:
        outcomes = ask(server.url, CAPTIONS, BATCH)
        assert all_accepted(outcomes)
        assert batched(outcomes) == server.batched == 13
        assert server.asked.total() == len(CAPTIONS) - 13
        assert max(server.whole.values()) == 1
    assert (f"batch_0 {status}" in capfd.readouterr().err) == (status != "completed")


def test_a_batch_that_failed_altogether_is_asked_one_by_one() -> None:
    with BatchServer(fate=lambda _: "missing", status="failed").running() as server:
        assert all_accepted(ask(server.url, CAPTIONS, BATCH))
        assert server.asked.total() == len(CAPTIONS)


def test_rejected_texts_are_the_next_batch() -> None:
    def answer(messages: list[dict[str, str]]) -> dict[str, str]:
        asked = json.loads(messages[1]["content"])["caption"]
        names = json.loads(messages[-1]["content"])["wanted"]
        return {name: f"{asked} as {name}" if len(messages) > 2 else "no" for name in names}

    with BatchServer(answer).running() as server:
        outcomes = ask(server.url, CAPTIONS, BATCH)
        assert all_accepted(outcomes)
        assert {outcome.askings for outcome in outcomes} == {2}
        assert len(server.batches) == 2


def test_large_rounds_are_split_as_the_server_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_REQUESTS", 20)
    with BatchServer().running() as server:
        assert all_accepted(ask(server.url, CAPTIONS, BATCH))
        assert sorted(content.count(b"\n") for name, content in server.files.items() if name[5:].isdigit()) == [
            10,
            20,
            20,
        ]
    monkeypatch.setattr(batch, "MOST_BYTES", 5000)
    with BatchServer().running() as server:
        assert all_accepted(ask(server.url, [f"bell {number}" for number in range(50)], BATCH))
        sizes = [len(content) for name, content in server.files.items() if name[5:].isdigit()]
        assert len(sizes) > 3
        assert max(sizes) <= 5000


def test_what_an_account_may_not_hand_in_at_once_is_handed_in_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_REQUESTS", 20)
    with BatchServer(most_at_once=2).running() as server:
        outcomes = ask(server.url, CAPTIONS, BATCH)
        assert all_accepted(outcomes)
        assert batched(outcomes) == len(CAPTIONS)
        assert server.asked.total() == 0
        assert len(server.batches) == 4


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["before it is created", "after it is created", "while it runs", "while it is read"])
def test_a_killed_run_takes_the_same_batch_up_again(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with BatchServer().running() as server:
        with monkeypatch.context() as patch:
            if moment == "while it is read":
                put = batch.ReplyStore.put

                def put_some(store: batch.ReplyStore, key: str, reply: object) -> None:
                    if len(store) == 20:
                        raise Killed
                    put(store, key, reply)  # type: ignore[arg-type]

                patch.setattr(batch.ReplyStore, "put", put_some)
            elif moment == "while it runs":
                patch.setattr(batch, "_ended", _killed)
            else:
                write = batch.write_json

                def write_some(path: Path, value: dict) -> None:
                    if (value["batch"] is None) == (moment == "before it is created"):
                        raise Killed
                    write(path, value)

                patch.setattr(batch, "write_json", write_some)
            with pytest.raises(Killed):
                ask(server.url, CAPTIONS, BATCH)
        assert len(server.batches) == (moment != "before it is created")
        # Other questions in the next run, and those of the batch among them.
        outcomes = ask(server.url, [*CAPTIONS[10:], "a bell"], BATCH)
        assert all_accepted(outcomes)
        assert all_accepted(ask(server.url, CAPTIONS, BATCH))
        assert max(server.whole.values()) == 1
        assert server.whole.total() == len(CAPTIONS) + 1


async def _killed(*_: object) -> None:
    raise Killed


def test_a_batch_that_the_server_has_forgotten_is_handed_in_anew() -> None:
    with BatchServer().running() as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch, "_ended", _killed)
            with pytest.raises(Killed):
                ask(server.url, CAPTIONS, BATCH)
        server.batches.clear()
        assert all_accepted(ask(server.url, CAPTIONS, BATCH))
        assert server.batched == len(CAPTIONS)


def test_a_server_without_the_batch_api_is_named() -> None:
    with FaultServer().running() as server, pytest.raises(UserError, match=r"machine.batch_api.*status 404"):
        ask(server.url, CAPTIONS, BATCH)


def test_the_builtin_model_is_not_handed_in(tmp_path: Path) -> None:
    settings = Machine(progress=False, batch_api=True)
    ask_all([question("a bell")], "builtin", LanguageModel(attempts=1), settings, "toys")
    assert not (tmp_path / "stores/replies/batches").exists()
