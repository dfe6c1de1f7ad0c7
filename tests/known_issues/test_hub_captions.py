"""Trap 12: every pair above the threshold is kept, so one caption near everything floods the curated set."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clapline.params.curate import Curate
from stages.curate.choose import choose, pair_table
from stages.curate.pool import Pool
from stages.curate.precision import Truth
from stages.curate.summary import Watch, held_against, hubs, summarise


def flooded() -> Pool:
    """Forty clips in a cone; caption 0 is its axis and near all of them, twenty others are near two clips each."""
    rng = np.random.default_rng(0)
    clips = np.concatenate([np.full((40, 1), 1.5), rng.normal(size=(40, 30)) / 5], axis=1)
    captions = np.concatenate([np.eye(1, 31), clips[:20] + rng.normal(size=(20, 31)) / 4])
    unit = [(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32) for rows in (clips, captions)]
    return Pool(
        *unit,
        pd.DataFrame({"dataset": "pool", "clip_id": [f"{i:03d}" for i in range(40)]}),
        pd.DataFrame(
            {
                "dataset": "text",
                "clip_id": [f"{i:03d}" for i in range(21)],
                "caption_index": 0,
                "text": ["the hub", *(f"caption {i}" for i in range(1, 21))],
            }
        ),
    )


def curated(**guards) -> tuple[pd.DataFrame, dict]:
    pool = flooded()
    settings = Curate(strategy="du", sigma_audio_text=0.75, **guards)
    truth = Truth([[]] * 40, [[]] * 21)
    watch = Watch(truth, pool, settings)
    chosen = choose(pool, settings, None, set(), watch=watch)
    pairs = pair_table(pool, chosen, "du")
    return pairs, summarise(pool, chosen, pairs, settings, held_against(truth, chosen, watch, {}), None)


def test_the_published_form_is_flooded_and_says_so():
    pairs, summary = curated()
    assert hubs(pairs).loc[0, "text"] == "the hub"
    assert hubs(pairs).loc[0, "clips"] >= 30
    assert summary["hub_share"] > 0.5


def test_a_cap_per_caption_holds_the_hub_down():
    pairs, summary = curated(maximum_clips_per_caption=3)
    assert hubs(pairs)["clips"].max() == 3
    best = pairs[pairs.text == "the hub"].similarity.min()
    everything, before = curated()
    assert (np.sort(everything[everything.text == "the hub"].similarity)[::-1][:3] >= best).all()
    assert summary["pairs"] < summary["pairs_before_guards"] == before["pairs"]
