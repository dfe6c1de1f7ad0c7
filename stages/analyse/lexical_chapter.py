"""What the report says about richness: tables, two figures, and a warning where MTLD only counts words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clapline.chapter import Block, Chapter, figure, table, text, write_chapter
from clapline.figures import PALETTE, new_figure, save_figure
from clapline.storage import write_text
from stages.analyse.lexical import ALL_DATASETS, MOVING_WINDOW_WORDS, Measures
from stages.analyse.sources import MEANING

MTLD_FIGURE, LENGTH_FIGURE = "mtld.svg", "words_per_caption.svg"
# Above this share of captions the mean MTLD per caption says little more than their length.
MERELY_LENGTH_SHARE = 0.25

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
}
VARIETY = {
    "overlap_within_clip": "word overlap within a clip (Jaccard; lower is more varied)",
    "ttr_per_clip_mean": "type-token ratio per clip",
    f"moving_ttr_{MOVING_WINDOW_WORDS}": f"type-token ratio, moving window of {MOVING_WINDOW_WORDS} words",
    "mtld_caption_mean": "MTLD per caption, mean",
    "mtld_caption_sd": "MTLD per caption, sd",
    "mtld_caption_median": "MTLD per caption, median",
    "mtld_caption_is_length_share": "share of captions whose MTLD is just their length",
    "mtld_clip_mean": "MTLD per clip, mean",
    "mtld_clip_sd": "MTLD per clip, sd",
    "mtld_clip_median": "MTLD per clip, median",
    "mtld_corpus": "MTLD of the corpus",
}


def write_tsv(path: Path, measures: Sequence[Measures]) -> None:
    """Write one line per dataset and source, six significant digits; an empty cell where nothing can be measured."""
    names = [*COUNTS, *VARIETY]
    lines = ["\t".join(["dataset", "source", *names])]
    for item in measures:
        cells = ["" if item.numbers[name] is None else f"{item.numbers[name]:.6g}" for name in names]
        lines.append("\t".join([item.dataset, item.source, *cells]))
    write_text(path, "\n".join(lines) + "\n")


def draw_mtld(path: Path, measures: Sequence[Measures], threshold: float) -> None:
    """Draw violins of MTLD per caption and per clip, a dot at each median."""
    picture = new_figure(7.2, 0.9 + 0.62 * max(len(measures), 2))
    panels = picture.subplots(1, 2, sharey=True)
    titles = ("per caption", "per clip (its captions joined)")
    for panel, title, name in zip(panels, titles, ("mtld_captions", "mtld_clips"), strict=True):
        for place, item in enumerate(measures):
            values = np.asarray(getattr(item, name))
            if not len(values):
                continue
            # A few far outliers would squeeze everything else: the violin ends at the 99th percentile.
            shown = values[values <= np.percentile(values, 99)]
            parts = panel.violinplot(
                [shown], positions=[place], orientation="horizontal", widths=0.8, showextrema=False
            )
            for body in parts["bodies"]:
                body.set(facecolor=PALETTE[place % len(PALETTE)], alpha=0.55, edgecolor="none")
            panel.plot(np.median(values), place, "o", color="#1a202c", markersize=4)
        panel.set(title=title, xlabel="MTLD (words)", xlim=(0, None))
    panels[0].set_yticks(range(len(measures)), [item.source for item in measures])
    panels[0].set_ylim(len(measures) - 0.4, -0.6)
    picture.suptitle(f"Lexical diversity (MTLD, threshold {threshold:g})", fontsize=11)
    save_figure(picture, path)


def draw_lengths(path: Path, measures: Sequence[Measures]) -> None:
    """Draw the share of captions that have each number of words."""
    picture = new_figure(6.4, 3.2)
    panel = picture.subplots()
    for place, item in enumerate(measures):
        if item.words:
            shares = np.bincount(item.words) / len(item.words)
            first = max(min(item.words) - 1, 0)
            panel.plot(
                range(first, len(shares)),
                100 * shares[first:],
                color=PALETTE[place % len(PALETTE)],
                marker="o",
                markersize=2.5,
                linewidth=1.4,
                label=item.source,
            )
    panel.set(xlabel="words per caption", ylabel="captions (%)", ylim=(0, None))
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.legend(frameon=False)
    save_figure(picture, path)


def write_richness_chapter(folder: Path, measures: Sequence[Measures], threshold: float) -> None:
    """Write figures and `chapter.json`. `measures` come from `lexical.measure_sources`."""
    whole = [item for item in measures if item.dataset == ALL_DATASETS]
    draw_mtld(folder / MTLD_FIGURE, whole, threshold)
    draw_lengths(folder / LENGTH_FIGURE, whole)
    blocks = [
        text(MEANING),
        *warnings(whole),
        figure("MTLD by source: violins up to the 99th percentile, dots at the medians.", MTLD_FIGURE),
        figure("Words per caption by source.", LENGTH_FIGURE),
        _compared("Words and vocabulary. Vocabulary grows with the number of captions.", COUNTS, whole),
        _compared("Variety. Higher MTLD and type-token ratio, lower overlap: more varied wording.", VARIETY, whole),
    ]
    for name in dict.fromkeys(item.dataset for item in measures if item.dataset != ALL_DATASETS):
        part = [item for item in measures if item.dataset == name]
        blocks.append(_compared(f"Dataset {name} alone.", COUNTS | VARIETY, part))
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
            f"words, mostly as no word comes twice ({', '.join(affected)}). Compare sources per clip or per corpus, "
            "not per caption."
        )
    ]


def _compared(caption: str, names: dict[str, str], measures: Sequence[Measures]) -> Block:
    rows = [[title, *(item.numbers[name] for item in measures)] for name, title in names.items()]
    return table(caption, ["measure", *(item.source for item in measures)], rows)
