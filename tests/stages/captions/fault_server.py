"""An OpenAI-compatible server on the loopback that misbehaves as told, and counts what it would be paid for."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Messages = list[dict[str, str]]
Response = tuple[int, Any, dict[str, str]]

#: No reply arrives whole.
LOST = ("rate", "error", "hang", "drop", "cut_body", "page")
#: A reply arrives, and what it says is of no use.
USELESS = ("malformed", "truncated", "refusal", "filter", "too_few", "too_many", "language", "duplicates")
_GERMAN = "Ein Hund bellt laut, während draußen der Regen auf das Dach fällt und niemand zuhört"


def toy_answer(messages: Messages) -> dict[str, str]:
    """Answer "<caption> as <name>" to every wanted name."""
    caption = json.loads(messages[1]["content"])["caption"]
    return {name: f"{caption} as {name}" for name in json.loads(messages[-1]["content"])["wanted"]}


class FaultServer(ThreadingHTTPServer):
    """Answers chat completions; `share` of the answers are faults of the given kinds, drawn by a hash.

    `script(body, count)` may take a request over: a Response (status, body, headers), None to leave it to the rest.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        answer: Callable[[Messages], dict[str, str]] = toy_answer,
        share: float = 0.0,
        kinds: Sequence[str] = LOST + USELESS,
        script: Callable[[dict[str, Any], int], Response | None] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.share = share
        self.kinds = kinds
        self.script = script
        self.requests: list[tuple[float, dict[str, Any], dict[str, str]]] = []
        self.keep_requests = True
        self.asked: Counter[str] = Counter()  # requests, by question
        self.whole: Counter[str] = Counter()  # replies that were sent whole, by question
        self.faults: Counter[str] = Counter()  # by kind
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultServer]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()

    def fault(self, question: str, count: int) -> str:
        digest = hashlib.sha256(f"{question} {count}".encode()).digest()
        if int.from_bytes(digest[:4], "big") / 2**32 >= self.share:
            return ""
        return self.kinds[int.from_bytes(digest[4:8], "big") % len(self.kinds)]

    def handle_error(self, *_: object) -> None:
        pass  # a client that was killed


def completion(content: str, reason: str = "stop", **message: str) -> dict[str, Any]:
    """Return the body of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": reason}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def question_of(messages: Messages) -> str:
    return hashlib.sha256(json.dumps(messages).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    server: FaultServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        server = self.server
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/chat/completions"):
            return self.say(404, {"error": {"message": "only chat completions"}}, {})
        body = json.loads(raw)
        question = question_of(body["messages"])
        with server.lock:
            server.asked[question] += 1
            count = server.asked[question]
            if server.keep_requests:
                server.requests.append(
                    (time.monotonic(), body, {name.lower(): value for name, value in self.headers.items()})
                )
        taken = server.script(body, count) if server.script else None
        if taken is not None:
            if taken[0] == 200:
                self.count(question)
            return self.say(*taken)
        kind = server.fault(question, count)
        with server.lock:
            server.faults[kind] += 1
        if kind in LOST:
            return self.lose(kind, count)
        self.count(question)
        return self.say(200, self.useless(kind, body["messages"]) if kind else self.good(body["messages"]), {})

    def count(self, question: str) -> None:
        with self.server.lock:
            self.server.whole[question] += 1

    def good(self, messages: Messages) -> dict[str, Any]:
        return completion(json.dumps({"answers": self.server.answer(messages)}, ensure_ascii=False))

    def useless(self, kind: str, messages: Messages) -> dict[str, Any]:
        texts = self.server.answer(messages)
        names = list(texts)
        content = json.dumps({"answers": texts})
        if kind == "malformed":
            return completion("Of course! Here is the caption you wanted: {level_1: it is, level_2: none}")
        if kind == "truncated":
            return completion(content[: len(content) // 2], "length")
        if kind == "refusal":
            return completion("", "stop", refusal="I cannot help with that.")
        if kind == "filter":
            return completion("", "content_filter")
        if kind == "too_few":
            return completion(json.dumps({"answers": dict(list(texts.items())[:-1])}))
        if kind == "too_many":
            return completion(json.dumps({"answers": {name: [texts[name], "and one more"] for name in names}}))
        said = _GERMAN if kind == "language" else json.loads(messages[1]["content"]).get("caption", "")
        return completion(json.dumps({"answers": dict.fromkeys(names, said)}))

    def lose(self, kind: str, count: int) -> None:
        if kind == "rate":
            date = email.utils.formatdate(time.time() + 1, usegmt=True)
            wait = date if count % 4 == 3 else "0.05"
            self.say(429, {"error": {"message": "slow down"}}, {"Retry-After": wait})
        elif kind == "error":
            self.say(500, {"error": {"message": "out of order"}}, {})
        elif kind == "page":
            self.say(200, "<html>a proxy's own words</html>", {})
        else:
            if kind == "hang":
                with contextlib.suppress(OSError):
                    self.connection.settimeout(60)
                    self.connection.recv(1)  # until the client has had enough
            elif kind == "cut_body":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"choices": [{"mess')
            self.close_connection = True

    def say(self, status: int, body: Any, headers: dict[str, str]) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
