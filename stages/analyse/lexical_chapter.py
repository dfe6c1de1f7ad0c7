"""What the report says about richness: figures, comparisons, tables, and a warning where MTLD only counts words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clapline.chapter import Block, Chapter, figure, table, text, write_chapter
from stages.analyse.lexical import ALL_DATASETS, Measures
from stages.analyse.lexical_clouds import CLOUD_WORDS, cloud_words, draw_cloud
from stages.analyse.lexical_comparison import Comparison
from stages.analyse.lexical_figures import (
    SHOWN_PERCENTILE,
    colour_of,
    draw_densities,
    draw_lengths,
    draw_violins,
    draw_words,
    shown_words,
)
from stages.analyse.lexical_tables import COMPARED, COUNTS, VARIETY, plain_comparisons
from stages.analyse.sources import MEANING

VIOLINS, DENSITIES, LENGTHS, WORDS = "mtld.svg", "mtld_density.svg", "words_per_caption.svg", "distinguishing_words.svg"
# Above this share of captions the mean MTLD per caption says little more than their length.
MERELY_LENGTH_SHARE = 0.25
READING = (
    "A12 is the chance that a text of the originals has the higher MTLD than a text of the source, ties as half: 0.5 "
    "says neither, 0.56, 0.64 and 0.71 are called small, medium and large (0.44, 0.36 and 0.29 the other way). KS is "
    "the greatest distance of the two cumulative distributions. Captions of one clip resemble each other and p takes "
    "them for independent, so it is too small: read the sizes. Where two sources share clips only those enter, with "
    "equally many captions of each."
)


def write_figures(
    folder: Path, measures: Sequence[Measures], comparisons: Sequence[Comparison], threshold: float
) -> list[Block]:
    """Draw the figures of one dataset's sources, and return the blocks that show them."""
    shown = f"Up to the {SHOWN_PERCENTILE}th percentile"
    draw_densities(folder / DENSITIES, measures, threshold)
    draw_violins(folder / VIOLINS, measures, threshold)
    draw_lengths(folder / LENGTHS, measures)
    blocks = [
        figure(f"MTLD by source: densities. {shown}.", DENSITIES),
        figure(f"MTLD by source: violins, dots at the medians, bars over the middle half. {shown}.", VIOLINS),
        figure("Words per caption by source.", LENGTHS),
    ]
    places = {item.source: place for place, item in enumerate(measures)}
    worded = [item for item in comparisons if item.words]
    if worded:
        colours = [colour_of(places[item.source]) for item in worded]
        draw_words(folder / WORDS, worded, colours, colour_of(places[worded[0].original]))
        blocks.append(
            figure(
                "Words that set each source apart from the originals: weighted log-odds with all their words as prior, "
                "in standard deviations. Function words are in.",
                WORDS,
            )
        )
    for item in measures:
        words = cloud_words(item.captions)
        if words:
            name = f"words_{item.source.replace(' ', '_')}.png"
            draw_cloud(folder / name, words, colour_of(places[item.source]))
            first = ", ".join(word for word, _ in words[:8])
            blocks.append(
                figure(
                    f"{item.source}: the {min(len(words), CLOUD_WORDS)} most frequent words, function words left out. "
                    f"First: {first}.",
                    name,
                )
            )
    return blocks


def write_richness_chapter(
    folder: Path, measures: Sequence[Measures], comparisons: Sequence[Comparison], threshold: float
) -> None:
    """Write figures and `chapter.json`. `measures` come from `lexical.measure_sources`."""
    whole = [item for item in measures if item.dataset == ALL_DATASETS]
    beside = [item for item in comparisons if item.dataset == ALL_DATASETS]
    figures = write_figures(folder, whole, beside, threshold)
    blocks = [
        text(MEANING),
        *warnings(whole),
        *figures,
        *compared_blocks("MTLD of the originals beside each other source.", beside),
        *words_blocks(beside),
        _sources("Words and vocabulary. Vocabulary grows with the number of captions.", COUNTS, whole),
        _sources(
            "Variety. Lower overlap, else higher: more varied wording. Shares of distinct words fall as captions grow "
            "in number. MATTR and HD-D need texts of their window or draws: others are left out.",
            VARIETY,
            whole,
        ),
    ]
    for name in dict.fromkeys(item.dataset for item in measures if item.dataset != ALL_DATASETS):
        part = [item for item in measures if item.dataset == name]
        blocks.append(_sources(f"Dataset {name} alone.", COUNTS | VARIETY, part))
        own = [item for item in comparisons if item.dataset == name]
        blocks += compared_blocks(f"Dataset {name} alone: MTLD beside the originals.", own, reading=False)
    write_chapter(folder, Chapter("Lexical richness", blocks))


def warnings(measures: Sequence[Measures]) -> list[Block]:
    """Return a paragraph that warns where the MTLD per caption merely counts words, or nothing."""
    shares = [(item.source, item.numbers["mtld_caption_is_length_share"]) for item in measures]
    affected = [f"{share:.0%} of {source}" for source, share in shares if share and share >= MERELY_LENGTH_SHARE]
    if not affected:
        return []
    return [
        text(
            "Caution: MTLD is meant for 100 words and more. For many single captions it is nothing but the number of "
            f"words, mostly as no word comes twice ({', '.join(affected)}); a short caption in which one does mostly "
            "comes out higher, not lower. Compare sources per clip or per corpus: tests and A12 per caption say here "
            "which captions are longer and which repeat a word."
        )
    ]


def compared_blocks(caption: str, comparisons: Sequence[Comparison], reading: bool = True) -> list[Block]:
    """Return the table of tests and effect sizes, or nothing without comparisons."""
    rows = [
        [
            row["source"],
            f"per {row['level']}",
            "same" if row["same_clips"] else "all",
            *(row[name] for name in COMPARED),
        ]
        for row in plain_comparisons(comparisons)
    ]
    if not rows:
        return []
    return [
        table(f"{caption} {READING if reading else ''}".strip(), ["source", "level", "clips", *COMPARED.values()], rows)
    ]


def words_blocks(comparisons: Sequence[Comparison]) -> list[Block]:
    """Return one table per source: the words that belong most to it, and to the originals."""
    blocks = []
    for item in comparisons:
        first, second = shown_words(item.words)
        rows = []
        for place in range(max(len(first), len(second))):
            left, right = (side[place] if place < len(side) else None for side in (first, second))
            rows.append(
                [*((left.word, left.z) if left else (None, None)), *((right.word, right.z) if right else (None, None))]
            )
        if rows:
            columns = [f"more in {item.source}", "z", f"more in {item.original}", "z"]
            blocks.append(table(f"Words that set {item.source} apart from {item.original}.", columns, rows))
    return blocks


def _sources(caption: str, names: dict[str, str], measures: Sequence[Measures]) -> Block:
    rows = [[title, *(item.numbers[name] for item in measures)] for name, title in names.items()]
    return table(caption, ["measure", *(item.source for item in measures)], rows)
