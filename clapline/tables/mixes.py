"""Mixtures: how each new training clip was made of two others, and who worded its caption."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import Table

_SIDE = [
    ("dataset", pa.string()),
    ("clip_id", pa.string()),
    ("caption", pa.string()),  # the one of its captions that the mixture's caption was made of
    ("edit", pa.string()),  # volume, pitch, speed; empty: as it was
    ("amount", pa.float64()),  # dB, semitones, or a factor of speed
    ("cut_s", pa.float64()),  # seconds of it that found no room
]

MIXES = Table(
    "mixes",
    pa.schema(
        [
            ("clip_id", pa.string()),  # of the mixture, in data/mixed/clips.parquet
            ("relation", pa.string()),  # concatenate (first, then second) or mix (both at once)
            *((f"{side}_{name}", kind) for side in ("first", "second") for name, kind in _SIDE),
            ("start_share", pa.float64()),  # heard at once: 0, the shorter begins with the longer; 1, both end together
            ("level_db", pa.float64()),  # RMS of the first above that of the second, as joined
            ("text", pa.string()),
            ("model", pa.string()),
            ("prompt_version", pa.string()),
            ("attempts", pa.int32()),  # askings until the caption was accepted
        ]
    ),
    keys=("clip_id",),
    nullable=frozenset({"first_edit", "first_amount", "second_edit", "second_amount"}),
)
