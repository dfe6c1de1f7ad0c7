"""What became of the wanted captions: accepted at once, when asked again, or dropped, and by which check."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from stages.captions.audit.inputs import Inputs

#: Dropped captions that no list names a check for.
UNLISTED = "unlisted"


@dataclass(frozen=True)
class Fate:
    """One task of one stage; all counts are of wanted captions."""

    stage: str
    task: str
    captions: int
    at_once: int
    later: int
    dropped: Counter[str] = field(default_factory=Counter)  # by the check that failed last

    @property
    def title(self) -> str:
        """Stage and task in words, the stage's name once: "paraphrase: train level 1"."""
        task = self.task.removeprefix(self.stage).strip("_").replace("_", " ")
        return f"{self.stage}: {task}" if task else self.stage

    @property
    def accepted_share(self) -> float | None:
        """Share in [0, 1] of the wanted captions that were accepted; None where none was wanted."""
        return (self.at_once + self.later) / self.captions if self.captions else None

    @property
    def at_once_share(self) -> float | None:
        """Share in [0, 1] accepted at the first asking; None where none was wanted."""
        return self.at_once / self.captions if self.captions else None


def fates(inputs: Inputs) -> list[Fate]:
    """Return the fate of every task, in the order of the stages and their accounts."""
    return [
        _fate(stage, task, account, listed)
        for stage, accounts in inputs.accounts.items()
        for listed in [_by_task(inputs, stage)]
        for task, account in accounts.items()
    ]


def _fate(stage: str, task: str, account: dict, listed: dict[str, Counter[str]]) -> Fate:
    captions, accepted, at_once = (account.get(name, 0) for name in ("captions", "accepted", "first_time"))
    dropped = Counter(listed.get(task, Counter()))
    unlisted = captions - accepted - dropped.total()
    if unlisted > 0:
        dropped[UNLISTED] += unlisted
    return Fate(stage, task, captions, at_once, accepted - at_once, dropped)


def _by_task(inputs: Inputs, stage: str) -> dict[str, Counter[str]]:
    """Count a stage's dropped captions by task and check, under the names of its accounts."""
    known = inputs.accounts[stage]
    counts: dict[str, Counter[str]] = {}
    listed = inputs.dropped[stage]
    for task, purpose, check in zip(listed["task"], listed["purpose"], listed["check"], strict=True):
        # Accounts of a stage that serves both purposes are named by purpose: train_level_1 for paraphrase_level_1.
        short = task.removeprefix(f"{stage}_")
        named = next((name for name in (task, f"{purpose}_{short}", short) if name in known), task)
        counts.setdefault(named, Counter())[check] += 1
    return counts


@dataclass(frozen=True)
class Reject:
    """A reason for which captions of one task were dropped, with one of them."""

    stage: str
    task: str
    purpose: str
    check: str
    count: int
    original: str
    reason: str


def commonest_rejects(inputs: Inputs, count: int) -> list[Reject]:
    """Return the most frequent (stage, task, purpose, check) among the dropped captions, commonest first."""
    found = []
    for stage, listed in inputs.dropped.items():
        for (task, purpose, check), rows in listed.groupby(["task", "purpose", "check"], sort=True):
            # Of the captions dropped for one reason, the alphabetically first is shown: any would do, but always one.
            shown = rows.sort_values(["original", "reason"], kind="stable").iloc[0]
            found.append(Reject(stage, task, purpose, check, len(rows), shown["original"], shown["reason"]))
    return sorted(found, key=lambda reject: -reject.count)[:count]
