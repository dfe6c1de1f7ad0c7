"""How fast a server may be asked: the rates that the user allows, and what the server itself asks for (429)."""

from __future__ import annotations

import asyncio
import email.utils
import math
import time
from collections import deque
from collections.abc import Mapping

from aiolimiter import AsyncLimiter

from clapline.params.machine import Machine

#: A server that wants to be left alone for longer is given up on: a daily limit, a closed account.
LONGEST_WAIT_S = 600.0
_CHARACTERS_PER_TOKEN = 4
_REQUEST_TOKENS = 8  # what a message costs beside its words
_NARROWING = 0.7
_SPREAD = 0.5  # requests leave at most so much closer together than answers can come
_SLOWER, _FASTER = 0.1, 0.4  # weight of the newest answer in the time that answers take: the first ones may be slow


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait: Retry-After-Ms, Retry-After (seconds or a date); else None."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - time.time())


def _limiter(per_minute: int | None, bucket_s: float) -> AsyncLimiter | None:
    """Return a limiter that lets out at once what adds up in `bucket_s`: a minute exceeds its bound by that at most."""
    if per_minute is None:
        return None
    bucket = max(1.0, per_minute / 60 * bucket_s)
    return AsyncLimiter(bucket, 60 * bucket / per_minute)


class Pace:
    """Says when the next request may go out. One for all workers, so that a 429 slows every one of them.

    Requests and tokens leave at an even rate. Requests are also spread over the time that answers take: a burst of
    requests brings a burst of answers, which wait for each other in this process, and so on for ever. On a 429 nobody
    sends until the wait is over, and then fewer at once; every answer widens the stream again, as TCP does it.
    """

    def __init__(self, machine: Machine) -> None:
        self._most = machine.concurrency
        self._width = float(machine.concurrency)
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._resume_s = 0.0
        self._narrowed_s = 0.0
        self._next_s = 0.0
        self._takes_s = 0.0
        self._requests = _limiter(machine.requests_per_minute, 0.1)
        self._tokens = _limiter(machine.tokens_per_minute, 1.0)
        self._owed = 0.0
        self._answer_tokens = 0.0
        self._answers = 0
        self._one_at_a_time = asyncio.Lock()

    async def enter(self, characters: int) -> tuple[float, float]:
        """Wait for the turn of a request of so many characters; return its beginning, and the tokens held for it."""
        while self._under_way >= int(self._width):
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        self._under_way += 1
        try:
            held_for = await self._rates(characters)
            now_s = time.monotonic()
            slot_s = max(now_s, self._next_s)
            self._next_s = slot_s + _SPREAD * self._takes_s / self._width
            await self._until(slot_s)
            while (resume_s := self._resume_s) > time.monotonic():
                await self._until(resume_s)
        except BaseException:
            self.leave()
            raise
        return time.monotonic(), held_for

    async def _until(self, moment_s: float) -> None:
        while (wait_s := moment_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)

    def leave(self) -> None:
        """Make room for the next request."""
        self._under_way -= 1
        free = int(self._width) - self._under_way
        while free > 0 and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                free -= 1

    def answered(self, began_s: float, held_for: float, prompt_tokens: int, completion_tokens: int) -> None:
        """Settle the tokens that an answer really used, learn how long answers take, and widen the stream."""
        took_s = time.monotonic() - began_s
        weight = _SLOWER if took_s > self._takes_s else _FASTER
        self._takes_s += (took_s - self._takes_s) * (weight if self._takes_s else 1.0)
        self._width = min(float(self._most), self._width + 1 / self._width)
        if self._tokens is not None:
            self._answers += 1
            self._answer_tokens += completion_tokens
            if prompt_tokens + completion_tokens:
                self._owed += prompt_tokens + completion_tokens - held_for

    def slow_down(self, began_s: float, wait_s: float) -> None:
        """Let nobody send for a while, and then fewer at once; once for all requests that went out together."""
        now_s = time.monotonic()
        self._resume_s = max(self._resume_s, now_s + wait_s)
        if began_s >= self._narrowed_s:
            self._width = max(1.0, self._width * _NARROWING)
            self._narrowed_s = now_s

    async def _rates(self, characters: int) -> float:
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is None:
            return 0.0
        expected = self._answer_tokens / self._answers if self._answers else 0.0
        held_for = characters / _CHARACTERS_PER_TOKEN + _REQUEST_TOKENS + expected
        # First come, first served: the limiter by itself lets small requests overtake.
        async with self._one_at_a_time:
            self._owed += held_for
            while self._owed > 0:
                part = min(self._owed, self._tokens.max_rate)
                await self._tokens.acquire(part)
                self._owed -= part
        return held_for
