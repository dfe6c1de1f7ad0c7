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
    ("similarity", pa.float64()),  # to the source, by the measure named in similarity_measure; empty: not measured
    ("similarity_measure", pa.string()),
]

PARAPHRASES = Table(
    "paraphrases",
    # caption_index is the paraphrased caption's place in the clip's list; `original` is that caption.
    pa.schema([*_WRITTEN, ("level", pa.int32()), ("purpose", pa.string()), ("original", pa.string())]),
    keys=("dataset", "clip_id", "caption_index", "level", "purpose"),
)

SYNTHETIC = Table(
    "synthetic",
    # kind: new, back_translation, word_edit, translation. caption_index counts within a clip over all kinds.
    pa.schema([*_WRITTEN, ("kind", pa.string()), ("language", pa.string())]),
    keys=("dataset", "clip_id", "caption_index"),
    nullable=frozenset({"similarity"}),
)

STRESS = Table(
    "stress",
    # kind: jargon, slang, keywords, typos, translation. caption_index is the query's place in the clip's list;
    # `original` is that query. language: ISO 639 code.
    pa.schema([*_WRITTEN, ("kind", pa.string()), ("language", pa.string()), ("original", pa.string())]),
    keys=("dataset", "clip_id", "caption_index", "kind", "language"),
    nullable=frozenset({"similarity"}),
)

DROPPED = Table(
    "dropped",
    pa.schema(
        [
            ("dataset", pa.string()),
            ("clip_id", pa.string()),
            ("caption_index", pa.int32()),
            ("task", pa.string()),  # rewrite_<role>, paraphrase_level_<n>, synthesize_<kind>, stress_<kind>, mix
            ("purpose", pa.string()),  # train or test
            ("original", pa.string()),
            ("reason", pa.string()),  # name of the check that failed last, and what it saw
            ("attempts", pa.int32()),
        ]
    ),
    keys=("dataset", "clip_id", "caption_index", "task", "purpose"),
)
