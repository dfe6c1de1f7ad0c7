"""Topic assignments: the topic of each modelled caption, and its place on the map."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import Table

ASSIGNMENTS = Table(
    "topic assignments",
    pa.schema(
        [
            ("dataset", pa.string()),
            ("clip_id", pa.string()),
            ("source", pa.string()),  # original, paraphrase 1, paraphrase 2, synthetic
            ("caption_index", pa.int32()),
            ("text", pa.string()),
            ("topic", pa.int32()),  # -1: none
            ("x", pa.float64()),  # on the map; empty where the embedding knows no word of the caption
            ("y", pa.float64()),
        ]
    ),
    keys=("dataset", "clip_id", "source", "caption_index"),
    nullable=frozenset({"x", "y"}),
)
