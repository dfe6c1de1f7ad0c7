"""What the builtin model answers: it reads the prompt's version and the request, as a served model reads words."""

from __future__ import annotations

import json
import re
from typing import Any

from stages.captions.builtin.labels import label_captions
from stages.captions.builtin.paraphrase import paraphrase
from stages.captions.builtin.synthesize import new_captions


def answer(messages: list[dict[str, str]]) -> str:
    """Return the JSON answer to a conversation: the n-th asking of a text gets the n-th choice of the rules.

    A conversation that is none of the pipeline's tasks gets an empty answer, as a model that did not understand.
    """
    head = re.match(r"\[(paraphrase|synthesize|rewrite)-(train|test)-\d+\]", messages[0]["content"])
    if head is None:
        return json.dumps({"answers": {}})
    task, purpose = head.groups()
    asked = json.loads(messages[1]["content"])
    wanted: list[str] = json.loads(messages[-1]["content"])["wanted"]
    turn = sum(message["role"] == "assistant" for message in messages)
    return json.dumps({"answers": _texts(task, purpose, asked, wanted, turn)}, ensure_ascii=False)


def _texts(task: str, purpose: str, asked: dict[str, Any], wanted: list[str], turn: int) -> dict[str, str]:
    if task == "paraphrase":
        return {name: paraphrase(asked["caption"], int(name[-1]), purpose, turn) for name in wanted}
    if task == "synthesize":
        return new_captions(asked["captions"], asked["wanted"], wanted, turn)
    texts = label_captions(asked["labels"], asked.get("description"), purpose, len(asked["wanted"]) + 4 * turn)
    return dict(zip(wanted, texts[-len(wanted) :] if turn else texts, strict=False))
