"""The report folder of a caption stage: counts, the list of what was dropped, and a chapter with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import clapline.chapter as chapter
from clapline.storage import atomic_folder, content_key, write_json
from clapline.tables.captions import DROPPED
from stages.captions.asking import Outcome

EXAMPLES = 12


@dataclass
class Account:
    """What became of one task: all numbers as recorded when the replies were paid, whoever paid them."""

    task: str
    model: str
    prompt_version: str
    captions: int = 0
    accepted: int = 0
    first_time: int = 0
    dropped: int = 0
    questions: int = 0
    askings: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def add_questions(self, outcomes: Iterable[Outcome]) -> None:
        """Count each distinct question once: equal captions share one outcome."""
        for outcome in {id(outcome): outcome for outcome in outcomes}.values():
            self.questions += 1
            self.askings += outcome.askings
            self.prompt_tokens += outcome.prompt_tokens
            self.completion_tokens += outcome.completion_tokens
            self.failures += outcome.failures

    def count(self, outcome: Outcome, name: str) -> None:
        """Count one wanted caption of a table."""
        self.captions += 1
        if name in outcome.accepted:
            self.accepted += 1
            self.first_time += outcome.accepted[name][1] == 1
        else:
            self.dropped += 1

    def summary(self) -> dict[str, Any]:
        """Return the account as JSON."""
        plain = {name: value for name, value in vars(self).items() if name not in {"task", "failures"}}
        return {**plain, "failures": dict(sorted(self.failures.items()))}


def write_accounts(
    folder: Path | str,
    title: str,
    words: str,
    accounts: Sequence[Account],
    dropped: pd.DataFrame,
    examples: tuple[list[str], list[list[chapter.Cell]]],
    extra: dict[str, pd.DataFrame] | None = None,
) -> None:
    """Write summary.json, dropped.csv, chapter.json (and each extra table as CSV) into a new report folder."""
    columns, rows = examples
    checks = sorted({name for account in accounts for name in account.failures})
    blocks = [
        chapter.text(words),
        chapter.table(
            "What became of the captions; tokens as recorded when each reply was given.",
            [
                "task", "model", "prompt", "captions", "accepted", "at once", "dropped", "questions", "askings",
                "prompt tokens", "completion tokens",
            ],
            [
                [
                    a.task, a.model, a.prompt_version, a.captions, a.accepted, a.first_time, a.dropped, a.questions,
                    a.askings, a.prompt_tokens, a.completion_tokens,
                ]
                for a in accounts
            ],
        ),
    ]  # fmt: skip
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
        ordered.to_csv(temporary / "dropped.csv", index=False, lineterminator="\n")
        for name, frame in (extra or {}).items():
            frame.to_csv(temporary / f"{name}.csv", index=False, lineterminator="\n")
        chapter.write_chapter(temporary, chapter.Chapter(title, blocks))


def pick(rows: list[list[chapter.Cell]], count: int = EXAMPLES) -> list[list[chapter.Cell]]:
    """Return a few distinct rows, the same ones whenever the rows are the same."""
    distinct = {content_key(row): row for row in rows}
    return [distinct[key] for key in sorted(distinct)[:count]]


def dropped_row(
    dataset: str, clip_id: str, index: int, task: str, purpose: str, original: str, fate: tuple[str, int]
) -> dict[str, Any]:
    """Return one row of the list of dropped captions; `fate` is (reason, askings)."""
    return {
        "dataset": dataset,
        "clip_id": clip_id,
        "caption_index": index,
        "task": task,
        "purpose": purpose,
        "original": original,
        "reason": fate[0],
        "attempts": fate[1],
    }
