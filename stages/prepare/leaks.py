"""No recording on both sides: clips of evaluation recordings leave every training role, and pools keep apart.

Recordings are told by their source id (Freesound, YouTube, …), across datasets, by the clip itself, by equal audio, and
by fingerprints that match. Lists of recordings that must not be trained on count whatever is evaluated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from clapline.errors import UserError
from clapline.params.roles import EVALUATION_ROLES, TRAINING_ROLES
from stages.prepare.fingerprint_matches import no_matches
from stages.prepare.same_recording import recording_numbers
from stages.prepare.sides import Sides, both_ways, own_keys

EVALUATED = "its recording is evaluated"
EXCLUDED = "on the exclusion list"
VALIDATED = "its recording is in paired val"
PAIRED = "its recording is in paired"
HIDDEN = "its recording is in unpaired"


def without_leaks(
    tables: Mapping[str, pd.DataFrame],
    matches: pd.DataFrame | None = None,
    exclusions: Mapping[str, Collection[str]] | None = None,
    index: Mapping[str, pd.DataFrame] | None = None,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the role tables with leaks taken out of the training roles, and the clips taken out (`sides.COLUMNS`).

    `matches` are pairs of clips that share a recording by their fingerprints, `exclusions` source ids by list, `index`
    the clip tables of all datasets: clips that play no part hand sharing on. First whatever an evaluation role holds
    leaves all training roles, then what stands on a list; then paired val's recordings leave paired train, and text, so
    that the choice of the best epoch is honest; then paired recordings leave the unpaired pool, and the pool's leave
    text, so that hidden answers are hidden. Raises UserError when a role that had clips has none left.
    """
    matches = no_matches() if matches is None else matches
    everything = _everything([*(index or {}).values(), *tables.values()])
    numbers = pd.Series(recording_numbers(everything, matches), index=own_keys(everything))
    side = Sides(numbers, both_ways(matches))
    kept = dict(tables)
    evaluated = side.holders({role: tables[role] for role in EVALUATION_ROLES})
    for role in TRAINING_ROLES:
        kept[role] = side.split(kept[role], role, evaluated, EVALUATED)
    kept["text"] = side.split_words(kept["text"], {role: tables[role] for role in EVALUATION_ROLES}, EVALUATED)
    for name, source_ids in (exclusions or {}).items():
        listed = {f"source:{source_id}": name for source_id in source_ids}
        of_them = everything["source_id"].isin(set(source_ids)).to_numpy()
        listed |= {f"recording:{number}": name for number in set(numbers.to_numpy()[of_them])}
        for role in TRAINING_ROLES:
            kept[role] = side.split(kept[role], role, listed, f"{EXCLUDED} {name}")

    paired = kept["paired"]
    train, val = paired[paired["split"] == "train"], paired[paired["split"] == "val"]
    validated = side.holders({"paired val": val})
    train = side.split(train, "paired", validated, VALIDATED)
    kept["text"] = side.split(kept["text"], "text", validated, VALIDATED)
    kept["paired"] = pd.concat([train, val]).sort_index()
    kept["unpaired"] = side.split(kept["unpaired"], "unpaired", side.holders({"paired": kept["paired"]}), PAIRED)
    kept["text"] = side.split(kept["text"], "text", side.holders({"unpaired": kept["unpaired"]}), HIDDEN)

    leaks = pd.concat(side.found, ignore_index=True).sort_values(["role", "dataset", "clip_id"], ignore_index=True)
    for role in TRAINING_ROLES:
        if kept[role].empty and len(tables[role]):
            raise UserError(f"roles.{role} has no clip left: all {len(tables[role])} have recordings on another side")
    if train.empty:
        raise UserError("roles.paired has no clip for training left: all have recordings on another side")
    return kept, leaks


def _everything(tables: Collection[pd.DataFrame]) -> pd.DataFrame:
    """Return each clip of the tables once, with what tells its recording."""
    columns = ["dataset", "clip_id", "source_id", "sha256", "nbytes"]
    together = pd.concat([table[columns] for table in tables], ignore_index=True)
    return together.drop_duplicates(["dataset", "clip_id"], ignore_index=True)
