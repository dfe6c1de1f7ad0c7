"""One error for everything a user can mend, and the frame of every door: one clear line, exit code 2."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


class UserError(Exception):
    """Bad input, said in one line: what is wrong, where, and what is allowed."""


def door(main: Callable[P, None]) -> Callable[P, None]:
    """Wrap the `main` of a stage: a `UserError` becomes one line on standard error and exit code 2."""

    @functools.wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            main(*args, **kwargs)
        except UserError as error:
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            raise SystemExit(2) from None

    return guarded
