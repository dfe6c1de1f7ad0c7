"""Caption pools of benchmarks/curation.py beside the teacher's own training captions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from clapline.text.prompts import clean_label, fill_prompt


def named_captions(labels: Iterable[str]) -> pd.DataFrame:
    """Return two sentences for each of the target's labels, as rows of captions."""
    return pd.DataFrame(
        [
            {"dataset": "named", "clip_id": label, "caption_index": index, "text": fill_prompt(prompt, label)}
            for label in map(clean_label, labels)
            for index, prompt in enumerate(("{label}", "this is a sound of {label}"))
        ]
    )


def audiocaps_captions(count: int = 5000) -> pd.DataFrame:
    """Return some of AudioCaps' training captions, evenly spaced, from the mirror."""
    table = pd.read_csv(Path(os.environ["CLAPLINE_MIRROR"]) / "audiocaps" / "train.csv").drop_duplicates("caption")
    table = table.iloc[np.linspace(0, len(table) - 1, count).round().astype(int)]
    keys = {"dataset": "audiocaps", "clip_id": table.audiocap_id.astype(str), "caption_index": 0}
    return pd.DataFrame(keys | {"text": table.caption}).reset_index(drop=True)
