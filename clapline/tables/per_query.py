"""Per-query results of evaluation: one row per model, dataset, part and query."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import TEXTS, Table

#: Values per query whose mean over the queries that have one is the measure of that name.
MEASURES = (
    "r1", "r5", "r10", "any1", "any5", "any10", "map10", "map16", "mrr10", "accuracy", "precision", "recall",
    "ordered_recall", "tau", "uncertainty_tau",
)  # fmt: skip

PER_QUERY = Table(
    "per_query",
    pa.schema(
        [
            ("model", pa.string()),  # student, teacher, or an ensemble's name
            ("dataset", pa.string()),
            ("part", pa.string()),  # t2a, a2t, t2a_level1, zero_shot, twin_order, traversal, …
            ("query", pa.string()),  # the caption, or the clip_id of an audio query
            ("words", pa.string()),  # the words asked with: the caption, its paraphrase, or "" for audio
            ("clips", TEXTS),  # clip_ids that the query is about: intervals draw clips
            ("relevant", pa.int32()),  # relevant items in the gallery; 0 where nothing is ranked
            ("best_rank", pa.int64()),  # 1-based, ties pessimistic; null where nothing is ranked
            *((measure, pa.float64()) for measure in MEASURES),  # null where a part has no such measure
        ]
    ),
    keys=("model", "dataset", "part", "query"),
    nullable=frozenset({"best_rank", *MEASURES}),
)
