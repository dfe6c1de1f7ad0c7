"""No recording on both sides: clips of evaluation recordings leave every training role, and pools keep apart.

Recordings are told by their source id (Freesound, YouTube, …), across datasets, by the clip itself, and by equal audio.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from clapline.errors import UserError
from clapline.params.roles import EVALUATION_ROLES, TRAINING_ROLES
from stages.prepare.roles import recordings

EVALUATED = "its recording is evaluated"
VALIDATED = "its recording is in paired val"
PAIRED = "its recording is in paired"
HIDDEN = "its recording is in unpaired"
COLUMNS = ["role", "dataset", "clip_id", "source_id", "reason", "held_by"]


def without_leaks(tables: Mapping[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the role tables with leaks taken out of the training roles, and the clips taken out (COLUMNS).

    First whatever an evaluation role holds leaves all training roles; then paired val's recordings leave paired train,
    and text, so that the choice of the best epoch is honest; then paired recordings leave the unpaired pool, and the
    pool's leave text, so that hidden answers are hidden. Raises UserError when a role that had clips has none left.
    """
    kept = dict(tables)
    found: list[pd.DataFrame] = []
    evaluated = _holders({role: tables[role] for role in EVALUATION_ROLES})
    for role in TRAINING_ROLES:
        kept[role] = _split(kept[role], role, evaluated, EVALUATED, found)

    paired = kept["paired"]
    train, val = paired[paired["split"] == "train"], paired[paired["split"] == "val"]
    validated = _holders({"paired val": val})
    train = _split(train, "paired", validated, VALIDATED, found)
    kept["text"] = _split(kept["text"], "text", validated, VALIDATED, found)
    kept["paired"] = pd.concat([train, val]).sort_index()
    kept["unpaired"] = _split(kept["unpaired"], "unpaired", _holders({"paired": kept["paired"]}), PAIRED, found)
    kept["text"] = _split(kept["text"], "text", _holders({"unpaired": kept["unpaired"]}), HIDDEN, found)

    leaks = pd.concat(found, ignore_index=True).sort_values(["role", "dataset", "clip_id"], ignore_index=True)
    for role in TRAINING_ROLES:
        if kept[role].empty:
            raise UserError(f"roles.{role} has no clip left: all {len(tables[role])} have recordings on another side")
    if train.empty:
        raise UserError("roles.paired has no clip for training left: all have recordings on another side")
    return kept, leaks


def _holders(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Return, by recording, the role and dataset that holds it (the first that does)."""
    holders: dict[str, str] = {}
    for role, clips in tables.items():
        for keys in _keys(clips):
            for key, dataset in zip(keys, clips["dataset"], strict=True):
                if pd.notna(key):
                    holders.setdefault(key, f"{role}: {dataset}")
    return holders


def _split(
    clips: pd.DataFrame, role: str, holders: Mapping[str, str], reason: str, found: list[pd.DataFrame]
) -> pd.DataFrame:
    """Return the clips of no held recording; note the others in `found`."""
    by_recording, by_clip, by_audio = (keys.map(holders) for keys in _keys(clips))
    holder = by_recording.fillna(by_clip).fillna(by_audio)
    leaking = holder.notna().to_numpy(dtype=bool)
    noted = clips[leaking].assign(role=role, reason=reason, held_by=holder[leaking])
    found.append(noted[COLUMNS])
    return clips[~leaking]


def _keys(clips: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    own = "clip:" + clips["dataset"] + "/" + clips["clip_id"]
    audio = ("audio:" + clips["sha256"]).where(clips["nbytes"] > 0)
    return recordings(clips), own.astype(object), audio.astype(object)
