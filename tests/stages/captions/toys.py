"""Questions of a toy task: a caption, to be said again under two names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clapline.params.captions import LanguageModel
from clapline.params.machine import Machine
from stages.captions.asking import Outcome, Question, ask_all
from stages.captions.prompts import Prompt

PROMPT = Prompt("toy-train-1", "Say it again.")
NAMES = ("level_1", "level_2")


def question(caption: str) -> Question:
    def check(name: str, text: str, _: Sequence[str]) -> str | None:
        return None if text == f"{caption} as {name}" else f"wrong: {text!r}"

    return Question(PROMPT, {"caption": caption}, NAMES, check)


def ask(url: str, captions: Sequence[str], machine: dict[str, Any] | None = None, **sampling: Any) -> list[Outcome]:
    settings = Machine(**{"progress": False, "base_url": url, "timeout_s": 5.0, **(machine or {})})
    return ask_all([question(caption) for caption in captions], "served", LanguageModel(**sampling), settings, "toys")


def all_accepted(outcomes: Sequence[Outcome]) -> bool:
    return all(set(outcome.accepted) == set(NAMES) for outcome in outcomes)
