"""Captions that a language model wrote: paraphrases and new captions, each traceable to model, prompt and source."""

from __future__ import annotations

import pyarrow as pa

from clapline.tables.base import Table

_WRITTEN = [
    ("dataset", pa.string()),
    ("clip_id", pa.string()),
    ("caption_index", pa.int32()),
    ("text", pa.string()),
    ("model", pa.string()),
    ("prompt_version", pa.string()),
    ("attempts", pa.int32()),  # askings until it was accepted
    ("similarity", pa.float64()),  # to the source, by the measure named in similarity_measure
    ("similarity_measure", pa.string()),
]

PARAPHRASES = Table(
    "paraphrases",
    # caption_index is the paraphrased caption's place in the clip's list; `original` is that caption.
    pa.schema([*_WRITTEN, ("level", pa.int32()), ("purpose", pa.string()), ("original", pa.string())]),
    keys=("dataset", "clip_id", "caption_index", "level", "purpose"),
)

SYNTHETIC = Table("synthetic", pa.schema(_WRITTEN), keys=("dataset", "clip_id", "caption_index"))

DROPPED = Table(
    "dropped",
    pa.schema(
        [
            ("dataset", pa.string()),
            ("clip_id", pa.string()),
            ("caption_index", pa.int32()),
            ("task", pa.string()),  # rewrite, paraphrase_level_1, …, synthesize
            ("purpose", pa.string()),  # train or test
            ("original", pa.string()),
            ("reason", pa.string()),  # name of the check that failed last, and what it saw
            ("attempts", pa.int32()),
        ]
    ),
    keys=("dataset", "clip_id", "caption_index", "task", "purpose"),
)
