"""The panels of the two histograms: overlap with the original, and similarity in meaning, with the checks' bounds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.captions import checks
from stages.captions.audit.inputs import Inputs
from stages.captions.audit.pictures import Panel

_PURPOSES = ("train", "test")


def overlap_panels(rows: pd.DataFrame) -> list[list[Panel]]:
    """Return, for every level, the overlap of words and of their order, with the bounds of the checks."""
    bounds = {
        1: {
            "word_overlap": {f"at least {checks.SAME_WORDS_JACCARD:g}": checks.SAME_WORDS_JACCARD},
            "order_overlap": {f"at most {checks.ORDER_OVERLAP:g}": checks.ORDER_OVERLAP},
        },
        2: {"word_overlap": {f"at most {checks.OTHER_WORDS_JACCARD:g}": checks.OTHER_WORDS_JACCARD}},
    }
    names = {"word_overlap": "content words kept", "order_overlap": "order of words kept"}
    return [
        [
            Panel(f"level {level}: {title}", _by_purpose(group, name), bounds.get(int(level), {}).get(name, {}))
            for name, title in names.items()
        ]
        for level, group in rows.groupby("level", sort=True)
    ]


def similarity_panels(inputs: Inputs, rows: pd.DataFrame) -> list[list[Panel]]:
    """Return, for every measure, the similarity at each level and of the new captions, with the least accepted."""
    new = inputs.synthetic[inputs.synthetic["kind"] == "new"]
    panels = []
    for measure in sorted({*rows["similarity_measure"], *new["similarity_measure"]}):
        row = [
            Panel(
                f"level {level}, {measure}",
                _by_purpose(group, "similarity"),
                _least(inputs, "paraphrase", f"level_{level}"),
            )
            for level, group in rows[rows["similarity_measure"] == measure].groupby("level", sort=True)
        ]
        written = new.loc[new["similarity_measure"] == measure, "similarity"]
        if len(written):
            row.append(
                Panel(f"new captions, {measure}", {"train": written.to_numpy()}, _least(inputs, "synthesize", "new"))
            )
        panels.append(row)
    return panels


def _by_purpose(rows: pd.DataFrame, name: str) -> dict[str, np.ndarray]:
    found = {purpose: rows.loc[rows["purpose"] == purpose, name].to_numpy() for purpose in _PURPOSES}
    return {purpose: values for purpose, values in found.items() if len(values)}


def _least(inputs: Inputs, stage: str, ending: str) -> dict[str, float]:
    """Return the bounds of similarity that the accounts of a stage's tasks of that ending name."""
    bounds = {
        account["least_similarity"]
        for task, account in inputs.accounts[stage].items()
        if task.endswith(ending) and account.get("least_similarity") is not None
    }
    return {f"at least {bound:g}": bound for bound in sorted(bounds)}
