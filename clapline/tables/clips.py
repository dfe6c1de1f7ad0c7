"""Clips: one row per prepared clip, in the index of a dataset and, with the same columns, in the role tables.

A consumer depends on the table alone: `sha256` stands for the audio in the shard and is checked when a clip is read.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from clapline.tables.base import TEXTS, Table

CLIPS = Table(
    "clips",
    pa.schema(
        [
            ("dataset", pa.string()),
            ("clip_id", pa.string()),  # unique in its dataset
            ("split", pa.string()),  # train, val, test, pool
            ("shard", pa.string()),  # path of the tar from the root of the repository; "" for a caption without audio
            ("offset", pa.int64()),  # where the clip's FLAC bytes begin in the tar
            ("nbytes", pa.int64()),
            ("sha256", pa.string()),  # of the FLAC bytes
            ("sample_rate_hz", pa.int32()),
            ("duration_s", pa.float64()),
            ("captions", TEXTS),
            ("caption_tree", TEXTS),  # most abstract first; empty where the dataset has none
            ("tags", TEXTS),  # the sounds in the clip
            ("label", pa.string()),  # the one class of a labelled clip
            ("fold", pa.int32()),
            ("description", pa.string()),  # an uploader's own words
            ("source_id", pa.string()),  # Freesound, YouTube, … id of the recording, for leakage
            ("licence", pa.string()),
        ]
    ),
    keys=("dataset", "clip_id"),
    nullable=frozenset({"label", "fold", "description", "source_id", "licence"}),
)

REJECTS = Table(
    "rejects",
    pa.schema([("dataset", pa.string()), ("path", pa.string()), ("reason", pa.string())]),
    keys=("dataset", "path"),
)


def credit(clip: Any) -> str:
    """Return a clip's source and licence, to stand beside a player: " [freesound:123, CC BY 3.0]"."""
    known = [value for value in (clip.source_id, clip.licence) if isinstance(value, str) and value]
    return f" [{', '.join(known)}]" if known else ""


def without_answers(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with captions, trees, tags, labels and descriptions removed: what unpaired audio may show."""
    hidden = clips.copy()
    for name in ("captions", "caption_tree", "tags"):
        # As objects even where there is no row: a column of no lists would else be one of floats.
        hidden[name] = pd.Series([[] for _ in range(len(hidden))], index=hidden.index, dtype=object)
    hidden["label"] = None
    hidden["description"] = None
    return hidden
