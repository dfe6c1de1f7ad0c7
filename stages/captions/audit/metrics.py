"""reports/captions.json: what DVC compares between runs, small and flat: stage → task → number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from clapline.params.captions import Price
from stages.captions.audit.costs import cost_usd, total_cost_usd
from stages.captions.audit.fates import Fate
from stages.captions.audit.inputs import Inputs
from stages.captions.audit.memory import ANY_TEXT, PARAPHRASES, Remembered

TOKENS = ("prompt_tokens", "completion_tokens", "batched_prompt_tokens", "batched_completion_tokens")


def caption_metrics(
    inputs: Inputs, fates: Sequence[Fate], found: Sequence[Remembered], prices: Mapping[str, Price]
) -> dict[str, Any]:
    """Return the metrics; what is not known (a price) or cannot be measured (a share of nothing) is null."""
    values: dict[str, Any] = {}
    costs: list[float | None] = []
    for fate in fates:
        account = inputs.accounts[fate.stage][fate.task]
        costs.append(cost_usd(account, prices))
        questions = account.get("questions", 0)
        values.setdefault(fate.stage, {})[fate.task] = {
            "captions": fate.captions,
            "accepted_share": _rounded(fate.accepted_share),
            "askings_per_question": _rounded(account.get("askings", 0) / questions if questions else None),
            "prompt_tokens": account.get("prompt_tokens", 0),
            "completion_tokens": account.get("completion_tokens", 0),
            "cost_usd": costs[-1],
        }
    totals = {
        name: sum(account.get(name, 0) for accounts in inputs.accounts.values() for account in accounts.values())
        for name in TOKENS[:2]
    }
    similarity = {
        "paraphrase": _means(inputs.paraphrases, ["purpose", "level"], "{}_level_{}"),
        "synthesize": _means(inputs.synthetic, ["kind", "language"], "{}_{}"),
        "stress": _means(inputs.stress, ["kind", "language"], "{}_{}"),
    }
    return {
        **values,
        "total": {**totals, "cost_usd": total_cost_usd(costs)},
        "similarity": {stage: means for stage, means in similarity.items() if means},
        "seen": _seen(found),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _means(rows: pd.DataFrame, by: list[str], name: str) -> dict[str, float]:
    # Translations are not measured: they have no mean.
    means = rows.dropna(subset=["similarity"]).groupby(by, sort=True)["similarity"].mean()
    return {name.format(*key): round(float(mean), 6) for key, mean in means.items()}


def _seen(found: Sequence[Remembered]) -> dict[str, dict[str, float | None]]:
    """Return the shares of the test paraphrases' own words and frames that training has seen, by level."""
    values: dict[str, dict[str, float | None]] = {}
    for item in found:
        against = {ANY_TEXT: "training", PARAPHRASES: "paraphrases"}.get(item.training, "rewording")
        level = values.setdefault(f"level_{item.level}", {})
        level[f"words_in_{against}"] = _rounded(item.seen.word_share)
        level[f"word_types_in_{against}"] = _rounded(item.seen.word_type_share)
        level[f"frames_in_{against}"] = _rounded(item.seen.frame_share)
        level[f"frame_types_in_{against}"] = _rounded(item.seen.frame_type_share)
    return values
