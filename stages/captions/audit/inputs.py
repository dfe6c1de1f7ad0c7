"""What the audit reads: the tables of captions that the stages wrote, and their reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from clapline.errors import UserError
from clapline.storage import content_key, read_json
from clapline.tables.captions import DROPPED, PARAPHRASES, STRESS, SYNTHETIC
from clapline.tables.clips import CLIPS

STAGES = ("rewrite", "paraphrase", "synthesize", "stress", "mix")


@dataclass(frozen=True)
class Inputs:
    """The tables, and by stage the accounts of its tasks and the list of what it dropped."""

    paired: pd.DataFrame
    paraphrases: pd.DataFrame  # of both purposes
    synthetic: pd.DataFrame
    stress: pd.DataFrame
    mixed: pd.DataFrame
    accounts: dict[str, dict[str, dict[str, Any]]]
    dropped: dict[str, pd.DataFrame]

    def training_captions(self) -> pd.DataFrame:
        """Return the captioned clips that training learns from."""
        return self.paired[self.paired["split"] == "train"]


def read_inputs() -> Inputs:
    """Read everything below data/ and reports/. Raises UserError when a stage has not run."""
    paraphrases = [
        PARAPHRASES.read("data/captions/paraphrases_train.parquet"),
        PARAPHRASES.read("data/captions/paraphrases_test.parquet"),
    ]
    return Inputs(
        CLIPS.read("data/captioned/paired.parquet"),
        pd.concat(paraphrases, ignore_index=True),
        SYNTHETIC.read("data/captions/synthetic.parquet"),
        STRESS.read("data/captions/stress.parquet"),
        CLIPS.read("data/mixed/clips.parquet"),
        {stage: _accounts(Path("reports") / stage / "summary.json") for stage in STAGES},
        {stage: read_dropped(Path("reports") / stage / "dropped.csv") for stage in STAGES},
    )


def _accounts(path: Path) -> dict[str, dict[str, Any]]:
    try:
        value = read_json(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage {path.parent.name} first") from None
    # A stage may sum up more than its questions: what names a model is an account.
    return {task: account for task, account in value.items() if isinstance(account, dict) and "model" in account}


def read_dropped(path: Path) -> pd.DataFrame:
    """Read a stage's list of dropped captions as text, with the `check` that each failed last.

    Raises UserError when the stage has not run or the list lacks a column.
    """
    try:
        # A caption may read "NA" or "null": only numbers are anything but text.
        listed = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage {path.parent.name} first") from None
    missing = [name for name in DROPPED.schema.names if name not in listed.columns]
    if missing:
        raise UserError(f"{path}: missing columns {missing}")
    return listed.assign(check=[reason.partition(":")[0] for reason in listed["reason"]])


def drawn(rows: pd.DataFrame, count: int, keys: tuple[str, ...]) -> pd.DataFrame:
    """Return at most `count` rows, drawn by a hash of their keys: the same ones whenever the rows are the same."""
    if len(rows) <= count:
        return rows
    hashes = [content_key(*key) for key in rows[list(keys)].astype(str).itertuples(index=False, name=None)]
    chosen = sorted(range(len(rows)), key=hashes.__getitem__)[:count]
    return rows.iloc[sorted(chosen)]
