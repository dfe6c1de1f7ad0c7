"""A server that also knows OpenAI's batch API: files, batches, results."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any

from tests.stages.captions.fault_server import FaultServer, Handler, Messages, completion, question_of, toy_answer


class BatchServer(FaultServer):
    """Each batch ends, as `status`, once it was looked at `polls` times; `fate(number)` says what becomes of a line.

    Fates: "" (answered), "error" (a line in the error file), "missing" (in no file), "broken" (no JSON).
    """

    def __init__(
        self,
        answer: Callable[[Messages], dict[str, str]] = toy_answer,
        fate: Callable[[int], str] = lambda _: "",
        status: str = "completed",
        polls: int = 2,
        most_at_once: int = 1000,
    ) -> None:
        super().__init__(answer)
        self.RequestHandlerClass = BatchHandler
        self.fate = fate
        self.status = status
        self.polls = polls
        self.most_at_once = most_at_once
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks: dict[str, int] = {}
        self.paths: list[str] = []
        self.before: Callable[[str, str], None] = lambda *_: None
        self.batched = 0
        self.one = threading.Lock()

    def finish(self, batch: dict[str, Any]) -> None:
        """Answer all lines of a batch's file."""
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        good, bad = [], []
        for number, line in enumerate(lines):
            fate = self.fate(number)
            messages = line["body"]["messages"]
            if fate == "":
                self.whole[question_of(messages)] += 1
                self.batched += 1
                body = completion(json.dumps({"answers": self.answer(messages)}))
                good.append({"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}})
            elif fate == "error":
                bad.append({"custom_id": line["custom_id"], "response": {"status_code": 500, "body": {"error": {}}}})
            elif fate == "broken":
                good.append({"custom_id": line["custom_id"], "response": {"status_code": 200, "body": "??"}})
        # In any order: results are matched by their names.
        for kind, results in (("output", good[::-1]), ("error", bad)):
            if results:
                name = f"file-{kind}-{batch['id']}"
                self.files[name] = b"".join(json.dumps(value).encode() + b"\n" for value in results)
                batch[f"{kind}_file_id"] = name


class BatchHandler(Handler):
    server: BatchServer

    def do_POST(self) -> None:
        if self.path.endswith("/chat/completions"):
            return super().do_POST()
        server = self.server
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        with server.one:
            server.paths.append(self.path)
            server.before("POST", self.path)
            if self.path.endswith("/files"):
                boundary = re.search(r"boundary=(\S+)", self.headers["Content-Type"]).group(1).strip('"').encode()  # type: ignore[union-attr]
                part = next(part for part in raw.split(b"--" + boundary) if b"filename=" in part)
                name = f"file-{len(server.files)}"
                server.files[name] = part.split(b"\r\n\r\n", 1)[1][: -len(b"\r\n")]
                return self.say(200, {"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "f",
                                      "purpose": "batch", "status": "processed"}, {})  # fmt: skip
            body = json.loads(raw)
            name = f"batch_{len(server.batches)}"
            server.batches[name] = {"id": name, "object": "batch", "status": "in_progress", "created_at": 1, **body}
            server.looks[name] = 0
            if sum(batch["status"] == "in_progress" for batch in server.batches.values()) > server.most_at_once:
                error = {"code": "token_limit_exceeded", "message": "enqueued token limit reached"}
                server.batches[name].update(status="failed", errors={"object": "list", "data": [error]})
            return self.say(200, server.batches[name], {})

    def do_GET(self) -> None:
        server = self.server
        with server.one:
            server.paths.append(self.path)
            server.before("GET", self.path)
            if self.path.endswith("/content"):
                return self.say_raw(server.files[self.path.split("/")[-2]])
            name = self.path.split("/")[-1].partition("?")[0]
            if name == "batches":
                return self.say(200, {"object": "list", "data": list(server.batches.values()), "has_more": False}, {})
            if name not in server.batches:
                return self.say(404, {"error": {"message": "no such batch"}}, {})
            batch = server.batches[name]
            server.looks[name] += 1
            if batch["status"] == "in_progress" and server.looks[name] >= server.polls:
                server.finish(batch)
                batch["status"] = server.status
            return self.say(200, batch, {})

    def say_raw(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
