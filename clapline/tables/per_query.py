"""Per-query results of evaluation: one row per model, dataset, part and query."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import Table

PER_QUERY = Table(
    "per_query",
    pa.schema(
        [
            ("model", pa.string()),  # student, teacher
            ("dataset", pa.string()),
            ("part", pa.string()),  # t2a, a2t, t2a_level1, …: query kind to gallery kind
            ("query", pa.string()),  # the caption, or the clip_id of an audio query
            ("words", pa.string()),  # the words asked with: the caption, its paraphrase, or "" for audio
            ("relevant", pa.int32()),  # relevant items in the gallery
            ("best_rank", pa.int64()),  # 1-based, ties pessimistic
            ("r10", pa.float64()),
            ("ap10", pa.float64()),
        ]
    ),
    keys=("model", "dataset", "part", "query"),
)
