"""Ask many questions at once, check every text in the answers, ask again for those that failed, then give up on them.

Questions are asked in rounds: all of a block are answered, from the store or by the server, then every text is checked;
those that failed are asked again in the next round, with the failure named. So what comes out depends on the replies
alone: not on how many were under way together, in which order they came, nor whether they were stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from clapline.errors import UserError
from clapline.params.captions import LanguageModel
from clapline.params.machine import Machine
from clapline.progress import progress_bar
from clapline.storage import store
from stages.captions.builtin.fingerprint import fingerprint
from stages.captions.conversation import FINAL, Accepted, Check, Conversation, Dropped, Outcome, Question
from stages.captions.meaning import Meaning
from stages.captions.replies import Reply, ReplyStore

if TYPE_CHECKING:
    from stages.captions.client import Client

__all__ = ["BLOCK", "FINAL", "Accepted", "Check", "Dropped", "Outcome", "Question", "ask_all"]

#: So many questions are settled, in all their rounds, before the next are begun: memory stays flat.
BLOCK = 8192
#: A batch may take a day, so few large blocks it is.
BATCH_BLOCK = 200_000
#: A smaller share of the questions of a round that stay silent is dropped; more of them is a server in trouble.
SILENT_SHARE = 0.01


def ask_all(
    questions: Sequence[Question],
    model: str,
    sampling: LanguageModel,
    machine: Machine,
    description: str,
    meaning: Meaning | None = None,
) -> list[Outcome]:
    """Return the outcome of every question, in order; equal questions are asked once and share their outcome.

    Raises UserError when the server stays silent on some questions; all replies are kept, so the next run goes on.
    Fewer than one in a hundred that stay silent are dropped as "no_answer"; they are not stored, so that a forced run
    asks them again. `meaning` is needed where a question states a least similarity.
    """
    # The builtin model is code: its replies are keyed by that code, so that the store hides no edit of a rule.
    identity = f"{model}@{fingerprint()}" if model == "builtin" else model
    serving = machine.serving(model)
    block = BATCH_BLOCK if serving.batch_api and model != "builtin" else BLOCK
    known: dict[str, Outcome] = {}
    order: list[Outcome] = []
    with ReplyStore(store("replies")) as replies, _Asker(replies, model, sampling, serving, description) as asker:
        for start in range(0, len(questions), block):
            fresh: list[Conversation] = []
            for question in questions[start : start + block]:
                if question.least and meaning is None:
                    raise ValueError("a question states a least similarity, and nothing measures it")
                conversation = Conversation(question, identity, sampling)
                outcome = known.setdefault(conversation.key, conversation.outcome)
                if outcome is conversation.outcome:
                    fresh.append(conversation)
                order.append(outcome)
            asker.settle(fresh, meaning)
        if replies.damaged:
            print(f"replies: {replies.damaged} damaged lines ignored in {store('replies')}", file=sys.stderr)
    return order


class _Asker:
    """Gets the replies to blocks of questions, with one client for all: what it learns of its server it keeps."""

    def __init__(
        self, replies: ReplyStore, model: str, sampling: LanguageModel, machine: Machine, description: str
    ) -> None:
        self._replies = replies
        self._model = model
        self._sampling = sampling
        self._machine = machine
        self._description = description
        self._runner = asyncio.Runner()
        self._client: Client | None = None

    def __enter__(self) -> _Asker:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._client is not None:
            self._runner.run(self._client.close())
        self._runner.close()

    def settle(self, conversations: list[Conversation], meaning: Meaning | None) -> None:
        """Ask in rounds until nothing is wanted any more."""
        while waiting := [conversation for conversation in conversations if not conversation.done]:
            found = self._answers(waiting)
            candidates: list[tuple[Conversation, str, str]] = []
            for conversation in waiting:
                reply = found.get(conversation.key)
                if reply is not None:
                    candidates += [(conversation, name, text) for name, text in conversation.take(reply)]
            if meaning is not None and candidates:
                measured = meaning.between([(c.question.sources, text) for c, _, text in candidates])
                for (conversation, name, text), similarity in zip(candidates, measured, strict=True):
                    conversation.judge(name, text, similarity, meaning.measure)
            for conversation in waiting:
                conversation.close_round()

    def _answers(self, waiting: list[Conversation]) -> dict[str, Reply]:
        """Return the replies by key, stored or new; questions that get none are given up."""
        found: dict[str, Reply] = {}
        missing = self._look_up(waiting, found)
        if missing:
            # Two processes that send the same question would both pay: one sends, the other finds the reply.
            with self._sending():
                missing = self._look_up(missing, found)
                if missing:
                    self._runner.run(self._ask(missing))
                    self._look_up(missing, found)
        return found

    def _sending(self) -> contextlib.AbstractContextManager[None]:
        if self._model == "builtin":
            return contextlib.nullcontext()
        return self._replies.sending(self._server, self._model)

    @property
    def _server(self) -> str:
        return self._machine.base_url or os.environ.get("OPENAI_BASE_URL") or ""

    def _look_up(self, conversations: list[Conversation], found: dict[str, Reply]) -> list[Conversation]:
        missing = []
        for conversation in conversations:
            reply = self._replies.get(conversation.key)
            if reply is None:
                missing.append(conversation)
            else:
                found[conversation.key] = reply
        return missing

    async def _ask(self, conversations: list[Conversation]) -> None:
        """Have every question answered and stored, or given up."""
        if self._client is None:
            # Imported here: a run whose replies are all stored never waits for the SDK.
            from stages.captions.client import Client

            self._client = Client(self._model, self._sampling, self._machine)
        client, total = self._client, len(conversations)
        with progress_bar(shown=self._machine.progress) as bar:
            task = bar.add_task(self._description, total=total)

            def advance(count: int = 1) -> None:
                bar.advance(task, count)

            if self._machine.batch_api and self._model != "builtin":
                await self._ask_batches(conversations, client, advance)
                conversations = self._look_up(conversations, {})
            run = _Round(self._replies, self._machine.concurrency, total - len(conversations))
            silent = await run.ask(conversations, client, advance)
            if silent and run.alive:
                silent = await run.ask([conversation for conversation, _ in silent], client, lambda: None)
        if run.fatal:
            raise run.fatal[0]
        if len(run.refused) == total > 1:
            raise UserError(f"{self._description}: the language model server refused every question ({run.refused[0]})")
        reasons = sorted({reason for _, reason in silent})
        if silent and not (run.alive and run.answered and len(silent) < SILENT_SHARE * total):
            raise UserError(
                f"{self._description}: the language model server answered {run.answered} of {total} questions and left "
                f"{total - run.answered - len(run.refused)} unanswered ({', '.join(reasons)}); all replies so far are "
                "kept, run again to go on"
            )
        for conversation, reason in silent:
            conversation.give_up(f"no_answer: {reason}")

    async def _ask_batches(
        self, conversations: list[Conversation], client: Client, advance: Callable[[int], None]
    ) -> None:
        from stages.captions.batch import Item, ask_batches

        items = [
            Item(conversation.key, conversation.question.prompt.version, conversation.messages, conversation.wanted)
            for conversation in conversations
        ]
        folder = store("replies", "batches")
        await ask_batches(items, client, self._replies, folder, self._server, self._model, advance)


class _Round:
    """The workers that send the questions of one round."""

    def __init__(self, replies: ReplyStore, concurrency: int, answered: int) -> None:
        self.answered = answered
        self.refused: list[str] = []
        self.fatal: list[UserError] = []
        self._replies = replies
        self._concurrency = concurrency
        self._silent_in_a_row = 0

    @property
    def alive(self) -> bool:
        """Whether the server still answers: not after as many silent questions in a row as are asked at once."""
        return self._silent_in_a_row < max(4, self._concurrency)

    async def ask(
        self, conversations: Sequence[Conversation], client: Client, advance: Callable[[], None]
    ) -> list[tuple[Conversation, str]]:
        """Send every question; return those that stayed silent, each with the reason, in the order given."""
        from stages.captions.client import NoAnswer, Refused

        waiting: Iterator[Conversation] = iter(conversations)
        silent: dict[str, str] = {}

        async def worker() -> None:
            for conversation in waiting:
                if self.fatal or not self.alive:
                    silent[conversation.key] = "not asked any more"
                    continue
                try:
                    version = conversation.question.prompt.version
                    reply = await client.ask(conversation.messages, version, conversation.wanted, conversation.key)
                    self._replies.put(conversation.key, reply)
                except Refused as error:
                    self.refused.append(str(error))
                    conversation.give_up(f"refused: {error}")
                except NoAnswer as error:
                    self._silent_in_a_row += 1
                    silent[conversation.key] = str(error)
                except UserError as error:
                    self.fatal.append(error)
                else:
                    self.answered += 1
                    self._silent_in_a_row = 0
                advance()

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._concurrency, len(conversations))):
                group.create_task(worker())
        return [(c, silent[c.key]) for c in conversations if c.key in silent]
