"""`python benchmarks/captions.py`: questions per second against a language model server, and the memory they take.

A server in a process of its own answers each request after a fixed latency, so no client can do better than
concurrency / latency. Each measurement is a new process with an empty store of replies: the client, the checks, the
store on disk, all of it. Memory is the peak of the process less what it held before the first question; it should not
grow with the number of questions, beyond the outcomes themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

NAMES = ("level_1", "level_2")
_MIB = 2**20


def main() -> None:
    """Measure rounds at n, and once at 4 n, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(_measure(arguments.measure, arguments.questions, arguments.concurrency)))
        return
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    server = context.Process(target=_serve, args=(arguments.latency, port), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{port.get()}/v1"
    bound = arguments.concurrency / arguments.latency
    print(f"latency {arguments.latency} s, concurrency {arguments.concurrency}: at most {bound:.0f} questions/s")
    print(f"{'questions':>10}{'rounds':>8}{'questions/s':>24}{'share of the bound':>26}{'MiB':>18}{'CPU ms each':>16}")
    for count, rounds in (
        (arguments.questions, arguments.rounds),
        (4 * arguments.questions, max(1, arguments.rounds // 3)),
    ):
        measured = [_run(url, count, arguments) for _ in range(rounds)]
        rates = [count / one["seconds"] for one in measured]
        shares = [rate / bound for rate in rates]
        memory = [one["bytes"] / _MIB for one in measured]
        cpu = [1000 * one["cpu_s"] / count for one in measured]
        print(
            f"{count:>10}{rounds:>8}{_three(rates, '.1f'):>24}{_three(shares, '.1%'):>26}"
            f"{_three(memory, '.0f'):>18}{statistics.median(cpu):>16.2f}"
        )
    server.terminate()


def _run(url: str, count: int, arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", url, "--questions", str(count)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "--concurrency", str(arguments.concurrency)],
            env={**os.environ, "CLAPLINE_HOME": folder},
            check=True,
            capture_output=True,
        )
    return json.loads(done.stdout)


def _measure(url: str, count: int, concurrency: int) -> dict[str, float]:
    """Ask so many questions and return the seconds, the CPU seconds and the peak of further memory."""
    from clapline.params.captions import LanguageModel
    from clapline.params.machine import Machine
    from stages.captions import client
    from stages.captions.asking import Question, ask_all
    from stages.captions.prompts import Prompt

    del client  # loaded before the clock starts
    prompt = Prompt(
        "benchmark-train-1", "Reword the caption, keeping every sound, number, order in time and place. " * 6
    )
    questions = [
        Question(
            prompt, {"caption": f"A dog barks {k} times in the yard while a car passes by"}, NAMES, lambda *_: None
        )
        for k in range(count)
    ]
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    outcomes = ask_all(
        questions,
        "served",
        LanguageModel(),
        Machine(base_url=url, concurrency=concurrency, progress=False),
        "benchmark",
    )
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert sum(len(outcome.accepted) for outcome in outcomes) == len(NAMES) * count
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu_s": cpu_s, "bytes": 1024.0 * (after.ru_maxrss - before.ru_maxrss)}


def _serve(latency_s: float, port: Any) -> None:
    """Answer any request after the latency: the least a server can do, so that the client is what is measured."""
    said = json.dumps({"answers": dict.fromkeys(NAMES, "In the yard a dog is barking while a car is passing by")})
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 150, "completion_tokens": 40, "total_tokens": 190}
    body = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "choices": [choice], "usage": usage})
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    response = (head + body).encode()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
                await reader.readexactly(length)
                await asyncio.sleep(latency_s)
                writer.write(response)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def _three(values: list[float], form: str) -> str:
    return " / ".join(format(value, form) for value in (min(values), statistics.median(values), max(values)))


if __name__ == "__main__":
    main()
