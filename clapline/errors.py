"""One error for everything a user can mend, and the frame of every door: one clear line, exit code 2."""

from __future__ import annotations

import functools
import os
import select
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


_NOT_READ = 141  # what a shell says of a command that ended by SIGPIPE


class UserError(Exception):
    """Bad input, said in one line: what is wrong, where, and what is allowed."""


def door(main: Callable[P, None]) -> Callable[P, None]:
    """Wrap the `main` of a stage: a `UserError` becomes one line on standard error and exit code 2.

    Where the reader of standard output has gone (`… | head`), it ends without a word, as other commands do.
    """

    @functools.wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            main(*args, **kwargs)
            if sys.stdout is not None:  # None: it was closed before the start
                sys.stdout.flush()
        except UserError as error:
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            raise SystemExit(2) from None
        except BrokenPipeError:
            if not _unread():  # it was another pipe or connection that broke
                raise
            raise SystemExit(_NOT_READ) from None
        finally:
            if _unread():  # the interpreter flushes once more when it ends: then it goes nowhere
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return guarded


def _unread() -> bool:
    """Return whether the reader of standard output has gone."""
    try:
        number = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # none, or none of the system's
        return False
    poll = select.poll()
    poll.register(number, 0)
    return bool(poll.poll(0))  # of no event asked for, it tells only that the other end is gone
