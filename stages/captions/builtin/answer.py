"""What the builtin model answers: it reads the prompt's version and the request, as a served model reads words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from stages.captions.builtin.labels import label_captions
from stages.captions.builtin.mix import mixed_captions
from stages.captions.builtin.paraphrase import paraphrase
from stages.captions.builtin.stress import stressed
from stages.captions.builtin.synthesize import new_captions
from stages.captions.builtin.variants import back_translations

#: `task(purpose, asked, wanted, turn)`: the texts by name; `asked` holds the request, `turn` counts the askings before.
Task = Callable[[str, dict[str, Any], list[str], int], dict[str, str]]


def answer(messages: list[dict[str, str]]) -> str:
    """Return the JSON answer to a conversation: the n-th asking of a text gets the n-th choice of the rules.

    A conversation that is none of the pipeline's tasks gets an empty answer, as a model that did not understand.
    """
    head = re.match(r"\[([a-z_]+)-(train|test)-\d+\]", messages[0]["content"])
    # "stress_jargon" is the task "stress"; the request says which kind.
    task = head and (_TASKS.get(head.group(1)) or _TASKS.get(head.group(1).split("_")[0]))
    if not head or not task:
        return json.dumps({"answers": {}})
    asked = json.loads(messages[1]["content"])
    wanted: list[str] = json.loads(messages[-1]["content"])["wanted"]
    turn = sum(message["role"] == "assistant" for message in messages)
    return json.dumps({"answers": task(head.group(2), asked, wanted, turn)}, ensure_ascii=False)


def _paraphrase(purpose: str, asked: dict[str, Any], wanted: list[str], turn: int) -> dict[str, str]:
    return {name: paraphrase(asked["caption"], int(name[-1]), purpose, turn) for name in wanted}


def _synthesize(purpose: str, asked: dict[str, Any], wanted: list[str], turn: int) -> dict[str, str]:
    return new_captions(asked["captions"], asked["wanted"], wanted, turn)


def _rewrite(purpose: str, asked: dict[str, Any], wanted: list[str], turn: int) -> dict[str, str]:
    count, tags = len(asked["wanted"]) + 4 * turn, tuple(asked.get("tags", ()))
    texts = label_captions(asked["labels"], asked.get("description"), purpose, count, tags)
    return dict(zip(wanted, texts[-len(wanted) :] if turn else texts, strict=False))


_TASKS: dict[str, Task] = {
    "paraphrase": _paraphrase,
    "synthesize": _synthesize,
    "rewrite": _rewrite,
    "mix": mixed_captions,
    "stress": stressed,
    "back_translate": back_translations,
}
