"""`python -m stages.analyse.richness`: how rich the wording is of original, paraphrased and synthetic captions."""

from __future__ import annotations

from pathlib import Path

from clapline.errors import UserError, door
from clapline.params.base import read_section
from clapline.params.richness import Richness
from clapline.storage import atomic_folder, write_json
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from stages.analyse.lexical import measure_sources
from stages.analyse.lexical_chapter import write_richness_chapter
from stages.analyse.lexical_comparison import compare_sources
from stages.analyse.lexical_tables import plain_comparisons, write_comparisons, write_measures, write_words
from stages.analyse.sources import ORIGINAL, caption_sources

REPORT = Path("reports/richness")


@door
def main() -> None:
    """Read the three caption tables, measure each source, write `reports/richness/`."""
    settings = read_section("richness", Richness)
    captions = caption_sources(
        CLIPS.read("data/captioned/paired.parquet"),
        PARAPHRASES.read("data/captions/paraphrases_train.parquet"),
        SYNTHETIC.read("data/captions/synthetic.parquet"),
    )
    if captions.empty:
        raise UserError("richness: no captions in data/captioned/paired.parquet; the role `paired` needs clips")
    measures = measure_sources(captions, settings.mtld_threshold)
    comparisons = compare_sources(measures, ORIGINAL, settings.mtld_threshold)
    with atomic_folder(REPORT) as folder:
        summary = {
            "mtld_threshold": settings.mtld_threshold,
            "sources": [{"dataset": item.dataset, "source": item.source, **item.numbers} for item in measures],
            "comparisons": plain_comparisons(comparisons),
        }
        write_json(folder / "summary.json", summary)
        write_measures(folder / "richness.tsv", measures)
        write_comparisons(folder / "comparisons.tsv", comparisons)
        write_words(folder / "distinguishing_words.tsv", comparisons)
        write_richness_chapter(folder, measures, comparisons, settings.mtld_threshold)
    for item in measures:
        print(
            f"richness {item.dataset}/{item.source}: {item.numbers['captions']} captions, "
            f"vocabulary {item.numbers['vocabulary']}, MTLD of the corpus {item.numbers['mtld_corpus'] or 0:.1f}"
        )


if __name__ == "__main__":
    main()
