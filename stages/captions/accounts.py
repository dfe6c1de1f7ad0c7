"""The report folder of a caption stage: counts, the list of what was dropped, and a chapter with examples."""

from __future__ import annotations

import csv
import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import clapline.chapter as chapter
from clapline.storage import atomic_folder, content_key, write_json
from clapline.tables.captions import DROPPED
from stages.captions.asking import Dropped, Outcome

EXAMPLES = 12


@dataclass
class Account:
    """What became of one task: all numbers as recorded when the replies were paid, whoever paid them."""

    task: str
    model: str
    prompt_version: str
    least_similarity: float | None = None  # bound of the task's texts; None where their meaning is not measured
    captions: int = 0
    accepted: int = 0
    first_time: int = 0
    dropped: int = 0
    questions: int = 0
    askings: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    batched_prompt_tokens: int = 0  # of these, paid at the batch API's price
    batched_completion_tokens: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def add_questions(self, outcomes: Iterable[Outcome], name: str | None = None) -> None:
        """Count each distinct question once: equal captions share one outcome. Failures of one wanted text, or all."""
        for outcome in _distinct(outcomes):
            self.questions += 1
            self.askings += outcome.askings
            self.prompt_tokens += outcome.prompt_tokens
            self.completion_tokens += outcome.completion_tokens
            self.batched_prompt_tokens += outcome.batched_prompt_tokens
            self.batched_completion_tokens += outcome.batched_completion_tokens
            self.failures += outcome.failures(name)

    def add_failures(self, outcomes: Iterable[Outcome], name: str) -> None:
        """Count the failures of one wanted text alone: another account holds the questions."""
        for outcome in _distinct(outcomes):
            self.failures += outcome.failures(name)

    def count(self, outcome: Outcome, name: str) -> None:
        """Count one wanted caption of a table."""
        self.captions += 1
        if name in outcome.accepted:
            self.accepted += 1
            self.first_time += outcome.accepted[name].attempts == 1
        else:
            self.dropped += 1

    def summary(self) -> dict[str, Any]:
        """Return the account as JSON."""
        plain = {name: value for name, value in vars(self).items() if name not in {"task", "failures"}}
        return {**plain, "failures": dict(sorted(self.failures.items()))}


def _distinct(outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
    return {id(outcome): outcome for outcome in outcomes}.values()


def write_accounts(
    folder: Path | str,
    title: str,
    words: str,
    accounts: Sequence[Account],
    dropped: pd.DataFrame,
    examples: tuple[list[str], Iterable[list[chapter.Cell]]],
    extra: dict[str, pd.DataFrame] | None = None,
) -> None:
    """Write summary.json, dropped.csv, chapter.json (and each extra table as CSV) into a new report folder.

    `examples` are the columns and rows of a table of which a few rows are drawn; the rows may come from a generator.
    """
    columns, rows = examples
    checks = sorted({name for account in accounts for name in account.failures})
    blocks = [chapter.text(words), _fates(accounts)]
    if checks:
        counts = [[a.task, *(a.failures[name] for name in checks)] for a in accounts]
        blocks.append(chapter.table("Texts refused, by check, over all askings.", ["task", *checks], counts))
    for name, frame in (extra or {}).items():
        if len(frame):
            blocks.append(chapter.text(f"{len(frame)} rows were set aside: {name}.csv."))
    blocks.append(chapter.table("Examples, drawn by a hash of their text.", columns, pick(rows)))
    with atomic_folder(folder) as temporary:
        write_json(temporary / "summary.json", {account.task: account.summary() for account in accounts})
        ordered = dropped.sort_values(list(DROPPED.keys), kind="stable")
        _write_rows(temporary / "dropped.csv", ordered)
        for name, frame in (extra or {}).items():
            _write_rows(temporary / f"{name}.csv", frame)
        chapter.write_chapter(temporary, chapter.Chapter(title, blocks))


def _write_rows(path: Path, frame: pd.DataFrame) -> None:
    # Every text in quotes: a carriage return in a caption would otherwise end its row.
    frame.to_csv(path, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)


def _fates(accounts: Sequence[Account]) -> chapter.Block:
    columns = {
        "task": "task", "model": "model", "prompt": "prompt_version", "captions": "captions", "accepted": "accepted",
        "at once": "first_time", "dropped": "dropped", "questions": "questions", "askings": "askings",
        "prompt tokens": "prompt_tokens", "completion tokens": "completion_tokens",
    }  # fmt: skip
    if any(account.batched_prompt_tokens or account.batched_completion_tokens for account in accounts):
        columns |= {"prompt, batched": "batched_prompt_tokens", "completion, batched": "batched_completion_tokens"}
    return chapter.table(
        "What became of the captions; tokens as recorded when each reply was given.",
        list(columns),
        [[getattr(account, name) for name in columns.values()] for account in accounts],
    )


def pick(rows: Iterable[list[chapter.Cell]], count: int = EXAMPLES) -> list[list[chapter.Cell]]:
    """Return a few distinct rows, the same ones whenever the rows are the same, in whatever order they come.

    Only as many rows as are returned are held at a time, so `rows` may be as many as a generator gives.
    """
    smallest: list[tuple[int, list[chapter.Cell]]] = []  # a heap of negated keys: its head is the first to go
    held: set[int] = set()
    for row in rows if count > 0 else ():
        key = -int(content_key(row), 16)
        if key in held or (len(smallest) == count and key < smallest[0][0]):
            continue
        held.add(key)
        if len(smallest) < count:
            heapq.heappush(smallest, (key, row))
        else:
            held.remove(heapq.heappushpop(smallest, (key, row))[0])
    return [row for _, row in sorted(smallest, key=lambda item: -item[0])]


def dropped_row(
    dataset: str, clip_id: str, index: int, task: str, purpose: str, original: str, fate: Dropped
) -> dict[str, Any]:
    """Return one row of the list of dropped captions; `fate` says why."""
    return {
        "dataset": dataset,
        "clip_id": clip_id,
        "caption_index": index,
        "task": task,
        "purpose": purpose,
        "original": original,
        "reason": fate.reason,
        "attempts": fate.attempts,
    }
