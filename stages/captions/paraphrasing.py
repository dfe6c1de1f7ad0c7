"""Two-level paraphrases of captions (RobustCLAP): level 1 changes the structure, level 2 also the words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clapline.chapter import Cell
from clapline.params.captions import Paraphrase
from clapline.params.machine import Machine
from clapline.tables.captions import DROPPED, PARAPHRASES
from stages.captions import checks
from stages.captions.accounts import Account, dropped_row
from stages.captions.asking import Question, ask_all
from stages.captions.meaning import Meaning, least_by_level
from stages.captions.prompts import PARAPHRASE_TEST, PARAPHRASE_TRAIN, Prompt

#: dataset, clip_id, caption index, caption
Source = tuple[str, str, int, str]
Written = tuple[pd.DataFrame, pd.DataFrame, list[Account], list[list[Cell]]]


def training_sources(paired: pd.DataFrame, captions_per_clip: int) -> list[Source]:
    """Return the first captions of every training clip."""
    return _sources(paired[paired["split"] == "train"], captions_per_clip)


def test_sources(retrieval: pd.DataFrame) -> list[Source]:
    """Return every caption of the benchmarks: each is a query."""
    return _sources(retrieval, None)


def _sources(clips: pd.DataFrame, limit: int | None) -> list[Source]:
    return [
        (row.dataset, row.clip_id, index, caption)
        for row in clips.itertuples(index=False)
        for index, caption in enumerate(row.captions[:limit])
    ]


def paraphrased(
    sources: list[Source], purpose: str, section: Paraphrase, machine: Machine, meaning: Meaning
) -> Written:
    """Return the PARAPHRASES table of one purpose, what was dropped, an account per level, and rows for examples.

    `purpose` is "train" or "test"; each has its own model setting and its own prompt, so they never share a reply.
    `meaning` measures how near every text is to its caption; too far is refused as "similarity".
    """
    prompt = PARAPHRASE_TRAIN if purpose == "train" else PARAPHRASE_TEST
    model = section.model if purpose == "train" else section.test_model
    levels = sorted(set(section.levels))
    questions = [_question(caption, levels, prompt, meaning) for *_, caption in sources]
    outcomes = ask_all(questions, model, section, machine, f"paraphrases ({purpose})", meaning)
    rows: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    examples: list[list[Cell]] = []
    accounts = [
        Account(f"{purpose}_level_{level}", model, prompt.version, least_similarity=meaning.least(level))
        for level in levels
    ]
    # Both levels stand in one question: its tokens are counted once, with the lowest level.
    accounts[0].add_questions(outcomes, f"level_{levels[0]}")
    for level, account in zip(levels[1:], accounts[1:], strict=True):
        account.add_failures(outcomes, f"level_{level}")
    for (dataset, clip_id, index, caption), outcome in zip(sources, outcomes, strict=True):
        for level, account in zip(levels, accounts, strict=True):
            name = f"level_{level}"
            account.count(outcome, name)
            if name in outcome.dropped:
                task = f"paraphrase_{name}"
                dropped.append(dropped_row(dataset, clip_id, index, task, purpose, caption, outcome.dropped[name]))
                continue
            accepted = outcome.accepted[name]
            rows.append(
                {
                    "dataset": dataset,
                    "clip_id": clip_id,
                    "caption_index": index,
                    "text": accepted.text,
                    "model": model,
                    "prompt_version": prompt.version,
                    "attempts": accepted.attempts,
                    "similarity": accepted.similarity,
                    "similarity_measure": meaning.measure,
                    "level": level,
                    "purpose": purpose,
                    "original": caption,
                }
            )
        written = [
            accepted.text if (accepted := outcome.accepted.get(f"level_{level}")) else "(dropped)" for level in levels
        ]
        examples.append([purpose, caption, *written])
    return PARAPHRASES.frame(rows), DROPPED.frame(dropped), accounts, examples


def _question(caption: str, levels: list[int], prompt: Prompt, meaning: Meaning) -> Question:
    def check(name: str, text: str, taken: object) -> str | None:
        return checks.paraphrase(caption, text, int(name.removeprefix("level_")))

    least = {f"level_{level}": bound for level, bound in least_by_level(meaning, caption, levels).items()}
    return Question(prompt, {"caption": caption}, tuple(least), check, sources=(caption,), least=least)
