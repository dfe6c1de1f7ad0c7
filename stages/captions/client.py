"""The one client for language models: the `openai` SDK against any compatible server, or in-process `builtin`."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import sys
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from clapline.errors import UserError
from clapline.params.captions import LanguageModel
from clapline.params.machine import Machine
from clapline.randomness import derived_seed
from stages.captions.limits import LONGEST_WAIT_S, Pace, retry_after_s
from stages.captions.replies import Reply
from stages.captions.structured import Structure, response_format

BUILTIN = "builtin"
# Waits double from 0.5 s to 8 s; at 30 % bad answers ten retries leave two in a million.
_RETRIES = 10
_FIRST_WAIT_S = 0.5
_LONGEST_BACK_OFF_S = 8.0
_TIME_OUTS = 4  # each may have been paid for
_NOTICED = 3  # so many retries in vain are worth a line
_BAD_BODIES = 4  # a proxy's error page or a body cut short is asked for again this often
_FORM_STATUSES = {400, 404, 422}
_HOPELESS_STATUSES = {401, 402, 403, 404, 405}
_AGAIN_STATUSES = {408, 409, 425, 429}
_NO_QUOTA = "the account that asks has no quota left"
_SECRET = re.compile(r"\b(?:sk|hf|gsk|xai)[-_][A-Za-z0-9_\-*.]{6,}|(?i:\bbearer)\s+\S+")


class NoAnswer(Exception):
    """The server gave no answer to one question after all retries (5xx, 429, time-out, dropped connection)."""


class Refused(Exception):
    """The server refuses this one question for good (400, 413, 422): a policy filter, too long a text."""


class Client:
    """Asks one model, within one event loop. `machine` holds the settings of this model's server."""

    def __init__(self, model: str, sampling: LanguageModel, machine: Machine) -> None:
        self._model = model
        self._sampling = sampling
        self._timeout_s = machine.timeout_s
        self._structure = Structure("off" if model == BUILTIN else sampling.structured)
        if model == BUILTIN:
            from stages.captions.builtin.transport import BuiltinTransport

            self._key = ""
            self._pace = None
            self.sdk = openai.AsyncOpenAI(
                api_key=BUILTIN,
                base_url="http://builtin.invalid/v1",
                http_client=httpx2.AsyncClient(transport=BuiltinTransport(), trust_env=False),
                max_retries=0,
            )
        else:
            self._key = _key(model, machine)
            self._pace = Pace(machine)
            connections = httpx2.Limits(
                max_connections=machine.concurrency + 1, max_keepalive_connections=machine.concurrency + 1
            )
            # The retries are ours: a 429 has to slow all workers, not the one that got it.
            self.sdk = openai.AsyncOpenAI(
                api_key=self._key or "none",
                base_url=machine.base_url,
                timeout=machine.timeout_s,
                max_retries=0,
                http_client=openai.DefaultAsyncHttpxClient(limits=connections, timeout=machine.timeout_s),
            )
        # OpenAI's own newer models know max_completion_tokens only, most other servers max_tokens only.
        openai_itself = (self.sdk.base_url.host or "").endswith("openai.com")
        self._limit = "max_completion_tokens" if openai_itself else "max_tokens"
        self._limit_changed = False
        self._noticed = False
        sent = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.sampling_seed}
        self._sent = {name: value for name, value in sent.items() if value is not None}

    async def close(self) -> None:
        """Close all connections."""
        await self.sdk.close()

    def body(self, messages: list[dict[str, str]], wanted: list[str], level: str | None = None) -> dict[str, Any]:
        """Return the request for one answer, in the form that the server is thought to know."""
        form = response_format(self._structure.level if level is None else level, wanted)
        limit = {self._limit: self._sampling.maximum_tokens}
        return {"model": self._model, "messages": messages, **self._sent, **limit, **form}

    async def ask(self, messages: list[dict[str, str]], prompt_version: str, wanted: list[str], key: str) -> Reply:
        """Send one question, named by its content key, until it is answered.

        Raises NoAnswer, Refused, or UserError when no question can succeed (key, model, URL).
        """
        level = self._structure.level
        while True:
            limit = self._limit
            try:
                body = self.body(messages, wanted, level)
                reply = await self._answered(body, prompt_version, f"{key}-{level}-{limit}")
            except openai.APIStatusError as error:
                status = error.status_code
                if status == 400 and self._other_limit(limit, error):
                    continue
                weaker = self._structure.weaker(level) if status in _FORM_STATUSES else None
                failure = self._final(error)
            else:
                self._structure.works(level)
                return reply
            if weaker is None:
                # Raised out here: within, it would carry the SDK's error along, and with it the request and the key.
                raise failure
            level = weaker

    def _other_limit(self, sent: str, error: openai.APIStatusError) -> bool:
        """Whether to ask again with the other name of the bound on an answer: the server wants that one."""
        other = "max_tokens" if sent == "max_completion_tokens" else "max_completion_tokens"
        words = _words(error)
        if sent in words and other in words and not self._limit_changed:
            self._limit, self._limit_changed = other, True
        return self._limit != sent

    def _final(self, error: openai.APIStatusError) -> Exception:
        if error.status_code in _HOPELESS_STATUSES:
            return UserError(
                f"the language model server refuses model {self._model!r} with status {error.status_code}: "
                "check machine.base_url, the model's name and the key variable"
            )
        # Keys of others may be masked in part ("sk-12***"), or those of a gateway: nothing of the kind is passed on.
        words = _SECRET.sub("(key)", self.hidden(" ".join(_words(error).split())))
        return Refused(f"status {error.status_code}: {words[:200]}")

    async def _answered(self, body: dict[str, Any], prompt_version: str, name: str) -> Reply:
        """Send until there is an answer; raise NoAnswer, or the SDK's error where sending again cannot help."""
        characters = sum(len(message["content"]) for message in body["messages"])
        time_outs = bad_bodies = 0
        reason = ""
        for turn in range(_RETRIES + 1):
            began_s, held_for = await self._pace.enter(characters) if self._pace else (0.0, 0.0)
            try:
                # A gateway that knows the header answers a question that it has answered before without billing it.
                raw = await self._post(body, f"{name}-{bad_bodies}")
                reply = self._reply(raw.json(), prompt_version)
            except ValueError:
                reason, wait_s = "the body is no chat completion", 0.0
                bad_bodies += 1
                if bad_bodies >= _BAD_BODIES:
                    break
            except (openai.APITimeoutError, TimeoutError):
                reason, wait_s = f"no answer within {self._timeout_s:g} s", 0.0
                time_outs += 1
                if time_outs >= _TIME_OUTS:
                    break
            except openai.APIConnectionError:
                reason, wait_s = "the connection broke", self._back_off_s(name, turn)
            except openai.APIStatusError as error:
                status = error.status_code
                if status < 500 and status not in _AGAIN_STATUSES:
                    raise
                reason = f"status {status}"
                if status == 429 and "insufficient_quota" in f"{error.code} {error.type} {error.message}":
                    reason = _NO_QUOTA
                    break
                asked_s = retry_after_s(error.response.headers)
                wait_s = self._back_off_s(name, turn) if asked_s is None else asked_s
                if wait_s > LONGEST_WAIT_S:
                    reason = f"{reason}, to be asked again after {wait_s:.0f} s"
                    break
                if self._pace and (status == 429 or (status == 503 and asked_s is not None)):
                    self._pace.slow_down(began_s, wait_s)
                    wait_s = 0.0
            else:
                if self._pace:
                    self._pace.answered(began_s, held_for, reply.prompt_tokens, reply.completion_tokens)
                return reply
            finally:
                if self._pace:
                    self._pace.leave()
            if turn == _NOTICED and not self._noticed:
                self._noticed = True
                print(f"the server of model {self._model!r}: {reason}; asking again", file=sys.stderr, flush=True)
            if turn < _RETRIES:
                await asyncio.sleep(wait_s)
        if reason == _NO_QUOTA:
            raise UserError(f"model {self._model!r}: {reason}")
        raise NoAnswer(reason)

    async def _post(self, body: dict[str, Any], name: str) -> httpx2.Response:
        # The plain post: building and parsing typed objects would take most of the time of a builtin answer.
        if self._pace is None:
            return await self.sdk.post("/chat/completions", cast_to=httpx2.Response, body=body)
        async with asyncio.timeout(self._timeout_s):
            return await self.sdk.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                body=body,
                options={"idempotency_key": name, "headers": {"Idempotency-Key": name}},
            )

    def _back_off_s(self, name: str, turn: int) -> float:
        share = derived_seed(0, "back-off", name, turn) % 1000 / 1000
        return min(_LONGEST_BACK_OFF_S, _FIRST_WAIT_S * 2**turn) * (0.75 + 0.25 * share)

    def _reply(self, body: Any, prompt_version: str, via: str = "") -> Reply:
        try:
            choice = body["choices"][0]
            message = choice["message"]
            content = message.get("content")
            reason = choice.get("finish_reason") or "stop"
            usage = body.get("usage") or {}
            tokens = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ValueError("no choice in the answer") from None
        if not content and message.get("refusal"):
            content, reason = message["refusal"], "refusal"
        return Reply(
            content=self.hidden(_plain(content)),
            finish_reason=str(reason),
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            model=self._model,
            prompt_version=prompt_version,
            via=via,
        )

    def batched(self, body: Any, prompt_version: str) -> Reply:
        """Return the reply in a chat completion that came through the batch API; ValueError when it is none."""
        return self._reply(body, prompt_version, "batch")

    def hidden(self, words: str) -> str:
        """Return a server's words without the key, should it repeat it."""
        return words.replace(self._key, "(key)") if self._key else words


def _words(error: openai.APIStatusError) -> str:
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return said if isinstance(said, str) else str(error.message)


def _plain(content: Any) -> str:
    """Return the text of a message; some servers send it in parts."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    # Half a surrogate pair, where an answer was cut off, is no text that could be written.
    return content.encode("utf-8", "replace").decode() if isinstance(content, str) else ""


def _key(model: str, machine: Machine) -> str:
    key = os.environ.get(machine.api_key_variable)
    if key:
        return key
    if machine.base_url and _is_local(machine.base_url):
        return ""
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
