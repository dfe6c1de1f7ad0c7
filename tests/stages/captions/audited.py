"""A small run's caption tables and reports, made by hand, for the audit to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from clapline.tables.captions import DROPPED, PARAPHRASES, STRESS, SYNTHETIC
from stages.captions.accounts import Account, dropped_row, write_accounts
from stages.captions.asking import Dropped
from tests.stages.captions.places import clip, save

TRAINING = ["A dog barks while rain falls", "A man speaks followed by clicking", "Birds chirp and wind blows"]
QUERIES = ["A train passes and blows its horn", "A cat meows in a kitchen", "NA"]
REWORDED = {
    ("train", 1): [
        "While rain falls, a dog barks",
        "After a man speaks, clicking can be heard",
        "Wind blows, birds chirp",
    ],
    ("train", 2): ["While rain pours, a hound barks", "After a male talks, clicking can be heard"],
    ("test", 1): ["There is a train passing that blows its horn", "In a kitchen, a cat meows"],
    ("test", 2): ["There is a locomotive passing that sounds its klaxon", "Within a kitchen, a hound meows"],
}
PRICES = {"served": {"input": 2.0, "output": 8.0}}


def written(text: str, dataset: str, clip_id: str, index: int = 0, **values: Any) -> dict[str, Any]:
    row = {
        "dataset": dataset,
        "clip_id": clip_id,
        "caption_index": index,
        "text": text,
        "model": "served",
        "prompt_version": "p-1",
        "attempts": 1,
        "similarity": 0.8,
        "similarity_measure": "lexical",
    }
    return {**row, **values}


def write_run(folder: Path, *, texts: bool = True, audit: dict[str, Any] | None = None) -> None:
    """Write what the audit reads below a folder; without texts every table is empty."""
    (folder / "params.yaml").write_text(yaml.safe_dump({"audit": audit or {"prices": PRICES, "examples": 3}}))
    some = slice(None) if texts else slice(0)
    paired = [clip(f"t{k}", dataset="clotho" if k else "toy", captions=[text]) for k, text in enumerate(TRAINING)]
    paired.append(clip("held", split="val", captions=["A klaxon sounds"]))
    save(folder / "data/captioned/paired.parquet", paired[some])
    queries = [clip(f"q{k}", split="test", captions=[text]) for k, text in enumerate(QUERIES)]
    save(folder / "data/captioned/retrieval.parquet", queries[some])
    for purpose, originals in (("train", TRAINING), ("test", QUERIES)):
        rows = [
            written(
                text, "clotho" if purpose == "train" and k else "toy", f"{'t' if purpose == 'train' else 'q'}{k}",
                level=level, purpose=purpose, original=originals[k], similarity=0.9 - 0.2 * (level - 1),
            )
            for level in (1, 2)
            for k, text in enumerate(REWORDED[purpose, level])
        ]  # fmt: skip
        PARAPHRASES.write(folder / f"data/captions/paraphrases_{purpose}.parquet", PARAPHRASES.frame(rows[some]))
    new = [written("Rain drums as a dog barks", "toy", "t0", 0, kind="new", language="en")]
    new.append(
        written(
            "Ein Hund bellt",
            "toy",
            "t0",
            1,
            kind="translation",
            language="de",
            similarity=None,
            similarity_measure="none",
        )
    )
    SYNTHETIC.write(folder / "data/captions/synthetic.parquet", SYNTHETIC.frame(new[some]))
    stress = [written("trian passes", "toy", "q0", kind="typos", language="en", original=QUERIES[0])]
    STRESS.write(folder / "data/captions/stress.parquet", STRESS.frame(stress[some]))
    mixed = [clip("m0", dataset="mix", captions=["A dog barks, then a man speaks"])]
    save(folder / "data/mixed/clips.parquet", mixed[some])
    _write_reports(folder / "reports", texts)


def _write_reports(reports: Path, texts: bool) -> None:
    def report(stage: str, accounts: list[Account], lost: list[dict[str, Any]]) -> None:
        frame: pd.DataFrame = DROPPED.frame(lost if texts else [])
        write_accounts(reports / stage, stage, "", accounts, frame, ([], []))

    report("rewrite", [Account("rewrite_paired", "builtin", "r-1")], [])
    counts = {"questions": 3, "askings": 4, "prompt_tokens": 1_000_000, "completion_tokens": 500_000}
    batched = {"batched_prompt_tokens": 1_000_000, "batched_completion_tokens": 250_000}
    levels = [
        Account("train_level_1", "served", "p-1", 0.75, 3, 3, 3, 0, **counts, **batched),
        Account("train_level_2", "served", "p-1", 0.1, 3, 2, 1, 1),
        Account("test_level_1", "builtin", "p-2", 0.75, 3, 2, 2, 1, questions=3, askings=5, prompt_tokens=300),
        Account("test_level_2", "builtin", "p-2", 0.1, 3, 2, 2, 1),
    ]
    lost = [
        dropped_row("clotho", "t2", 0, "paraphrase_level_2", "train", TRAINING[2], Dropped("words_kept: 0.9", 3)),
        dropped_row("toy", "q2", 0, "paraphrase_level_1", "test", "NA", Dropped("identical: it repeats", 3)),
        dropped_row("toy", "q2", 0, "paraphrase_level_2", "test", "NA", Dropped("identical: it repeats", 3)),
    ]
    report("paraphrase", levels if texts else [], lost)
    unpriced = {"questions": 1, "askings": 1, "prompt_tokens": 50, "completion_tokens": 10}
    report("synthesize", [Account("synthesize_new", "other", "s-1", 0.6, 1, 1, 1, **unpriced)] if texts else [], [])
    report("stress", [Account("stress_typos", "rule", "typos-1", None, 1, 1, 1)] if texts else [], [])
    report("mix", [Account("mix", "builtin", "m-1", None, 1, 1, 1)] if texts else [], [])
