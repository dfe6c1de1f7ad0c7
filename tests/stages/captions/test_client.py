"""The client against a real server on the loopback: forms, limits, refusals, keys."""

from __future__ import annotations

import asyncio
import email.utils
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stages.captions.client as client_module
from clapline.errors import UserError
from clapline.params.machine import Machine
from stages.captions.limits import Pace, retry_after_s
from tests.stages.captions.fault_server import FaultServer, Response, completion
from tests.stages.captions.toys import NAMES, all_accepted, ask

KEY = "sk-planted-7f3e9a"
CAPTIONS = [f"sound {number}" for number in range(40)]


@pytest.fixture(autouse=True)
def _stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "stores"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(client_module, "_FIRST_WAIT_S", 0.002)
    monkeypatch.setattr(client_module, "_LONGEST_BACK_OFF_S", 0.02)


def knows(*types: str | None) -> Callable[[dict[str, Any], int], Response | None]:
    def script(body: dict[str, Any], _: int) -> Response | None:
        asked = body.get("response_format", {}).get("type")
        return None if asked in types else (400, {"error": {"message": f"no response_format {asked}"}}, {})

    return script


@pytest.mark.parametrize("known", [("json_schema",), ("json_object", None), (None,)])
def test_auto_finds_the_strictest_form_that_the_server_knows(known: tuple[str | None, ...]) -> None:
    with FaultServer(script=knows(*known)).running() as server:
        assert all_accepted(ask(server.url, CAPTIONS))
        used = [body.get("response_format", {}).get("type") for _, body, _ in server.requests]
        assert used[-20:] == [known[0]] * 20
        assert max(server.whole.values()) == 1
        # Found out by the first questions, which run at once, and remembered.
        assert sum(kind not in known for kind in used) <= 2 * 8


def test_the_schema_names_every_wanted_text_and_nothing_else() -> None:
    with FaultServer().running() as server:
        ask(server.url, ["a bell"], structured="schema")
        form = server.requests[0][1]["response_format"]["json_schema"]
        texts = form["schema"]["properties"]["answers"]
        assert form["strict"] is True
        assert texts["required"] == list(NAMES) == list(texts["properties"])
        assert texts["additionalProperties"] is False is form["schema"]["additionalProperties"]


def test_a_form_that_was_asked_for_by_name_is_kept() -> None:
    with (
        FaultServer(script=knows(None)).running() as server,
        pytest.raises(UserError, match=r"refused every question.*no response_format json_schema"),
    ):
        ask(server.url, CAPTIONS, structured="schema")


def test_a_question_that_is_refused_does_not_change_the_form_for_the_others() -> None:
    def script(body: dict[str, Any], _: int) -> Response | None:
        refused = "sound 0" in body["messages"][1]["content"]
        return (400, {"error": {"message": "the policy"}}, {}) if refused else None

    with FaultServer(script=script).running() as server:
        outcomes = ask(server.url, CAPTIONS, {"concurrency": 1})
        assert all_accepted(outcomes[1:])
        assert {fate.reason for fate in outcomes[0].dropped.values()} == {"refused: status 400: the policy"}
        others = [body for _, body, _ in server.requests if "sound 0" not in body["messages"][1]["content"]]
        assert all(body["response_format"]["type"] == "json_schema" for body in others)


def test_the_other_name_of_the_bound_on_an_answer_is_found() -> None:
    def script(body: dict[str, Any], _: int) -> Response | None:
        if "max_tokens" not in body:
            return None
        words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return 400, {"error": {"message": words}}, {}

    with FaultServer(script=script).running() as server:
        assert all_accepted(ask(server.url, CAPTIONS))
        assert server.requests[-1][1]["max_completion_tokens"] == 400


def test_only_what_is_set_is_sent() -> None:
    with FaultServer().running() as server:
        ask(server.url, ["a"], temperature=None, structured="off")
        ask(server.url, ["a"], temperature=0.5, top_p=0.9, sampling_seed=3, structured="json")
        first, second = (body for _, body, _ in server.requests)
        assert set(first) == {"model", "messages", "max_tokens"}
        assert (second["temperature"], second["top_p"], second["seed"]) == (0.5, 0.9, 3)


@pytest.mark.parametrize(
    ("body", "check"),
    [
        (completion('{"answers": {"level_1": "a bel', "length"), "truncated"),
        (completion("", "stop", refusal="I will not."), "refused"),
        (completion("", "content_filter"), "refused"),
        (completion("I would rather not."), "malformed"),
        (completion('{"answers": {}}'), "missing"),
        (completion('{"answers": {"level_1": ["a", "b"], "level_2": ["a", "b"]}}'), "too_many"),
    ],
)
def test_what_is_no_answer_is_named_paid_once_and_asked_again(body: dict[str, Any], check: str) -> None:
    def script(sent: dict[str, Any], _: int) -> Response | None:
        return (200, body, {}) if len(sent["messages"]) == 2 else None

    with FaultServer(script=script).running() as server:
        (outcome,) = ask(server.url, ["a bell"])
        assert all_accepted([outcome])
        assert outcome.failures() == {check: 2}
        assert outcome.askings == 2
        again = server.requests[1][1]["messages"]
        assert again[2]["content"].strip()
        assert set(json.loads(again[3]["content"])["rejected"]) == set(NAMES)
        ask(server.url, ["a bell"])
        assert server.asked.total() == 2


def test_every_retry_of_a_question_carries_one_name_and_every_question_its_own() -> None:
    with FaultServer(share=0.5, kinds=("error", "drop")).running() as server:
        ask(server.url, CAPTIONS)
        names: dict[str, set[str]] = {}
        for _, body, headers in server.requests:
            names.setdefault(body["messages"][1]["content"], set()).add(headers["idempotency-key"])
        assert all(len(own) == 1 for own in names.values())
        assert len(set.union(*names.values())) == len(CAPTIONS)
        assert len(server.requests) > len(CAPTIONS)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_the_key_is_nowhere_though_the_server_repeats_it(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    words = f"the key {KEY} and Authorization: Bearer {KEY} are odd"

    def script(_: dict[str, Any], count: int) -> Response | None:
        return status, completion(words) if status == 200 else {"error": {"message": words}}, {"X-Key": KEY}

    with FaultServer(script=script).running() as server:
        try:
            said = repr(ask(server.url, ["a", "b"]))
        except UserError as error:
            said = f"{error} {error.__cause__} {error.__context__}"
        assert server.requests[0][2]["authorization"] == f"Bearer {KEY}"
    assert KEY not in said + "".join(capfd.readouterr())
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_model_with_a_server_of_its_own_is_asked_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-other-123456")
    with FaultServer().running() as server:
        own = {"served": {"base_url": server.url, "api_key_variable": "OTHER_KEY"}}
        assert all_accepted(ask("http://127.0.0.1:9/v1", ["a"], {"servers": own}))
        assert server.requests[0][2]["authorization"] == "Bearer sk-other-123456"


def test_a_429_makes_every_worker_wait() -> None:
    told: list[float] = []
    lock = threading.Lock()

    def script(_: dict[str, Any], __: int) -> Response | None:
        with lock:
            first, told[:] = not told, told or [time.monotonic()]
        if first:
            return 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.8"}
        time.sleep(0.3)
        return None

    with FaultServer(script=script).running() as server:
        assert all_accepted(ask(server.url, CAPTIONS[:16], {"concurrency": 8}))
        # The seven that were under way with it were let out; nobody else before its time.
        early = [at for at, *_ in server.requests if at < told[0] + 0.7]
        assert len(early) <= 8


def test_an_account_without_quota_ends_the_run() -> None:
    script = lambda *_: (429, {"error": {"message": "pay first", "code": "insufficient_quota"}}, {})  # noqa: E731
    with FaultServer(script=script).running() as server:
        with pytest.raises(UserError, match="no quota left"):
            ask(server.url, CAPTIONS)
        assert len(server.requests) <= 8


def test_a_dead_server_is_not_asked_everything() -> None:
    with FaultServer(share=1.0, kinds=("drop",)).running() as server:
        with pytest.raises(UserError, match=r"answered 0 of 500 .* unanswered .*the connection broke.* run again"):
            ask(server.url, [f"sound {number}" for number in range(500)], {"concurrency": 4})
        assert len(server.asked) <= 12


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    assert retry_after_s({"retry-after": "2.5"}) == 2.5
    assert retry_after_s({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert 90 < retry_after_s({"retry-after": date}) <= 100  # type: ignore[operator]
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after_s({"retry-after": "soon"}) is None
    assert retry_after_s({}) is None


def sent_in(machine: Machine, seconds: float, used: tuple[int, int]) -> tuple[int, int]:
    """Return how many requests a pace lets out in a while, and the tokens of their answers."""

    async def run() -> int:
        pace = Pace(machine)
        count = 0
        end = time.monotonic() + seconds

        async def worker() -> None:
            nonlocal count
            while time.monotonic() < end:
                began_s, held = await pace.enter(400)
                if time.monotonic() >= end:
                    return pace.leave()
                count += 1
                pace.answered(began_s, held, *used)
                pace.leave()

        await asyncio.gather(*(worker() for _ in range(machine.concurrency)))
        return count

    count = asyncio.run(run())
    return count, count * sum(used)


def test_no_more_requests_and_tokens_than_the_rates_allow() -> None:
    count, _ = sent_in(Machine(requests_per_minute=1800), 0.3, (100, 100))
    assert 0 < count <= 9 + 3 + 1
    # A request is let out by an estimate (about 108 tokens), and the rest of the 300 is owed by the next.
    _, tokens = sent_in(Machine(tokens_per_minute=120_000), 0.3, (200, 100))
    assert 0 < tokens <= 600 + 2000 + 8 * 300


def test_a_burst_of_requests_is_spread_over_the_time_that_answers_take() -> None:
    async def run() -> list[float]:
        pace = Pace(Machine(concurrency=8))
        began_s, held = await pace.enter(400)
        pace.answered(began_s - 0.2, held, 10, 10)
        pace.leave()
        return sorted(began for began, _ in await asyncio.gather(*(pace.enter(400) for _ in range(8))))

    began = asyncio.run(run())
    # Half of 0.2 s, in eight steps; later is always possible.
    assert began[-1] - began[0] >= 7 * 0.0125 - 0.01


def test_a_request_that_hangs_is_sent_again() -> None:
    with FaultServer(share=0.5, kinds=("hang",)).running() as server:
        assert all_accepted(ask(server.url, CAPTIONS[:6], {"timeout_s": 0.5}))
        assert server.faults["hang"] > 0


def test_a_request_that_always_hangs_is_given_up_after_a_few() -> None:
    with FaultServer(share=1.0, kinds=("hang",)).running() as server:
        with pytest.raises(UserError, match=r"no answer within 0.1 s"):
            ask(server.url, CAPTIONS[:1], {"timeout_s": 0.1})
        # On a busy machine a request may be given up before the server has read it.
        assert client_module._TIME_OUTS <= len(server.requests) <= 2 * client_module._TIME_OUTS
