"""Human beside generated captions: `python -m stages.analyse.compare_captions --human FILE --generated FILE --out DIR`.

Draws MTLD as densities and violins (figure 4.5 of the thesis), clouds of the 100 most frequent words of each side
(figure 4.4), lengths, and the words that set the sides apart; writes what was measured as TSV, prints it as Markdown.

A file is CSV or Parquet with a clip column (clip_id, file_name or youtube_id) and caption_1, caption_2, … or caption,
text or captions. Where one file holds both sides, as the thesis's own does, say which columns are whose:

    --human F.csv --human-columns 1-5 --generated F.csv --generated-columns 6-10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from clapline.errors import UserError, door
from clapline.params.richness import Richness
from stages.analyse.lexical import ALL_DATASETS, Measures, measure_sources
from stages.analyse.lexical_chapter import READING, warnings, write_figures
from stages.analyse.lexical_comparison import Comparison, compare_sources
from stages.analyse.lexical_figures import shown_words
from stages.analyse.lexical_files import number_range, read_captions
from stages.analyse.lexical_tables import (
    COMPARED,
    COUNTS,
    VARIETY,
    plain_comparisons,
    write_comparisons,
    write_measures,
    write_words,
)

HUMAN, GENERATED = "human", "generated"


@door
def main(arguments: Sequence[str] | None = None) -> None:
    """Read both files, measure them, write figures and tables, print the tables."""
    given = _given(arguments)
    threshold = given.mtld_threshold
    if not 0 < threshold < 1:
        raise UserError(f"--mtld-threshold {threshold:g}: must lie between 0 and 1")
    captions = pd.DataFrame(
        [
            (ALL_DATASETS, clip, source, 0, text)
            for source, path, columns in (
                (HUMAN, given.human, given.human_columns),
                (GENERATED, given.generated, given.generated_columns),
            )
            for clip, text in read_captions(path, columns)
        ],
        columns=["dataset", "clip_id", "source", "caption_index", "text"],
    )
    measures = measure_sources(captions, threshold)
    comparisons = compare_sources(measures, HUMAN, threshold)
    try:
        given.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {given.out}: {error.strerror}") from error
    write_figures(given.out, measures, comparisons, threshold)
    write_measures(given.out / "richness.tsv", measures)
    write_comparisons(given.out / "comparisons.tsv", comparisons)
    write_words(given.out / "distinguishing_words.tsv", comparisons)
    print(spoken(measures, comparisons[0]))


def spoken(measures: Sequence[Measures], comparison: Comparison) -> str:
    """Return the tables and what they say as Markdown."""
    sources = [["measure", HUMAN, GENERATED]]
    sources += [
        [title, *(_cell(item.numbers[name]) for item in measures)] for name, title in (COUNTS | VARIETY).items()
    ]
    compared = [["MTLD", *(_sides(title) for title in COMPARED.values())]]
    compared += [
        [f"per {row['level']}", *(_cell(row[name]) for name in COMPARED)] for row in plain_comparisons([comparison])
    ]
    human, generated = comparison.clips
    shared = (
        f"Compared: the {human} clips that both have, with equally many captions of each."
        if comparison.same_clips
        else f"Compared: {human} clips with {generated} others, as the files share none. A clip with more captions has "
        "another MTLD for that alone: mind the captions per clip."
    )
    parts = [
        _markdown(sources),
        _markdown(compared),
        shared,
        READING.replace("the originals", "the human captions").replace("the source", "the generated"),
    ]
    parts += [block.caption for block in warnings(measures)]
    more, less = shown_words(comparison.words)
    for name, words in ((GENERATED, more), (HUMAN, less)):
        parts.append(f"More in {name} captions (z): {', '.join(f'{word.word} {abs(word.z):.1f}' for word in words)}.")
    return "\n\n".join(parts)


def _sides(words: str) -> str:
    return words.replace("originals", HUMAN).replace("source", GENERATED)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: float | int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if value >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.2g}"


def _columns(words: str) -> tuple[int, int]:
    try:
        return number_range(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{words}: a range of caption columns such as 6-10") from None


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in (HUMAN, GENERATED):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=f"the {name} captions")
        parser.add_argument(f"--{name}-columns", type=_columns, metavar="N-M", help="of caption_N; all of them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for figures and tables")
    default = Richness().mtld_threshold
    parser.add_argument("--mtld-threshold", type=float, default=default, help=f"an MTLD stretch closes here; {default}")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
