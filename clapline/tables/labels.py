"""Labels: the class names of a dataset, as words. DS and ADS aim at them; no audio stands behind this table."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import Table

LABELS = Table(
    "labels",
    pa.schema([("dataset", pa.string()), ("label", pa.string())]),
    keys=("dataset", "label"),
)
