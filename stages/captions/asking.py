"""Ask many questions at once, check every text in the answers, ask again for those that failed, then give up on them.

What comes out depends on the replies alone: not on how many were under way together, nor on whether they were stored.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from clapline.errors import UserError
from clapline.params.captions import LanguageModel
from clapline.params.machine import Machine
from clapline.progress import progress_bar
from clapline.storage import content_key, store
from stages.captions.builtin.fingerprint import fingerprint
from stages.captions.prompts import Prompt, again, request
from stages.captions.replies import Reply, ReplyStore

#: `check(name, text, accepted texts of the same question)`: None, or "<name of the check>: what it saw".
Check = Callable[[str, str, Sequence[str]], str | None]


@dataclass(frozen=True)
class Question:
    """One question: a prompt, the data it works on, the names of the wanted texts, and their check."""

    prompt: Prompt
    asked: dict[str, Any]
    wanted: tuple[str, ...]
    check: Check


@dataclass
class Outcome:
    """What a question led to. `accepted` and `dropped` give, by name, (text or reason, askings)."""

    accepted: dict[str, tuple[str, int]] = field(default_factory=dict)
    dropped: dict[str, tuple[str, int]] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)  # by check, over all askings
    askings: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Conversation:
    """One question on its way: the messages so far and what is still wanted."""

    def __init__(self, question: Question, attempts: int) -> None:
        self.question = question
        self.outcome = Outcome()
        self.messages = request(question.prompt, question.asked, list(question.wanted))
        self._wanted = list(question.wanted)
        self._attempts = attempts

    @property
    def done(self) -> bool:
        return not self._wanted

    def take(self, reply: Reply) -> None:
        """Check the texts of a reply; keep, ask again for, or drop each."""
        outcome = self.outcome
        outcome.askings += 1
        outcome.prompt_tokens += reply.prompt_tokens
        outcome.completion_tokens += reply.completion_tokens
        texts = read_answers(reply.content)
        failures: dict[str, str] = {}
        for name in self._wanted:
            failure = self._failure(name, texts)
            if failure is None:
                outcome.accepted[name] = (texts[name].strip(), outcome.askings)  # type: ignore[index]
            else:
                failures[name] = failure
                outcome.failures[failure.partition(":")[0]] += 1
        if outcome.askings >= self._attempts:
            self._drop(failures)
        else:
            self._wanted = list(failures)
            self.messages += again(reply.content, failures)

    def _failure(self, name: str, texts: dict[str, Any] | None) -> str | None:
        if texts is None:
            return "malformed: the answer is no JSON object of the form asked for"
        text = texts.get(name)
        if not isinstance(text, str):
            return "missing: no text under this name"
        taken = [accepted for accepted, _ in self.outcome.accepted.values()]
        return self.question.check(name, text.strip(), taken)

    def refuse(self, reason: str) -> None:
        """The server will not answer this question: drop what is still wanted."""
        self.outcome.askings += 1
        self.outcome.failures["refused"] += len(self._wanted)
        self._drop(dict.fromkeys(self._wanted, f"refused: {reason}"))

    def _drop(self, failures: dict[str, str]) -> None:
        for name, failure in failures.items():
            self.outcome.dropped[name] = (failure, self.outcome.askings)
        self._wanted = []


def read_answers(content: str) -> dict[str, Any] | None:
    """Return the texts by name in an answer, be it in a code fence or in chatter; None when there are none."""
    start, end = content.find("{"), content.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        value = json.loads(content[start : end + 1])
    except ValueError:
        return None
    answers = value.get("answers", value) if isinstance(value, dict) else None
    return answers if isinstance(answers, dict) else None


def ask_all(
    questions: Sequence[Question], model: str, sampling: LanguageModel, machine: Machine, description: str
) -> list[Outcome]:
    """Return the outcome of every question, in order; equal questions are asked once and share their outcome.

    Raises UserError when the server stays silent on some questions; all replies are kept, so the next run goes on.
    """
    # The builtin model is code: its replies are keyed by that code, so that the store hides no edit of a rule.
    identity = f"{model}@{fingerprint()}" if model == "builtin" else model
    settings = {"temperature": sampling.temperature, "maximum_tokens": sampling.maximum_tokens}

    def key(conversation: _Conversation) -> str:
        return content_key(identity, conversation.question.prompt.version, conversation.messages, settings)

    conversations: dict[str, _Conversation] = {}
    order = []
    for question in questions:
        conversation = _Conversation(question, sampling.attempts)
        order.append(conversations.setdefault(key(conversation), conversation))
    with ReplyStore(store("replies")) as replies:
        for conversation in conversations.values():
            _advance(conversation, key, replies)
        open_ones = [conversation for conversation in conversations.values() if not conversation.done]
        if open_ones:
            asyncio.run(_ask_server(open_ones, key, replies, model, sampling, machine, description))
    return [conversation.outcome for conversation in order]


def _advance(conversation: _Conversation, key: Callable[[_Conversation], str], replies: ReplyStore) -> None:
    while not conversation.done:
        reply = replies.get(key(conversation))
        if reply is None:
            return
        conversation.take(reply)


async def _ask_server(
    conversations: list[_Conversation],
    key: Callable[[_Conversation], str],
    replies: ReplyStore,
    model: str,
    sampling: LanguageModel,
    machine: Machine,
    description: str,
) -> None:
    # Imported here: a run whose replies are all stored never waits for the SDK.
    from stages.captions.client import Client, NoAnswer, Refused

    silent: Counter[str] = Counter()
    refused: list[str] = []
    fatal: list[UserError] = []
    waiting: Iterator[_Conversation] = iter(conversations)

    async def worker(client: Client, advance: Callable[[], None]) -> None:
        for conversation in waiting:
            while not conversation.done and not fatal:
                try:
                    reply = await client.ask(conversation.messages, conversation.question.prompt.version)
                except Refused as error:
                    refused.append(str(error))
                    conversation.refuse(str(error))
                except NoAnswer as error:
                    silent[str(error)] += 1
                    break
                except UserError as error:
                    fatal.append(error)
                else:
                    replies.put(key(conversation), reply)
                    conversation.take(reply)
                    _advance(conversation, key, replies)
            advance()

    with progress_bar(shown=machine.progress) as bar:
        task = bar.add_task(description, total=len(conversations))
        async with Client(model, sampling, machine) as client, asyncio.TaskGroup() as group:
            for _ in range(min(machine.concurrency, len(conversations))):
                group.create_task(worker(client, lambda: bar.advance(task)))
    if fatal:
        raise fatal[0]
    if len(refused) == len(conversations) > 1:
        raise UserError(f"{description}: the language model server refused every question ({refused[0]})")
    if silent:
        reasons = ", ".join(f"{reason} ×{count}" for reason, count in sorted(silent.items()))
        raise UserError(
            f"{description}: the language model server left {silent.total()} of {len(conversations)} questions "
            f"unanswered ({reasons}); all replies so far are kept, run again to go on"
        )
