"""Truth: what is really heard in each unpaired clip and each caption's clip. Curation is judged by it, never taught."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import TEXTS, Table

TRUTH = Table(
    "truth",
    pa.schema([("dataset", pa.string()), ("clip_id", pa.string()), ("tags", TEXTS)]),
    keys=("dataset", "clip_id"),
)
