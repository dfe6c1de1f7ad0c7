"""`python benchmarks/builtin.py`: how many real captions the builtin model paraphrases so that every check passes.

Captions are drawn by a seed from published caption files under `CLAPLINE_MIRROR`: as many of AudioCaps as of Clotho.
Every check of the pipeline takes part, the similarity by a sentence encoder too, and three askings, as by default.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clapline.params.captions import Paraphrase
from clapline.params.machine import Machine
from clapline.storage import mirror
from stages.captions.meaning import load_meaning
from stages.captions.paraphrasing import Source, paraphrased

FILES = {"audiocaps": "audiocaps/{}.csv", "clotho": "clotho/clotho_captions_{}.csv"}
SPLITS = {"train": {"audiocaps": "train", "clotho": "development"}, "val": {"audiocaps": "val", "clotho": "validation"}}


def main() -> None:
    """Paraphrase the captions for both purposes, print shares by level, refusals by check, and pairs to read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=int, default=1000, help="of each dataset")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--pairs", type=int, default=0, help="captions to print with their paraphrases")
    arguments = parser.parse_args()
    folder = mirror()
    if folder is None:
        sys.exit("set CLAPLINE_MIRROR to the folder that holds audiocaps/ and clotho/")
    section, machine = Paraphrase(), Machine(progress=False)
    meaning = load_meaning(section.similarity, progress=False)
    print(f"similarity by {meaning.measure}, at least {meaning.least(1)} (level 1) and {meaning.least(2)} (level 2)")
    print(f"{'captions of':<12}{'for':<7}{'level':<7}{'n':>6}{'accepted':>10}{'at once':>9}  refused, over all askings")
    for dataset, split in SPLITS[arguments.split].items():
        captions = read_captions(folder / FILES[dataset].format(split))
        drawn = random.Random(arguments.seed).sample(captions, min(arguments.captions, len(captions)))
        sources: list[Source] = [(dataset, str(number), 0, text) for number, text in enumerate(drawn)]
        pairs = []
        for purpose in ("train", "test"):
            with tempfile.TemporaryDirectory() as stores:
                os.environ["CLAPLINE_HOME"] = stores
                _, _, accounts, examples = paraphrased(sources, purpose, section, machine, meaning)
            for level, account in enumerate(accounts, start=1):
                shares = f"{account.accepted / account.captions:>10.1%}{account.first_time / account.captions:>9.1%}"
                refused = ", ".join(f"{name} {count}" for name, count in account.failures.most_common())
                print(f"{dataset:<12}{purpose:<7}{level:<7}{account.captions:>6}{shares}  {refused}")
            pairs += examples[: arguments.pairs]
        for purpose, caption, *written in pairs:
            print(f"| {purpose} | {caption} | {' | '.join(written)} |")


def read_captions(path: Path) -> list[str]:
    """Return every caption of a published file: AudioCaps has one a row, Clotho five."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            text for row in csv.DictReader(file) for name, text in row.items() if name.startswith("caption") and text
        ]


if __name__ == "__main__":
    main()
