"""Read what a language model answered: it was asked for one JSON object, and often says more, or says it otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_DEPTH = 6
_STARTS = 200  # places in an answer where JSON may begin
_DECODER = json.JSONDecoder(strict=False)  # a line break within a text is for the checks to judge
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)
_NUMBERED = re.compile(r"^[ \t]*(?:\*\*)?(\d{1,3})[.):](?:\*\*)?[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)


def without_reasoning(content: str) -> str:
    """Return an answer without the block of thoughts that reasoning models put before it."""
    before, closed, after = content.rpartition("</think>")
    if closed and (before.lstrip().startswith("<think>") or "{" not in before):
        return after.lstrip()
    return "" if content.lstrip().startswith("<think>") else content


def read_answers(content: str, wanted: Sequence[str]) -> dict[str, Any] | None:
    """Return what an answer says under the wanted names; None where it has not the form asked for.

    JSON is found in a code fence, among chatter, nested deeper than asked, in several objects (the last word on a name
    counts), with trailing commas. Where the names are the numbers 1 to n, a plain list or numbered lines will do.
    """
    content = without_reasoning(content)
    numbered = all(name.isdecimal() for name in wanted)
    for text in (content, _TRAILING_COMMA.sub(r"\1", content)):
        found: dict[str, Any] = {}
        formed = False
        for value in _values(text):
            formed = formed or (isinstance(value, dict) and isinstance(value.get("answers"), dict))
            for texts in _mappings(value, 0):
                for name in wanted:
                    said = _only(texts.get(name))
                    if isinstance(said, str) or (name in texts and name not in found):
                        found[name] = said
            if numbered and not found and (listed := _listed(value, 0)):
                found = dict(zip(wanted, listed, strict=False))
        if found or formed:
            return found
    lines = {number: text.strip("\"'“”*") for number, text in _NUMBERED.findall(content)} if numbered else {}
    if lines:
        # Asked for 2 and 4 again, models number them 2 and 4, or 1 and 2.
        by_name = lines if set(wanted) <= set(lines) else dict(zip(wanted, lines.values(), strict=False))
        return {name: by_name[name] for name in wanted if name in by_name}
    return None


def _values(text: str) -> Iterator[Any]:
    """Yield every outermost JSON object or array in a text."""
    end = starts = 0
    for start in re.finditer(r"[{\[]", text):
        if start.start() < end:
            continue
        starts += 1
        if starts > _STARTS:
            return
        try:
            value, end = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        yield value


def _mappings(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield the objects within a value, the outer before the inner; a text that is itself JSON counts as its value."""
    if depth > _DEPTH:
        return
    if isinstance(value, str) and value.lstrip().startswith("{"):
        for inner in _values(value):
            yield from _mappings(inner, depth + 1)
    elif isinstance(value, dict):
        if "answers" not in value or isinstance(value["answers"], str):
            yield value
        for inner in value.values():
            yield from _mappings(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _mappings(inner, depth + 1)


def _listed(value: Any, depth: int) -> list[str] | None:
    """Return the list of texts that a value is or holds alone."""
    if isinstance(value, dict) and len(value) == 1 and depth < _DEPTH:
        return _listed(next(iter(value.values())), depth + 1)
    if isinstance(value, list) and value:
        texts = [_only(item) for item in value]
        return texts if all(isinstance(text, str) for text in texts) else None
    return None


def _only(value: Any) -> Any:
    """Return the text that a list or an object holds alone; else the value itself."""
    while isinstance(value, list | dict) and len(value) == 1:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    # An escaped half of a surrogate pair is no text that could be written.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
