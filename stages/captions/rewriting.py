"""Captions for clips that come with labels and raw descriptions only (after WavCaps): filter, ask, check, ask again.

The state of a clip: raw → kept (it has captions) | filtered (reason) → asked (n times) → accepted | failed (reason).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
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
from stages.captions.prompts import REWRITE_TEST, REWRITE_TRAIN, Prompt

SET_ASIDE = ["role", "dataset", "clip_id", "reason"]


@dataclass
class RewriteAccount(Account):
    """The account of a role, with the states of its clips: how many were kept, filtered, asked, accepted, failed."""

    states: dict[str, Any] = field(default_factory=dict)

    def sentence(self, role: str) -> str:
        """Return the states in words."""
        states = self.states
        asked = ", ".join(f"{count} asked {times} times" for times, count in states["asked"].items())
        left = {**states["filtered"], **states["failed"]}
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left.items()))
        return (
            f"{role}: {states['raw']} clips, {states['kept']} with captions, {states['accepted']} given captions"
            + (f" ({asked})" if asked else "")
            + (f", set aside: {reasons}" if reasons else "")
        )


@dataclass(frozen=True)
class Given:
    """What is known of a clip without captions."""

    labels: list[str]
    tags: list[str]
    description: str | None

    def request(self) -> dict[str, Any]:
        """Return what the model is shown; what is empty is left out."""
        tags = {"tags": self.tags} if self.tags else {}
        return {"labels": self.labels, **tags, **({"description": self.description} if self.description else {})}

    def texts(self) -> list[str]:
        """Return all that a caption may take its words from."""
        return [*self.labels, *self.tags, *([self.description] if self.description else [])]


def captioned(
    clips: pd.DataFrame, role: str, section: Rewrite, machine: Machine
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, RewriteAccount, list[list[Cell]]]:
    """Return the clips that have captions now, what was dropped, the clips set aside, the account, and examples.

    Clips with captions pass unchanged. For the role "retrieval" only the label (without one: the tags) is offered, and
    the wording is the benchmarks' own: all clips of a label share their queries, and no benchmark loses a clip for its
    length. Clips given the same words are asked about once.
    """
    purpose = "test" if role == "retrieval" else "train"
    prompt = REWRITE_TEST if purpose == "test" else REWRITE_TRAIN
    wanted = tuple(str(number) for number in range(1, section.captions_per_clip + 1))
    rows = list(clips.itertuples(index=False))
    filtered: dict[int, str] = {}
    given: dict[int, Given] = {}
    for place, row in enumerate(rows):
        if not row.captions:
            offered = _given(row, purpose, section)
            reason = _unfit(row, offered, purpose, section)
            if reason:
                filtered[place] = reason
            else:
                given[place] = offered
    questions = [_question(offered, prompt, wanted) for offered in given.values()]
    outcomes = dict(zip(given, ask_all(questions, section.model, section, machine, f"captions ({role})"), strict=True))
    account = RewriteAccount(f"rewrite_{role}", section.model, prompt.version)
    account.add_questions(outcomes.values())
    captions: list[list[str]] = []
    dropped: list[dict[str, Any]] = []
    aside: list[dict[str, str]] = []
    examples: list[list[Cell]] = []
    failed: Counter[str] = Counter()
    for place, row in enumerate(rows):
        written = list(row.captions)
        reason = filtered.get(place)
        if place in outcomes:
            offered, outcome = given[place], outcomes[place]
            written = _written(row, offered, outcome, wanted, account, dropped, (role, purpose))
            shown = [", ".join(offered.labels + offered.tags), offered.description]
            examples.append([role, *shown, " | ".join(written)])
            if not written:
                reason = _failed(outcome)
                failed[_name(reason)] += 1
        if not written:
            aside.append(dict(zip(SET_ASIDE, (role, row.dataset, row.clip_id, reason), strict=True)))
        captions.append(written)
    account.states = {
        "raw": len(rows),
        "kept": len(rows) - len(filtered) - len(given),
        "filtered": _counts(_name(reason) for reason in filtered.values()),
        "asked": _counts(str(outcome.askings) for outcome in outcomes.values()),
        "accepted": len(given) - failed.total(),
        "failed": dict(sorted(failed.items())),
    }
    result = clips.copy()
    result["captions"] = pd.Series(captions, index=clips.index, dtype=object)
    result = result[pd.Series([bool(written) for written in captions], index=clips.index, dtype=bool)]
    return result, DROPPED.frame(dropped), pd.DataFrame(aside, columns=SET_ASIDE), account, examples


def _given(row: Any, purpose: str, section: Rewrite) -> Given:
    tags = _plain(row.tags)
    labels = _plain([row.label]) if isinstance(row.label, str) else []
    if purpose == "test":
        return Given(labels or tags, [], None)
    description = row.description if isinstance(row.description, str) else None
    shown = cleaned(description) if section.use_descriptions else None
    if not labels:
        return Given(tags, [], shown)
    return Given(labels, [tag for tag in tags if tag not in labels], shown)


def _plain(labels: Any) -> list[str]:
    return [label.replace("_", " ").strip() for label in labels if label.strip(" _")]


def _unfit(row: Any, given: Given, purpose: str, section: Rewrite) -> str | None:
    """Return why a clip is not asked about, "<name>: what was seen", or None."""
    if purpose == "train" and row.duration_s < section.minimum_duration_s:
        return f"too_short: {row.duration_s:g} s; at least {section.minimum_duration_s:g} s"
    if given.texts():
        return None
    described = isinstance(row.description, str) and bool(row.description.strip())
    if described and purpose == "train" and section.use_descriptions:
        return "nothing_about_sound: no word of the description tells of a sound"
    return "nothing_given: neither captions nor a label, tags or an offered description"


def _failed(outcome: Outcome) -> str:
    reasons = {_name(fate.reason) for fate in outcome.dropped.values()}
    if reasons == {"not_a_sound"}:
        return "not_a_sound: by the model's answer, the words tell of no sound"
    return f"checks: every caption failed ({', '.join(sorted(reasons))})"


def _name(reason: str) -> str:
    return reason.partition(":")[0]


def _counts(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _written(
    row: Any,
    given: Given,
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
            written.append(outcome.accepted[name].text)
        else:
            original, task = ", ".join(given.texts()), f"rewrite_{role}"
            fate = outcome.dropped[name]
            dropped.append(dropped_row(row.dataset, row.clip_id, index, task, purpose, original, fate))
    return written


def _question(given: Given, prompt: Prompt, wanted: tuple[str, ...]) -> Question:
    texts = given.texts()

    def check(name: str, text: str, taken: Any) -> str | None:
        return checks.label_caption(texts, taken, text)

    return Question(prompt, given.request(), wanted, check)
