"""Parts of a clip: what the header `Range` of a player asks for."""

from __future__ import annotations

import re

_ASKED = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class Unsatisfiable(Exception):
    """The part lies beyond the clip."""


def asked_part(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte that is asked for and the one after the last; None for the whole.

    The whole is an allowed answer to several parts at once, and to what is no range of bytes.

    Raises:
        Unsatisfiable: the part is empty, or begins beyond the end.
    """
    found = _ASKED.fullmatch((header or "").replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise Unsatisfiable
    return start, stop
