"""Against a real HTTP server on the loopback that misbehaves."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from clapline.tables.captions import PARAPHRASES
from stages.captions import paraphrase
from stages.captions.builtin.answer import answer
from tests.stages.captions.places import clip, save, write_params

KEY = "sk-planted-7f3e9a"
NOUNS = ["dog", "cat", "train", "bell", "engine", "bird", "door", "clock", "horn", "siren"]
PLACES = ["street", "forest", "kitchen", "room", "city", "garden"]


class Server(ThreadingHTTPServer):
    """Answers as the builtin model would, after a share of bad answers; counts questions and answers."""

    daemon_threads = True

    def __init__(self, faults: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults = faults
        self.asked: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        messages = json.loads(raw)["messages"]
        question = json.dumps(messages)
        with self.server.lock:
            self.server.keys.add(self.headers["Authorization"])
            self.server.asked[question] += 1
            first = self.server.asked[question] == 1
        kind = len(question) % 7 if self.server.faults and first else -1
        if kind == 0:
            return self.say(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"})
        if kind == 1:
            return self.say(500, {"error": {"message": "oops"}}, {"Retry-After": "0.05"})
        if kind == 2:
            self.close_connection = True
            return None
        content = answer(messages)
        if kind == 3:
            content = content[: len(content) // 2]
        elif kind == 4:
            content = json.dumps({"answers": dict(list(json.loads(content)["answers"].items())[:1])})
        elif kind == 5:
            content = f"Sure!\n```json\n{content}\n```"
        with self.server.lock:
            self.server.paid[question] += 1
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        message = {"role": "assistant", "content": content}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}
        return self.say(200, body, {})

    def say(self, status: int, body: dict, headers: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[True, False], ids=["faults", "healthy"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(faults=request.param) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def lay_out(folder: Path, url: str, **section: object) -> None:
    captions = [f"A {noun} can be heard softly in a {place} while rain falls" for noun in NOUNS for place in PLACES]
    save(folder / "data/captioned/paired.parquet", [clip(f"c{k:02}", captions=[t]) for k, t in enumerate(captions)])
    save(folder / "data/captioned/retrieval.parquet", [])
    machine = {"progress": False, "base_url": url, "concurrency": 8, "timeout_s": 10.0}
    write_params(folder, paraphrase={"model": "served", **section}, machine=machine)


def everything_written(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_every_caption_is_accepted_or_listed_and_none_paid_twice(
    server: Server, workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    lay_out(workplace, server.url)
    paraphrase.main()
    table = PARAPHRASES.read("data/captions/paraphrases_train.parquet")
    dropped = pd.read_csv("reports/paraphrase/dropped.csv")
    wanted = {(f"c{k:02}", level) for k in range(60) for level in (1, 2)}
    accepted = set(zip(table["clip_id"], table["level"], strict=True))
    listed = {(row.clip_id, int(row.task[-1])) for row in dropped.itertuples()}
    assert accepted | listed == wanted
    assert not accepted & listed
    assert len(accepted) > 100
    assert max(server.paid.values()) == 1
    if server.faults:
        assert max(server.asked.values()) > 1
        assert (table["attempts"] > 1).any()
    before, paid = Path("data/captions/paraphrases_train.parquet").read_bytes(), server.asked.total()
    paraphrase.main()
    assert server.asked.total() == paid
    assert Path("data/captions/paraphrases_train.parquet").read_bytes() == before
    assert server.keys == {f"Bearer {KEY}"}
    assert not any(KEY.encode() in content for content in everything_written(workplace))
    assert KEY not in "".join(capfd.readouterr())


def test_a_local_server_needs_no_key(server: Server, workplace: Path) -> None:
    lay_out(workplace, server.url, levels=[1])
    paraphrase.main()
    assert len(PARAPHRASES.read("data/captions/paraphrases_train.parquet")) > 50


def test_a_stop_half_way_keeps_what_was_paid(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server(faults=False) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lay_out(workplace, server.url)
        say = Handler.say

        def refuse_after_20(self: Handler, status: int, body: dict, headers: dict[str, str]) -> None:
            if self.server.paid.total() > 20:
                return say(self, 401, {"error": {"message": f"bad key {KEY}"}}, {})
            return say(self, status, body, headers)

        monkeypatch.setattr(Handler, "say", refuse_after_20)
        with pytest.raises(SystemExit):
            paraphrase.main()
        assert not Path("data/captions/paraphrases_train.parquet").exists()
        message = capfd.readouterr().err
        assert "401" in message
        assert KEY not in message
        answered = set(list(server.paid)[:20])
        server.paid.clear()
        monkeypatch.setattr(Handler, "say", say)
        paraphrase.main()
        assert not answered & set(server.paid)
        assert len(PARAPHRASES.read("data/captions/paraphrases_train.parquet")) > 100
        server.shutdown()
