"""Door: `python -m stages.captions.paraphrase`; paraphrases for training and, apart from them, for the benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from clapline.errors import door
from clapline.params.base import read_section
from clapline.params.captions import Paraphrase
from clapline.params.machine import Machine
from clapline.tables.captions import PARAPHRASES
from clapline.tables.clips import CLIPS
from stages.captions.accounts import pick, write_accounts
from stages.captions.meaning import Meaning, load_meaning
from stages.captions.paraphrasing import paraphrased, test_sources, training_sources


@door
def main() -> None:
    """Read the captioned tables, ask, check, write."""
    section = read_section("paraphrase", Paraphrase)
    machine = read_section("machine", Machine)
    training = training_sources(CLIPS.read("data/captioned/paired.parquet"), section.captions_per_clip)
    queries = test_sources(CLIPS.read("data/captioned/retrieval.parquet"))
    meaning = load_meaning(section.similarity, progress=machine.progress)
    tables, dropped, accounts, examples = [], [], [], []
    for purpose, sources in (("train", training), ("test", queries)):
        table, lost, account, shown = paraphrased(sources, purpose, section, machine, meaning)
        tables.append(table)
        dropped.append(lost)
        accounts += account
        examples += pick(shown, 6)
    PARAPHRASES.write("data/captions/paraphrases_train.parquet", tables[0])
    PARAPHRASES.write("data/captions/paraphrases_test.parquet", tables[1])
    levels = sorted(set(section.levels))
    columns = ["purpose", "caption", *(f"level {level}" for level in levels)]
    write_accounts(
        "reports/paraphrase",
        "Paraphrases",
        _words(levels, meaning),
        accounts,
        pd.concat(dropped, ignore_index=True),
        (columns, examples),
    )


def _words(levels: Sequence[int], meaning: Meaning) -> str:
    changes = {1: "the structure", 2: "the structure and the words"}
    twice = " twice" if len(levels) > 1 else ""
    return (
        f"Every training caption and every query of the benchmarks was reworded{twice}: "
        + ", ".join(f"level {level} changes {changes[level]}" for level in levels)
        + ". Training and benchmarks use different prompts and share no reply. Each text passed all checks or is "
        f"listed in dropped.csv. Its meaning is compared with the caption's by {meaning.measure}: at least "
        + " and ".join(f"{meaning.least(level):.2f} at level {level}" for level in levels)
        + "."
    )


if __name__ == "__main__":
    main()
