"""Captions for clips that come with labels and raw descriptions only (after WavCaps): filter, ask, check, ask again."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clapline.chapter import Cell
from clapline.params.captions import Rewrite
from clapline.params.machine import Machine
from clapline.tables.captions import DROPPED
from stages.captions import checks
from stages.captions.accounts import Account, dropped_row
from stages.captions.asking import Outcome, Question, ask_all
from stages.captions.descriptions import cleaned
from stages.captions.prompts import REWRITE_TEST, REWRITE_TRAIN


def captioned(
    clips: pd.DataFrame, role: str, section: Rewrite, machine: Machine
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Account, list[list[Cell]]]:
    """Return the clips that have captions now, what was dropped, the clips set aside, the account, and examples.

    Clips with captions pass unchanged. For the role "retrieval" only the label is offered, never the description, and
    the wording is the benchmarks' own: all clips of a label share their queries.
    """
    purpose = "test" if role == "retrieval" else "train"
    prompt = REWRITE_TEST if purpose == "test" else REWRITE_TRAIN
    wanted = tuple(str(number) for number in range(1, section.captions_per_clip + 1))
    rows = list(clips.itertuples(index=False))
    places = [place for place, row in enumerate(rows) if not row.captions and given_labels(row)]
    questions = []
    for place in places:
        offered = purpose == "train" and section.use_descriptions
        description = cleaned(_words(rows[place].description)) if offered else None
        questions.append(_question(given_labels(rows[place]), description, prompt, wanted))
    outcomes = dict(zip(places, ask_all(questions, section.model, section, machine, f"captions ({role})"), strict=True))
    account = Account(f"rewrite_{role}", section.model, prompt.version)
    account.add_questions(outcomes.values())
    captions: list[list[str]] = []
    dropped: list[dict[str, Any]] = []
    aside: list[dict[str, str]] = []
    examples: list[list[Cell]] = []
    for place, row in enumerate(rows):
        written = list(row.captions)
        if place in outcomes:
            written = _written(row, outcomes[place], wanted, account, dropped, (role, purpose))
            offered = purpose == "train" and section.use_descriptions
            description = _words(row.description) if offered else None
            examples.append([role, ", ".join(given_labels(row)), description, " | ".join(written)])
        if not written:
            reason = "every caption failed its checks" if place in outcomes else "neither captions nor a label or tags"
            aside.append({"role": role, "dataset": row.dataset, "clip_id": row.clip_id, "reason": reason})
        captions.append(written)
    result = clips.copy()
    result["captions"] = pd.Series(captions, index=clips.index, dtype=object)
    result = result[[bool(written) for written in captions]]
    set_aside = pd.DataFrame(aside, columns=["role", "dataset", "clip_id", "reason"])
    return result, DROPPED.frame(dropped), set_aside, account, examples


def _words(cell: Any) -> str | None:
    """Return a cell's text; pandas gives an empty cell as NaN or None."""
    return cell if isinstance(cell, str) else None


def given_labels(row: Any) -> list[str]:
    """Return what a clip is said to hold: its label, else its tags, as words."""
    named = [row.label] if isinstance(row.label, str) and row.label else list(row.tags)
    return [label.replace("_", " ").strip() for label in named if label.strip()]


def _written(
    row: Any,
    outcome: Outcome,
    wanted: tuple[str, ...],
    account: Account,
    dropped: list[dict[str, Any]],
    where: tuple[str, str],
) -> list[str]:
    role, purpose = where
    written = []
    for index, name in enumerate(wanted):
        account.count(outcome, name)
        if name in outcome.accepted:
            written.append(outcome.accepted[name][0])
        else:
            given, task = ", ".join(given_labels(row)), f"rewrite_{role}"
            fate = outcome.dropped[name]
            dropped.append(dropped_row(row.dataset, row.clip_id, index, task, purpose, given, fate))
    return written


def _question(labels: list[str], description: str | None, prompt: Any, wanted: tuple[str, ...]) -> Question:
    given = [*labels, *([description] if description else [])]

    def check(name: str, text: str, taken: Any) -> str | None:
        return checks.label_caption(given, taken, text)

    asked = {"labels": labels, **({"description": description} if description else {})}
    return Question(prompt, asked, wanted, check)
