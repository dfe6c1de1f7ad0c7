"""Progress on work over some seconds: a bar with rate and ETA on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar("Item")


class _Rate(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "-/s")


def progress_bar(*, shown: bool = True) -> Progress:
    """Return a rich progress bar on standard error: description, bar, done/all, rate, ETA; silent off a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not (shown and sys.stderr.isatty()),
    )


def tracked(items: Iterable[Item], description: str, total: int | None = None, *, shown: bool = True) -> Iterator[Item]:
    """Yield the items while a progress bar counts them."""
    with progress_bar(shown=shown) as bar:
        yield from bar.track(items, total=total, description=description)
