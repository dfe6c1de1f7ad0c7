"""Pairs: what curation chose; an audio key, a caption key, and how near they are."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import Table

PAIRS = Table(
    "pairs",
    pa.schema(
        [
            ("dataset", pa.string()),  # of the clip
            ("clip_id", pa.string()),
            ("text_dataset", pa.string()),  # of the caption
            ("text_clip_id", pa.string()),
            ("caption_index", pa.int32()),
            ("text", pa.string()),
            ("similarity", pa.float64()),
            ("strategy", pa.string()),  # du, ds, ads
        ]
    ),
    keys=("dataset", "clip_id", "text_dataset", "text_clip_id", "caption_index", "strategy"),
)
