"""How far the paraphrases are from their originals: words kept, order kept, meaning, length, BLEU."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from clapline.text.bleu import corpus_bleu
from clapline.text.words import jaccard, order_overlap, tokens
from stages.captions.audit.inputs import drawn

#: Measures that read every word are taken on so many paraphrases of each purpose and level, drawn by a hash.
MEASURED_PARAPHRASES = 20_000
ALL_DATASETS = "all"
_KEYS = ("dataset", "clip_id", "caption_index")


def measured(paraphrases: pd.DataFrame) -> pd.DataFrame:
    """Return paraphrases of every purpose and level with their distance to the original.

    Adds word_overlap (Jaccard of the content stems) and order_overlap (longest common subsequence of the words over the
    longer text), both in [0, 1], and the numbers of words of both texts.
    """
    parts = [
        drawn(rows, MEASURED_PARAPHRASES, _KEYS) for _, rows in paraphrases.groupby(["purpose", "level"], sort=True)
    ]
    rows = pd.concat(parts, ignore_index=True) if parts else paraphrases
    pairs = list(zip(rows["original"], rows["text"], strict=True))
    return rows.assign(
        word_overlap=pd.Series([jaccard(*pair) for pair in pairs], index=rows.index, dtype=float),
        order_overlap=pd.Series([order_overlap(*pair) for pair in pairs], index=rows.index, dtype=float),
        original_words=pd.Series([len(tokens(original)) for original, _ in pairs], index=rows.index, dtype=int),
        text_words=pd.Series([len(tokens(text)) for _, text in pairs], index=rows.index, dtype=int),
    )


@dataclass(frozen=True)
class Rewording:
    """The paraphrases of one dataset, purpose, level and measure of similarity, summed up."""

    dataset: str
    purpose: str
    level: int
    similarity_measure: str
    paraphrases: int
    word_overlap: float
    order_overlap: float
    bleu: float | None
    similarity_mean: float
    similarity_median: float
    similarity_low: float  # 5 % are below
    original_words: float
    text_words: float


def rewordings(rows: pd.DataFrame) -> list[Rewording]:
    """Sum up the rows of `measured`: over all datasets and, where there are several, for each."""
    parts = [(ALL_DATASETS, rows)]
    if rows["dataset"].nunique() > 1:
        parts += [(str(name), part) for name, part in rows.groupby("dataset", sort=True)]
    return [
        _summed(name, purpose, int(level), measure, group)
        for name, part in parts
        # Training first.
        for purpose in ("train", "test")
        for (level, measure), group in part[part["purpose"] == purpose].groupby(
            ["level", "similarity_measure"], sort=True
        )
    ]


def _summed(dataset: str, purpose: str, level: int, measure: str, rows: pd.DataFrame) -> Rewording:
    means = rows[["word_overlap", "order_overlap", "original_words", "text_words"]].mean()
    similarity = rows["similarity"]
    return Rewording(
        dataset=dataset,
        purpose=purpose,
        level=level,
        similarity_measure=measure,
        paraphrases=len(rows),
        word_overlap=float(means["word_overlap"]),
        order_overlap=float(means["order_overlap"]),
        bleu=corpus_bleu(list(zip(rows["original"], rows["text"], strict=True))),
        similarity_mean=float(similarity.mean()),
        similarity_median=float(similarity.median()),
        similarity_low=float(similarity.quantile(0.05)),
        original_words=float(means["original_words"]),
        text_words=float(means["text_words"]),
    )
