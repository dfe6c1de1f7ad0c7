"""Tables of richness: what each number is called, and the files that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clapline.chapter import Cell
from clapline.storage import write_text
from stages.analyse.lexical import DRAWN_WORDS, MOVING_WINDOW_WORDS, Measures, Number
from stages.analyse.lexical_comparison import Comparison

_MOVING, _DRAWN = f"moving_ttr_{MOVING_WINDOW_WORDS}", f"hdd_{DRAWN_WORDS}"
COUNTS = {
    "captions": "captions",
    "wordless_captions": "captions without words",
    "clips": "clips",
    "captions_per_clip": "captions per clip",
    "words": "words",
    "words_per_caption_mean": "words per caption, mean",
    "words_per_caption_sd": "words per caption, sd",
    "vocabulary": "vocabulary (distinct words)",
    "hapax": "words used once",
    "distinct_bigrams": "distinct word pairs",
    "distinct_trigrams": "distinct runs of three words",
}
VARIETY = {
    "distinct_1_share": "distinct words, share of all words",
    "distinct_2_share": "distinct word pairs, share of all",
    "distinct_3_share": "distinct runs of three words, share of all",
    "overlap_within_clip": "word overlap within a clip (Jaccard; lower is more varied)",
    "ttr_per_caption_mean": "type-token ratio per caption",
    "ttr_per_clip_mean": "type-token ratio per clip",
    f"{_MOVING}_caption_mean": f"MATTR (windows of {MOVING_WINDOW_WORDS} words) per caption",
    f"{_MOVING}_caption_share": "share of captions long enough for it",
    f"{_MOVING}_clip_mean": "MATTR per clip",
    f"{_MOVING}_clip_share": "share of clips long enough for it",
    _MOVING: "MATTR of the corpus",
    f"{_DRAWN}_caption_mean": f"HD-D ({DRAWN_WORDS} words drawn) per caption",
    f"{_DRAWN}_caption_share": "share of captions long enough for it",
    f"{_DRAWN}_clip_mean": "HD-D per clip",
    f"{_DRAWN}_clip_share": "share of clips long enough for it",
    _DRAWN: "HD-D of the corpus",
    "mtld_caption_mean": "MTLD per caption, mean",
    "mtld_caption_sd": "MTLD per caption, sd",
    "mtld_caption_median": "MTLD per caption, median",
    "mtld_caption_is_length_share": "share of captions whose MTLD is just their length",
    "mtld_clip_mean": "MTLD per clip, mean",
    "mtld_clip_sd": "MTLD per clip, sd",
    "mtld_clip_median": "MTLD per clip, median",
    "mtld_corpus": "MTLD of the corpus",
}
#: In the files alone.
SPREAD = tuple(f"mtld_{level}_{mark}" for level in ("caption", "clip") for mark in ("p5", "p25", "p75", "p95", "max"))
COMPARED = {
    "texts_original": "texts, originals",
    "texts_source": "texts, source",
    "mean_original": "mean, originals",
    "mean_source": "mean, source",
    "a12": "A12",
    "ks": "KS",
    "p_value": "p of KS",
}


def plain_comparisons(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return each comparison and level as one flat row; None where a side has nothing to compare."""
    rows = []
    for item in comparisons:
        for name, level in item.levels.items():
            found = level.effect
            values: tuple[Number, ...] = (found.a12, found.ks, found.p_value) if found else (None,) * 3
            numbers = dict(zip(COMPARED, (*level.texts, *level.means, *values), strict=True))
            heading = {"dataset": item.dataset, "source": item.source, "against": item.original, "level": name}
            rows.append({**heading, "same_clips": item.same_clips, **numbers})
    return rows


def write_measures(path: Path, measures: Sequence[Measures]) -> None:
    """Write one line per dataset and source, fractions to six digits; an empty cell where nothing can be measured."""
    names = [*COUNTS, *VARIETY, *SPREAD]
    rows = [[item.dataset, item.source, *(item.numbers[name] for name in names)] for item in measures]
    _write(path, ["dataset", "source", *names], rows)


def write_comparisons(path: Path, comparisons: Sequence[Comparison]) -> None:
    """Write one line per dataset, source and level."""
    rows = plain_comparisons(comparisons)
    names = ["dataset", "source", "against", "level", "same_clips", *COMPARED]
    _write(path, names, [[row[name] for name in names] for row in rows])


def write_words(path: Path, comparisons: Sequence[Comparison], count: int = 100) -> None:
    """Write the `count` words that belong most to each source, and as many that belong most to the originals."""
    rows = []
    for item in comparisons:
        middle = max(len(item.words) - count, count)
        for score in [*item.words[:count], *item.words[middle:]]:
            rows.append([item.dataset, item.source, *score])
    _write(path, ["dataset", "source", "word", "z", "times_in_source", "times_in_originals"], rows)


def _write(path: Path, names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    lines = ["\t".join(names), *("\t".join(_cell(value) for value in row) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def _cell(value: Cell) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)
