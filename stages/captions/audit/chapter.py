"""The audit's chapter of the report: figures and tables, in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from clapline.chapter import Block, Cell, Chapter, figure, table, text, write_chapter
from clapline.params.captions import Audit
from stages.captions.audit import examples
from stages.captions.audit.costs import BATCH_SHARE, cost_usd, total_cost_usd
from stages.captions.audit.fates import Fate, commonest_rejects
from stages.captions.audit.inputs import Inputs
from stages.captions.audit.memory import AIM, REWORDING, Remembered
from stages.captions.audit.panels import overlap_panels, similarity_panels
from stages.captions.audit.pictures import draw_fates, draw_panels
from stages.captions.audit.rewording import ALL_DATASETS, MEASURED_PARAPHRASES, Rewording
from stages.captions.audit.variety import ENGLISH, NAMES, THESIS, Measures, own_captions, synthetic_captions, variety

FATES_FIGURE, OVERLAP_FIGURE, SIMILARITY_FIGURE = "fates.svg", "overlap.svg", "similarity.svg"
_REJECTS = 16
_FEW = 3


def write_audit_chapter(
    folder: Path,
    inputs: Inputs,
    settings: Audit,
    fates: Sequence[Fate],
    rows: pd.DataFrame,
    rewordings: Sequence[Rewording],
    found: Sequence[Remembered],
) -> None:
    """Draw the figures and write `chapter.json`. `rows` are those of `rewording.measured`."""
    few = min(_FEW, settings.examples)
    blocks = [
        text(
            "What the language models wrote, read back from the tables: how much of it passed the checks, how far it "
            "is from what it was made of, whether training has seen the rewording that the benchmarks test, and what "
            "the replies cost. Sentence similarity stands in for BERTScore, which would need a further model."
        ),
        *_acceptance(folder, fates),
        examples.reject_examples(commonest_rejects(inputs, _REJECTS)),
        *_rewording(folder, inputs, rows, rewordings),
        _memory(found),
        examples.paraphrase_examples(inputs, settings.examples),
        *_new_captions(inputs, few),
        examples.queries_by_kind(inputs.stress),
        examples.stress_examples(inputs, few),
        text(f"{len(inputs.mixed)} mixtures were made of two training clips each."),
        examples.mixture_examples(inputs, few),
        *_costs(inputs, fates, settings),
    ]
    write_chapter(folder, Chapter("Captions audited", blocks))


def _acceptance(folder: Path, fates: Sequence[Fate]) -> list[Block]:
    draw_fates(folder / FATES_FIGURE, fates)
    failed = sorted({check for fate in fates for check in fate.dropped})
    rows: list[list[Cell]] = [
        [
            fate.stage, fate.task, fate.captions, _percent(fate.accepted_share), _percent(fate.at_once_share),
            *(fate.dropped[check] for check in failed),
        ]
        for fate in fates
    ]  # fmt: skip
    columns = ["stage", "task", "captions", "accepted (%)", "at once (%)", *(_words(check) for check in failed)]
    return [
        figure("Captions not accepted at the first asking, by the check that failed last.", FATES_FIGURE),
        table("Captions wanted and accepted; then those dropped, by the check that failed last.", columns, rows),
    ]


def _rewording(folder: Path, inputs: Inputs, rows: pd.DataFrame, rewordings: Sequence[Rewording]) -> list[Block]:
    if not rewordings:
        return [text("There are no paraphrases to measure.")]
    draw_panels(folder / OVERLAP_FIGURE, overlap_panels(rows), "share in common with the original")
    panels = similarity_panels(inputs, rows)
    low = min(0.0, *(float(values.min()) for row in panels for panel in row for values in panel.series.values()))
    draw_panels(folder / SIMILARITY_FIGURE, panels, "similarity to the original", max(-1.0, low))
    titles = {
        "paraphrases": "paraphrases", "word_overlap": "words kept", "order_overlap": "order kept", "bleu": "BLEU-4",
        "similarity_mean": "similarity, mean", "similarity_median": "median", "similarity_low": "5 % below",
        "original_words": "words, caption", "text_words": "words, paraphrase",
    }  # fmt: skip
    named = ["purpose", "level"]
    if any(item.dataset != ALL_DATASETS for item in rewordings):
        named.insert(0, "dataset")
    measures = sorted({item.similarity_measure for item in rewordings})
    if len(measures) > 1:
        named.append("similarity_measure")
    columns = [*(_words(name) for name in named), *titles.values()]
    cells = [[getattr(item, name) for name in (*named, *titles)] for item in rewordings]
    return [
        figure(
            "Left: content words in common (Jaccard of their stems). Right: words in the same order (longest common "
            "subsequence over the longer text). Level 1 is to keep the words, level 2 to change them.",
            OVERLAP_FIGURE,
        ),
        figure("Similarity in meaning by level and measure, with the least that is accepted.", SIMILARITY_FIGURE),
        table(
            f"Paraphrases against their originals (at most {MEASURED_PARAPHRASES} of a purpose and level, drawn by a "
            f"hash). BLEU-4 over the whole corpus: high means copied. Similarity by {' and '.join(measures)}.",
            columns,
            cells,
        ),
    ]


def _memory(found: Sequence[Remembered]) -> Block:
    rows: list[list[Cell]] = [
        [
            item.level, item.training, item.seen.words, _percent(item.seen.word_share), item.seen.word_types,
            _percent(item.seen.word_type_share), item.seen.frames, _percent(item.seen.frame_share),
            item.seen.frame_types, _percent(item.seen.frame_type_share), item.commonest,
        ]
        for item in found
    ]  # fmt: skip
    columns = [
        "level", "seen in", "words", "words seen (%)", "distinct words", "distinct words seen (%)",
        "frames", "frames seen (%)", "distinct frames", "distinct frames seen (%)", "words seen most often",
    ]  # fmt: skip
    return table(
        "What the benchmarks' paraphrases bring in beside their originals, and how much of it training has seen: "
        "content words (function words and numbers aside) and frames, which are sentences with a gap for each run of "
        f"content words. Aim: under {AIM:.0%} in the rows '{REWORDING}'. People's captions hold most words of the "
        "language: the other rows say how much of the vocabulary is new at all.",
        columns,
        rows,
    )


def _new_captions(inputs: Inputs, few: int) -> list[Block]:
    clips = inputs.training_captions()
    own = own_captions(clips[clips["captions"].map(len) > 0])
    columns: dict[str, Measures] = {"own captions": variety(own)}
    for kind in sorted(set(inputs.synthetic.loc[inputs.synthetic["language"] == ENGLISH, "kind"])):
        columns[_words(kind)] = variety(synthetic_captions(inputs.synthetic, kind), own)
    columns |= THESIS
    rows: list[list[Cell]] = [[title, *(values[name] for values in columns.values())] for name, title in NAMES.items()]
    return [
        table(
            "New captions in English beside the training clips' own, and beside Clotho's development split as the "
            "thesis has it: people's captions, and those that phi-4 wrote from them, by the same measures. New "
            "captions are to keep the rules on numbers, names and length; lower overlap and Self-BLEU: more variety.",
            ["measure", *columns],
            rows,
        ),
        examples.synthetic_by_kind(inputs.synthetic),
        examples.synthetic_examples(inputs, few),
    ]


def _costs(inputs: Inputs, fates: Sequence[Fate], settings: Audit) -> list[Block]:
    names = ("questions", "askings", "prompt_tokens", "completion_tokens", "batched_prompt_tokens")
    rows: list[list[Cell]] = []
    costs = []
    for fate in fates:
        account = inputs.accounts[fate.stage][fate.task]
        costs.append(cost_usd(account, settings.prices))
        counts = [account.get(name, 0) for name in (*names, "batched_completion_tokens")]
        rows.append([fate.stage, fate.task, account["model"], *counts[:4], counts[4] + counts[5], costs[-1]])
    sums = [sum(int(row[place] or 0) for row in rows) for place in range(3, 8)]
    rows.append(["total", "", "", *sums, total_cost_usd(costs)])
    columns = [
        "stage", "task", "model", "questions", "askings", "prompt tokens", "completion tokens", "of these batched",
        "USD",
    ]  # fmt: skip
    unknown = sorted(
        {
            inputs.accounts[fate.stage][fate.task]["model"]
            for fate, cost in zip(fates, costs, strict=True)
            if cost is None
        }
    )
    blocks = [
        table(
            "Tokens and cost as recorded when each reply was given, whoever paid for it. The builtin model is free and "
            f"counts words; what went through the batch API is counted at {BATCH_SHARE:.0%} of the price.",
            columns,
            rows,
        )
    ]
    if unknown:
        blocks.append(text(f"Without a known price or count of tokens: {', '.join(unknown)} (see audit.prices)."))
    return blocks


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def _words(name: str) -> str:
    return name.replace("_", " ")
