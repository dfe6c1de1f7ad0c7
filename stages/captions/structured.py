"""How a server is told which form an answer must have, from the strictest way to none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_WEAKER = {"schema": "json", "json": "off"}


def response_format(level: str, wanted: Sequence[str]) -> dict[str, Any]:
    """Return the part of a request that asks for JSON with a text under each wanted name; empty at level "off"."""
    if level == "off":
        return {}
    if level == "json":
        return {"response_format": {"type": "json_object"}}
    texts = _object({name: {"type": "string"} for name in wanted})
    schema = {"name": "captions", "strict": True, "schema": _object({"answers": texts})}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class Structure:
    """Which form is asked for: as the params say, or ("auto") the strictest that the server turns out to know.

    A server that does not know a form answers 400, 404 or 422, as it does to a question it will not have. So a weaker
    form is tried for that question alone, and taken for the whole run only once the server has answered it.
    """

    def __init__(self, setting: str) -> None:
        self._auto = setting == "auto"
        self.level = "schema" if self._auto else setting
        self._answered = False

    def weaker(self, level: str) -> str | None:
        """Return the form to try after the server refused one in form `level`; None: the form is not at fault."""
        if not self._auto or (self._answered and level == self.level):
            return None
        # Others may have found out meanwhile which form the server knows.
        return self.level if self._answered else _WEAKER.get(level)

    def works(self, level: str) -> None:
        """Take this form for the rest of the run: the server has answered it."""
        if self._auto and not self._answered:
            self.level = level
            self._answered = True
