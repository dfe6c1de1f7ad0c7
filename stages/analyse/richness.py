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
from stages.analyse.lexical_chapter import write_richness_chapter, write_tsv
from stages.analyse.sources import caption_sources

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
    with atomic_folder(REPORT) as folder:
        summary = [{"dataset": item.dataset, "source": item.source, **item.numbers} for item in measures]
        write_json(folder / "summary.json", {"mtld_threshold": settings.mtld_threshold, "sources": summary})
        write_tsv(folder / "richness.tsv", measures)
        write_richness_chapter(folder, measures, settings.mtld_threshold)
    for item in measures:
        print(
            f"richness {item.dataset}/{item.source}: {item.numbers['captions']} captions, "
            f"vocabulary {item.numbers['vocabulary']}, MTLD of the corpus {item.numbers['mtld_corpus'] or 0:.1f}"
        )


if __name__ == "__main__":
    main()
