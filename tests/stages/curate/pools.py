"""Pools that tests choose from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clapline.params.curate import Curate
from stages.curate.found import Found
from stages.curate.pool import Pool


def pool_of(audio: np.ndarray, text: np.ndarray, texts: list[str]) -> Pool:
    return Pool(
        audio,
        text,
        pd.DataFrame({"dataset": "pool", "clip_id": [f"a{i:03d}" for i in range(1, len(audio) + 1)]}),
        pd.DataFrame(
            {
                "dataset": "paired",
                "clip_id": [f"c{i:03d}" for i in range(1, len(text) + 1)],
                "caption_index": 0,
                "text": texts,
            }
        ),
    )


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_pool(seed: int = 0, clips: int = 30, captions: int = 25, dim: int = 8) -> Pool:
    rows = unit(np.random.default_rng(seed).normal(size=(clips + captions, dim)))
    return pool_of(rows[:clips], rows[clips:], [f"t{i}" for i in range(captions)])


def all_paired(pool: Pool) -> set[tuple[str, str]]:
    return set(zip(pool.text_rows["dataset"], pool.text_rows["clip_id"], strict=True))


def settings_of(strategy: str, audio_text: float = 0.75, text_text: float = 0.7, **guards) -> Curate:
    return Curate(strategy=strategy, sigma_audio_text=audio_text, sigma_text_text=text_text, **guards)


def pairs_of(found: Found) -> set[tuple[int, int]]:
    return set(zip((found.clip + 1).tolist(), (found.caption + 1).tolist(), strict=True))


def cosines(pool: Pool) -> np.ndarray:
    """Return the cosines of all clips with all captions, float64 sums."""
    return pool.audio.astype(np.float64) @ pool.text.astype(np.float64).T
