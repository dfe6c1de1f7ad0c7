"""The one client for language models: the `openai` SDK against any compatible server, or in-process `builtin`."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from clapline.errors import UserError
from clapline.params.captions import LanguageModel
from clapline.params.machine import Machine
from stages.captions.builtin.transport import BuiltinTransport
from stages.captions.replies import Reply

BUILTIN = "builtin"
# The SDK waits as Retry-After says, else 0.5 s doubling to 8 s; at 30 % bad answers ten retries leave two in a million.
_RETRIES = 10
_BAD_BODIES = 4  # a proxy's error page or a body cut short is asked for again this often


class NoAnswer(Exception):
    """The server gave no answer to one question after all retries (5xx, 429, time-out, dropped connection)."""


class Refused(Exception):
    """The server refuses this one question for good (400, 413, 422): a policy filter, too long a text."""


class Client:
    """Asks one model. Use as an async context manager."""

    def __init__(self, model: str, sampling: LanguageModel, machine: Machine) -> None:
        self._model = model
        self._sampling = sampling
        self._gap_s = 60.0 / machine.requests_per_minute if machine.requests_per_minute and model != BUILTIN else 0.0
        self._next_s = 0.0
        # OpenAI's own newer models know max_completion_tokens only, most other servers max_tokens only.
        limit = "max_completion_tokens" if machine.base_url is None else "max_tokens"
        self._limit = {limit: sampling.maximum_tokens}
        if model == BUILTIN:
            self._sdk = openai.AsyncOpenAI(
                api_key=BUILTIN,
                base_url="http://builtin.invalid/v1",
                http_client=httpx2.AsyncClient(transport=BuiltinTransport(), trust_env=False),
                max_retries=0,
            )
        else:
            self._sdk = openai.AsyncOpenAI(
                api_key=_key(model, machine), base_url=machine.base_url, timeout=machine.timeout_s, max_retries=_RETRIES
            )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._sdk.close()

    async def ask(self, messages: list[dict[str, str]], prompt_version: str) -> Reply:
        """Send one question. Raises NoAnswer, Refused, or UserError when no question can succeed (key, model, URL)."""
        for _ in range(_BAD_BODIES):
            with contextlib.suppress(ValueError):
                return await self._send(messages, prompt_version)
        raise NoAnswer("the body is no chat completion")

    async def _send(self, messages: list[dict[str, str]], prompt_version: str) -> Reply:
        if self._gap_s:
            await self._wait_for_turn()
        body = {
            "model": self._model,
            "messages": messages,
            "temperature": self._sampling.temperature,
            **self._limit,
        }
        try:
            # The plain post: building and parsing typed objects would take most of the time of a builtin answer.
            raw = await self._sdk.post("/chat/completions", cast_to=httpx2.Response, body=body)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise UserError(
                f"the language model server refuses model {self._model!r} with status {error.status_code}: "
                "check machine.base_url, the model's name and the key variable"
            ) from None
        except (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError) as error:
            raise NoAnswer(type(error).__name__) from None
        except openai.APIStatusError as error:
            raise Refused(f"status {error.status_code}: {' '.join(str(error.message).split())[:200]}") from None
        return self._reply(raw.json(), prompt_version)

    def _reply(self, body: Any, prompt_version: str) -> Reply:
        try:
            choice = body["choices"][0]
            content = choice["message"].get("content") or ""
            reason = choice.get("finish_reason") or "stop"
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ValueError("no choice in the answer") from None
        usage = body.get("usage") or {}
        return Reply(
            content=content,
            finish_reason=reason,
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            model=self._model,
            prompt_version=prompt_version,
        )

    async def _wait_for_turn(self) -> None:
        now = time.monotonic()
        turn = max(now, self._next_s)
        self._next_s = turn + self._gap_s
        await asyncio.sleep(turn - now)


def _key(model: str, machine: Machine) -> str:
    key = os.environ.get(machine.api_key_variable)
    if key:
        return key
    if machine.base_url and _is_local(machine.base_url):
        return "none"
    raise UserError(
        f"model {model!r} needs a key: set the environment variable {machine.api_key_variable} "
        "(machine.api_key_variable), or point machine.base_url at a local server"
    )


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".localhost"))
    return address.is_loopback or address.is_private
