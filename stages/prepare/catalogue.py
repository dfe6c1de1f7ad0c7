"""`python -m stages.prepare.catalogue`: one table per role, without leaks, from the datasets' clip tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from clapline.errors import UserError, door
from clapline.params.base import read_section, read_seed
from clapline.params.leakage import Leakage
from clapline.params.machine import Machine
from clapline.params.roles import EVALUATION_ROLES, ROLES, TRAINING_ROLES, Roles
from clapline.tables.clips import CLIPS, REJECTS, without_answers
from clapline.tables.exclusions import EXCLUSIONS
from clapline.tables.judgements import JUDGEMENTS
from clapline.tables.labels import LABELS
from clapline.tables.truth import TRUTH
from stages.prepare.fingerprint_matches import matching_clips
from stages.prepare.leaks import without_leaks
from stages.prepare.overview import Found, write_overview
from stages.prepare.roles import NO_TREE, label_rows, selected, truth_rows, with_paired_share, without_treeless

INDEX = Path("data/index")
FINGERPRINTS = Path("data/fingerprints")
TABLES = Path("data/roles")
REPORT = Path("reports/catalogue")


@door
def main() -> None:
    """Select the clips of each role, take out what leaks, write the tables and the report's chapter."""
    roles, leakage, seed = read_section("roles", Roles), read_section("leakage", Leakage), read_seed()
    entries = [entry for role in ROLES for entry in getattr(roles, role)]
    datasets = sorted({entry.dataset for entry in entries})
    named = sorted({*datasets, *leakage.exclusions, *roles.judgements})
    index = {name: CLIPS.read(INDEX / name / "clips.parquet") for name in datasets}
    lists = {name: EXCLUSIONS.read(INDEX / name / "exclusions.parquet") for name in leakage.exclusions}
    judged = [JUDGEMENTS.read(INDEX / name / "judgements.parquet") for name in roles.judgements]
    rejects = pd.concat([REJECTS.read(INDEX / name / "rejects.parquet") for name in named], ignore_index=True)
    for name, listed in lists.items():
        if listed.empty:
            raise UserError(
                f"leakage.exclusions: {name} lists no recording; a dataset of kind exclusions or exclusions_file does"
            )
    for name, listed in zip(roles.judgements, judged, strict=True):
        if listed.empty:
            raise UserError(f"roles.judgements: {name} has no judgements; a dataset of kind dcase2025_relevance does")
    chosen = {role: selected(role, getattr(roles, role), index, seed) for role in ROLES}
    chosen["hierarchy"], treeless = without_treeless(chosen["hierarchy"])
    if treeless:
        rejects = pd.concat([rejects, REJECTS.frame(treeless)], ignore_index=True)
    matches = None
    if leakage.fingerprints:
        progress = read_section("machine", Machine).progress
        matches = matching_clips(index, chosen, FINGERPRINTS, leakage.minimum_score, progress=progress)
    excluded = {name: set(listed["source_id"]) for name, listed in lists.items()}
    tables, leaks = without_leaks(chosen, matches, excluded, index)
    tables = with_paired_share(tables, roles.paired_share, seed)

    for role in (*TRAINING_ROLES, *EVALUATION_ROLES):
        shown = without_answers(tables[role]) if role == "unpaired" else tables[role]
        CLIPS.write(TABLES / f"{role}.parquet", shown)
    TRUTH.write(TABLES / "truth.parquet", TRUTH.frame(truth_rows(tables["unpaired"], tables["text"])))
    LABELS.write(TABLES / "labels.parquet", LABELS.frame(label_rows(tables["labels"])))
    JUDGEMENTS.write(TABLES / "judgements.parquet", pd.concat([JUDGEMENTS.frame(), *judged], ignore_index=True))
    write_overview(REPORT, Found(index, rejects, tables, leaks, matches))
    print(f"catalogue: {len(leaks)} clips left the training roles" + _by_role(leaks))
    if treeless:
        print(f"catalogue: {len(treeless)} clips left roles.hierarchy: {NO_TREE} (listed in {REPORT}/rejects.csv)")


def _by_role(leaks: pd.DataFrame) -> str:
    counts = leaks.groupby(["role", "dataset", "reason", "way"], sort=True).size()
    parts = [
        f"{count} {dataset} from {role} ({reason}: {way})" for (role, dataset, reason, way), count in counts.items()
    ]
    return ": " + "; ".join(parts) if parts else ""


if __name__ == "__main__":
    main()
