"""Ids of the teacher's embeddings: row i of a shard's table is row i of its matrix (`clapline.embeddings`)."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import Table

AUDIO_ROWS = Table(
    "audio_rows",
    pa.schema([("dataset", pa.string()), ("clip_id", pa.string())]),
    keys=("dataset", "clip_id"),
)

TEXT_ROWS = Table(
    "text_rows",
    pa.schema(
        [("dataset", pa.string()), ("clip_id", pa.string()), ("caption_index", pa.int32()), ("text", pa.string())]
    ),
    keys=("dataset", "clip_id", "caption_index"),
)
