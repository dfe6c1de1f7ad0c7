"""What is embedded, as Arrow tables of millions of rows: clips, captions, and each text of the captions once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clapline.tables.base import Table
from clapline.tables.clips import CLIPS
from clapline.tables.columns import read_columns
from clapline.tables.embeddings import TEXT_ROWS

# What reading a clip takes, and what a model may hear beside it.
_CLIP_COLUMNS = ("dataset", "clip_id", "shard", "offset", "nbytes", "sha256", "sample_rate_hz", "tags")


def clip_rows(path: Path | str) -> pa.Table:
    """Return the clips of a role, in the order of their keys."""
    return _sorted(read_columns(CLIPS, path, _CLIP_COLUMNS), CLIPS)


def caption_rows(path: Path | str) -> pa.Table:
    """Return a row of TEXT_ROWS for each caption of a role, in the order of the table's keys."""
    pool = _sorted(read_columns(CLIPS, path, ("dataset", "clip_id", "captions")), CLIPS)
    counts = pc.list_value_length(pool["captions"]).to_numpy()
    clip = np.repeat(np.arange(len(pool)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    columns = {
        "dataset": pool["dataset"].take(pa.array(clip)),
        "clip_id": pool["clip_id"].take(pa.array(clip)),
        "caption_index": pa.array((np.arange(len(clip)) - first).astype(np.int32)),
        "text": pc.list_flatten(pool["captions"]),
    }
    return pa.table(columns, schema=TEXT_ROWS.schema)


def distinct_texts(captions: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Return a table of each `text` once, the short ones first, and the place of each caption's text among them.

    Texts of like length are encoded together, as `Clap.encode_texts` does, since a batch is as wide as its longest.
    """
    texts = captions["text"].cast(pa.large_string())  # together they may be more than 2 GiB
    distinct = pc.unique(texts)
    table = pa.table({"text": distinct, "length": pc.utf8_length(distinct)})
    table = table.sort_by([("length", "ascending"), ("text", "ascending")]).select(["text"]).combine_chunks()
    return table, pc.index_in(texts, value_set=table["text"].combine_chunks()).to_numpy()


def _sorted(rows: pa.Table, table: Table) -> pa.Table:
    """Return rows by their keys: as they are where a stage wrote them, which sorts."""
    order = pc.sort_indices(rows, [(name, "ascending") for name in table.keys])
    return rows if np.array_equal(order, np.arange(len(rows))) else rows.take(order)
