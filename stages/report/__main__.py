"""`python -m stages.report`: lay out the stages' chapters as `reports/index.html`, their files in `reports/site/`."""

from __future__ import annotations

import shutil
from pathlib import Path

from clapline.errors import UserError, door
from clapline.params.base import read_params, read_section
from clapline.params.report import Report
from clapline.storage import atomic_folder, read_json, write_text
from stages.report.chapters import Placed, copy_files, named_file, read_chapters
from stages.report.facts import parameters, versions
from stages.report.headline import compare, in_words, others
from stages.report.page import SCRIPT, STYLE, render
from stages.report.plots import has_plots, plot_name, write_library, write_plot

REPORTS = Path("reports")


@door
def main() -> None:
    """Read metrics and chapters, write the page."""
    settings, params = read_section("report", Report), read_params()
    chapters = read_chapters(REPORTS)
    try:
        metrics = read_json(REPORTS / "metrics.json")
    except FileNotFoundError:
        raise UserError(f"{REPORTS}/metrics.json: no such file; run the stage evaluate first") from None
    measured = REPORTS / "evaluate/intervals.json"
    comparisons = compare(metrics, read_json(measured) if measured.exists() else [])
    with atomic_folder(REPORTS / "site") as site:
        shutil.copyfile(STYLE, site / "style.css")
        for placed in chapters:
            copy_files(REPORTS, placed, site)
            write_plots(placed, site)
        if has_plots(chapters):
            shutil.copyfile(SCRIPT, site / SCRIPT.name)
            write_library(site)
    page = render(settings.title, chapters, comparisons, others(metrics, comparisons), parameters(params), versions())
    write_text(REPORTS / "index.html", page)
    for line in in_words(comparisons):
        print(f"report: {line}")
    print(f"report: {len(chapters)} chapters in {REPORTS}/index.html")


def write_plots(placed: Placed, site: Path) -> None:
    """Write the figures of a chapter's plots beside its other files."""
    for block in placed.chapter.blocks:
        if block.kind == "plot":
            source = named_file(REPORTS / placed.stage, block, block.file)
            write_plot(source, site / placed.stage / f"{block.file}.js", plot_name(placed.stage, block))


if __name__ == "__main__":
    main()
