"""One question to a language model on its way: what was said, what is still wanted, what became of each text."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clapline.params.captions import LanguageModel
from clapline.storage import content_key
from stages.captions.prompts import Prompt, again, request
from stages.captions.reading import read_answers, without_reasoning
from stages.captions.replies import Reply

#: `check(name, text, accepted texts of the same question)`: None, or "<name of the check>: what it saw".
Check = Callable[[str, str, Sequence[str]], str | None]
#: Checks whose failure ends the matter: asking again would ask the model to invent.
FINAL = frozenset({"not_a_sound"})
_UNSAID = {
    "length": "truncated: the answer was cut off at the greatest length",
    "content_filter": "refused: the server's filter withheld the answer",
}


@dataclass(frozen=True)
class Question:
    """One question: a prompt, the data it works on, the names of the wanted texts, and their checks.

    `least` gives, for the wanted texts whose meaning is measured, the least similarity to any of `sources`.
    """

    prompt: Prompt
    asked: dict[str, Any]
    wanted: tuple[str, ...]
    check: Check
    sources: tuple[str, ...] = ()
    least: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A text that passed every check. `similarity` is None where its meaning was not measured."""

    text: str
    attempts: int
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A text that was given up: "<name of the check>: what it saw" of the last failure."""

    reason: str
    attempts: int


@dataclass(slots=True)
class Outcome:
    """What a question led to, by the names of the wanted texts."""

    accepted: dict[str, Accepted] = field(default_factory=dict)
    dropped: dict[str, Dropped] = field(default_factory=dict)
    refusals: dict[str, list[str]] = field(default_factory=dict)  # names of the checks, over all askings
    askings: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    batched_prompt_tokens: int = 0  # of these, paid at the batch API's price
    batched_completion_tokens: int = 0

    def refuse(self, name: str, failure: str) -> None:
        """Note that a text failed a check; `failure` is "<name of the check>: what it saw"."""
        self.refusals.setdefault(name, []).append(_check_name(failure))

    def failures(self, name: str | None = None) -> Counter[str]:
        """Return how often each check refused a text of that name, or any text."""
        return Counter(check for text, checks in self.refusals.items() if name in (None, text) for check in checks)


class Conversation:
    """A question, the messages so far, and what is still wanted."""

    def __init__(self, question: Question, identity: str, sampling: LanguageModel) -> None:
        self.question = question
        self.outcome = Outcome()
        self.messages = request(question.prompt, question.asked, list(question.wanted))
        # One instruction for all questions of a kind, not a copy for each.
        self.messages[0]["content"] = sys.intern(self.messages[0]["content"])
        self.wanted = list(question.wanted)
        self._identity = identity
        self._sampling = sampling
        self._failures: dict[str, str] = {}
        self._said = ""
        self._key = ""

    @property
    def done(self) -> bool:
        """Whether nothing is wanted any more."""
        return not self.wanted

    @property
    def key(self) -> str:
        """The content key of the next question to the model."""
        if not self._key:
            version = self.question.prompt.version
            self._key = content_key(self._identity, version, self.messages, self._sampling.sampling())
        return self._key

    def take(self, reply: Reply) -> list[tuple[str, str]]:
        """Check the texts of a reply; return (name, text) of those whose meaning is still to be measured."""
        outcome = self.outcome
        outcome.askings += 1
        outcome.prompt_tokens += reply.prompt_tokens
        outcome.completion_tokens += reply.completion_tokens
        if reply.via == "batch":
            outcome.batched_prompt_tokens += reply.prompt_tokens
            outcome.batched_completion_tokens += reply.completion_tokens
        texts = read_answers(reply.content, self.wanted)
        self._said = without_reasoning(reply.content)
        self._failures = {}
        passed: list[tuple[str, str]] = []
        for name in self.wanted:
            failure = self._failure(name, texts, reply, [text for _, text in passed])
            if failure is not None:
                self._fail(name, failure)
                continue
            text = texts[name].strip()  # type: ignore[index]
            passed.append((name, text))
        for name, text in passed:
            if name not in self.question.least:
                outcome.accepted[name] = Accepted(text, outcome.askings)
        return [(name, text) for name, text in passed if name in self.question.least]

    def judge(self, name: str, text: str, similarity: float, measure: str) -> None:
        """Accept a text if its meaning is near enough."""
        least = self.question.least[name]
        if similarity < least:
            self._fail(name, f"similarity: {similarity:.2f} by {measure}; at least {least}")
        else:
            self.outcome.accepted[name] = Accepted(text, self.outcome.askings, similarity)

    def close_round(self) -> None:
        """Ask again for what failed, or give it up."""
        if self.done:
            return
        final = {name for name, failure in self._failures.items() if _check_name(failure) in FINAL}
        if self.outcome.askings >= self._sampling.attempts:
            final = set(self._failures)
        for name in [name for name in self._failures if name in final]:
            self.outcome.dropped[name] = Dropped(self._failures.pop(name), self.outcome.askings)
        self.wanted = [name for name in self.wanted if name in self._failures]
        if self.wanted:
            # Some servers refuse a message without words.
            said = self._said if self._said.strip() else "(no answer)"
            self.messages += again(said, {name: self._failures[name] for name in self.wanted})
            self._key = ""

    def give_up(self, reason: str) -> None:
        """Drop what is still wanted: the server refuses this question, or stays silent on it."""
        self.outcome.askings += 1
        for name in self.wanted:
            self.outcome.refuse(name, reason)
            self.outcome.dropped[name] = Dropped(reason, self.outcome.askings)
        self.wanted = []

    def _failure(self, name: str, texts: dict[str, Any] | None, reply: Reply, passed: list[str]) -> str | None:
        text = (texts or {}).get(name)
        if isinstance(text, str):
            taken = [accepted.text for accepted in self.outcome.accepted.values()]
            return self.question.check(name, text.strip(), [*taken, *passed])
        if reply.finish_reason in _UNSAID:
            return _UNSAID[reply.finish_reason]
        if reply.finish_reason == "refusal":
            return f"refused: the model said {' '.join(reply.content.split())[:100]!r}"
        if texts is None:
            return "malformed: the answer is no JSON object of the form asked for"
        if isinstance(text, list):
            return f"too_many: {len(text)} texts under one name"
        return "missing: no text under this name"

    def _fail(self, name: str, failure: str) -> None:
        self._failures[name] = failure
        self.outcome.refuse(name, failure)


def _check_name(failure: str) -> str:
    return failure.partition(":")[0]
