"""What the replies cost: tokens as the servers counted them, at the prices that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clapline.params.captions import Price

#: Models that run in this process or are no model at all: their tokens cost nothing, unless a price is named.
FREE = frozenset({"builtin", "rule"})
#: OpenAI bills its batch API at half the price of the same tokens asked one by one (documented as of November 2026).
BATCH_SHARE = 0.5
_MILLION = 1_000_000


def cost_usd(account: Mapping[str, Any], prices: Mapping[str, Price]) -> float | None:
    """Return what the replies of one account cost in US dollars; None where that cannot be known.

    It cannot be known when the model has no price, or when the server counted no tokens though it was asked.
    """
    model = account["model"]
    askings, prompt, completion = (account.get(name, 0) for name in ("askings", "prompt_tokens", "completion_tokens"))
    if not askings or (model in FREE and model not in prices):
        return 0.0
    if model not in prices or not prompt + completion:
        return None
    price = prices[model]
    saved = 1 - BATCH_SHARE
    dear_prompt = prompt - saved * account.get("batched_prompt_tokens", 0)
    dear_completion = completion - saved * account.get("batched_completion_tokens", 0)
    return round((dear_prompt * price.input + dear_completion * price.output) / _MILLION, 6)


def total_cost_usd(costs: list[float | None]) -> float | None:
    """Return the sum, or None when a part of it is not known."""
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), 6) if len(known) == len(costs) else None
