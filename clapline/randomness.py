"""Every random draw of the pipeline comes from (seed, stage, item), so that no draw depends on another's order."""

from __future__ import annotations

import hashlib

import numpy as np


def derived_seed(seed: int, stage: str, *item: str | int) -> int:
    """Return a 63-bit seed that depends on the run's seed, the stage and the item alone (never on salted `hash`)."""
    text = "\x1f".join([str(seed), stage, *map(str, item)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, stage: str, *item: str | int) -> np.random.Generator:
    """Return a numpy generator for one item of one stage."""
    return np.random.default_rng(derived_seed(seed, stage, *item))
