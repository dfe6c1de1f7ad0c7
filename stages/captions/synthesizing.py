"""New captions per clip from its captions and tags (thesis), joined by clip, never by row position."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clapline.chapter import Cell
from clapline.params.captions import Synthesize
from clapline.params.machine import Machine
from clapline.tables.captions import DROPPED, SYNTHETIC
from clapline.text.similarity import MEASURE, lexical_similarity
from stages.captions import checks
from stages.captions.accounts import Account, dropped_row
from stages.captions.asking import Question, ask_all
from stages.captions.prompts import SYNTHESIZE_TRAIN


def synthesized(
    paired: pd.DataFrame, section: Synthesize, machine: Machine
) -> tuple[pd.DataFrame, pd.DataFrame, Account, list[list[Cell]]]:
    """Return the SYNTHETIC table for the training clips, what was dropped, the account, and rows for examples."""
    clips = paired[paired["split"] == "train"]
    wanted = tuple(str(number) for number in range(1, section.captions_per_clip + 1))
    questions = [_question(list(row.captions), list(row.tags), wanted) for row in clips.itertuples(index=False)]
    outcomes = ask_all(questions, section.model, section, machine, "new captions")
    account = Account("synthesize", section.model, SYNTHESIZE_TRAIN.version)
    account.add_questions(outcomes)
    rows: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    examples: list[list[Cell]] = []
    for clip, outcome in zip(clips.itertuples(index=False), outcomes, strict=True):
        for index, name in enumerate(wanted):
            account.count(outcome, name)
            if name in outcome.dropped:
                given = " | ".join(clip.captions)
                fate = outcome.dropped[name]
                dropped.append(dropped_row(clip.dataset, clip.clip_id, index, "synthesize", "train", given, fate))
                continue
            text, attempts = outcome.accepted[name]
            rows.append(
                {
                    "dataset": clip.dataset,
                    "clip_id": clip.clip_id,
                    "caption_index": index,
                    "text": text,
                    "model": section.model,
                    "prompt_version": SYNTHESIZE_TRAIN.version,
                    "attempts": attempts,
                    "similarity": max(lexical_similarity(caption, text) for caption in clip.captions),
                    "similarity_measure": MEASURE,
                }
            )
        new = " | ".join(outcome.accepted[name][0] for name in wanted if name in outcome.accepted)
        examples.append([" | ".join(clip.captions), new])
    return SYNTHETIC.frame(rows), DROPPED.frame(dropped), account, examples


def _question(captions: list[str], tags: list[str], wanted: tuple[str, ...]) -> Question:
    def check(name: str, text: str, taken: Any) -> str | None:
        return checks.new_caption(captions, taken, text)

    return Question(SYNTHESIZE_TRAIN, {"captions": captions, "tags": tags}, wanted, check)
