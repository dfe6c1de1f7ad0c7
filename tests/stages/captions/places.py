"""Tables and params files that the caption tests lay out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from clapline.tables.clips import CLIPS


def clip(clip_id: str, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "dataset": "toy",
        "clip_id": clip_id,
        "split": "train",
        "shard": "data/clips/toy/0.tar",
        "offset": 0,
        "nbytes": 1,
        "sha256": "0" * 64,
        "sample_rate_hz": 16000,
        "duration_s": 1.0,
        "captions": [],
        "caption_tree": [],
        "tags": [],
        "label": None,
        "fold": None,
        "description": None,
        "source_id": None,
        "licence": None,
    }
    return {**row, **values}


def write_params(folder: Path, **sections: dict[str, Any]) -> None:
    # The lexical measure: loading a sentence encoder takes longer than most tests.
    measured = {"similarity": {"model": "lexical"}}
    values: dict[str, Any] = {
        "rewrite": {},
        "paraphrase": measured,
        "synthesize": measured,
        "machine": {"progress": False},
    }
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=CLIPS.schema.names)
    table["fold"] = table["fold"].astype("Int32")
    return table


def save(path: Path, rows: list[dict[str, Any]]) -> None:
    CLIPS.write(path, frame(rows))
