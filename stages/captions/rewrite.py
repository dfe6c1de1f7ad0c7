"""Door: `python -m stages.captions.rewrite`; every clip of the paired, text and retrieval roles gets captions."""

from __future__ import annotations

import pandas as pd

from clapline.errors import door
from clapline.params.base import read_section
from clapline.params.captions import Rewrite
from clapline.params.machine import Machine
from clapline.tables.clips import CLIPS
from stages.captions.accounts import pick, write_accounts
from stages.captions.rewriting import captioned

ROLES = ("paired", "text", "retrieval")


@door
def main() -> None:
    """Read the role tables, ask for what is missing, write the captioned tables."""
    section = read_section("rewrite", Rewrite)
    machine = read_section("machine", Machine)
    dropped, aside, accounts, examples = [], [], [], []
    for role in ROLES:
        clips = CLIPS.read(f"data/roles/{role}.parquet")
        table, lost, left_out, account, shown = captioned(clips, role, section, machine)
        CLIPS.write(f"data/captioned/{role}.parquet", table)
        dropped.append(lost)
        aside.append(left_out)
        accounts.append(account)
        examples += pick(shown, 4)
    states = [account.sentence(role) for role, account in zip(ROLES, accounts, strict=True)]
    set_aside = pd.concat(aside, ignore_index=True)
    write_accounts(
        "reports/rewrite",
        "Captions from labels",
        "Clips that had captions passed unchanged. The rest were given captions from their label and tags and, for "
        "training, the uploader's words; benchmarks see the label alone and have a wording of their own. Set aside and "
        "listed, by name: too_short, nothing_given, nothing_about_sound, not_a_sound (the model's own answer), checks "
        f"(every caption failed). {'; '.join(states)}.",
        accounts,
        pd.concat(dropped, ignore_index=True),
        (["role", "labels and tags", "description", "captions"], examples),
        {"set_aside": set_aside},
    )


if __name__ == "__main__":
    main()
