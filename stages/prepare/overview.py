"""The catalogue's chapter: what each role holds, what was set aside, what leaked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from clapline import chapter
from clapline.params.roles import EVALUATION_ROLES, TRAINING_ROLES
from clapline.storage import atomic_folder, write_json
from stages.prepare.roles import recordings

_SHOWN = 20


def write_overview(
    folder: Path, tables: Mapping[str, pd.DataFrame], leaks: pd.DataFrame, rejects: pd.DataFrame
) -> None:
    """Write summary.json, leaks.csv, rejects.csv and chapter.json into the report folder."""
    holdings = _holdings(tables)
    summary = {
        "roles": {f"{row['role']}.{row['dataset']}": _figures(row) for row in holdings},
        "leaks": _counted(leaks, ["role", "dataset"]),
        "rejects": _counted(rejects, ["dataset"]),
    }
    with atomic_folder(folder) as temporary:
        write_json(temporary / "summary.json", summary)
        leaks.to_csv(temporary / "leaks.csv", index=False, lineterminator="\n")
        rejects.to_csv(temporary / "rejects.csv", index=False, lineterminator="\n")
        chapter.write_chapter(temporary, chapter.Chapter("Clips and roles", _blocks(holdings, leaks, rejects)))


def _holdings(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return one row per role and dataset; paired train and val apart."""
    rows = []
    for role in (*TRAINING_ROLES, *EVALUATION_ROLES):
        clips = tables[role]
        part = (role + " " + clips["split"]) if role == "paired" else pd.Series(role, index=clips.index, dtype=object)
        for (name, dataset), group in clips.groupby([part, "dataset"], sort=True):
            rows.append(
                {
                    "role": name,
                    "dataset": dataset,
                    "clips": int((group["shard"] != "").sum()),
                    "recordings": int(recordings(group).nunique()),
                    "hours": round(float(group["duration_s"].sum()) / 3600, 3),
                    "captions": 0 if role == "unpaired" else int(group["captions"].map(len).sum()),
                    "labels": 0 if role == "unpaired" else int(group["label"].nunique()),
                }
            )
    return rows


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in {"role", "dataset"}}


def _counted(frame: pd.DataFrame, columns: list[str]) -> dict[str, int]:
    counts = frame.groupby(columns, sort=True).size()
    return {".".join(key) if isinstance(key, tuple) else str(key): int(count) for key, count in counts.items()}


def _blocks(holdings: list[dict[str, Any]], leaks: pd.DataFrame, rejects: pd.DataFrame) -> list[chapter.Block]:
    blocks = [
        chapter.table(
            "What each role holds, as published: captions written by the pipeline are not counted. The captions and "
            "labels of unpaired clips are hidden.",
            ["role", "dataset", "clips", "recordings", "hours", "captions", "labels"],
            [list(row.values()) for row in holdings],
        )
    ]
    if leaks.empty:
        blocks.append(chapter.text("No clip of a training role shares a recording with another side."))
    else:
        counts = leaks.groupby(["role", "dataset", "reason", "held_by"], sort=True).size()
        blocks.append(
            chapter.table(
                f"{len(leaks)} clips left the training roles, as their recordings stand on another side "
                "(listed in leaks.csv).",
                ["role", "dataset", "reason", "held by", "clips"],
                [[*key, int(count)] for key, count in counts.items()],
            )
        )
    if rejects.empty:
        blocks.append(chapter.text("No item of the datasets was set aside."))
    else:
        shown = rejects.head(_SHOWN)
        which = "The" if len(shown) == len(rejects) else f"The first {_SHOWN}"
        kinds = rejects["reason"].str.split(":").str[0]
        counts = rejects.groupby(["dataset", kinds], sort=True).size()
        blocks.append(
            chapter.table(
                f"{len(rejects)} items were set aside.",
                ["dataset", "reason", "items"],
                [[*key, int(count)] for key, count in counts.items()],
            )
        )
        blocks.append(
            chapter.table(
                f"{which} items set aside (all in rejects.csv).",
                ["dataset", "item", "reason"],
                shown[["dataset", "path", "reason"]].to_numpy().tolist(),
            )
        )
    return blocks
