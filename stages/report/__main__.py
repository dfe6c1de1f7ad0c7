"""`python -m stages.report`: lay out the stages' chapters as `reports/index.html`, their files in `reports/site/`."""

from __future__ import annotations

import shutil
from pathlib import Path

from clapline.errors import UserError, door
from clapline.params.base import read_section
from clapline.params.report import Report
from clapline.storage import atomic_folder, read_json, write_text
from stages.report.chapters import copy_files, read_chapters
from stages.report.headline import compare, others
from stages.report.page import STYLE, render

REPORTS = Path("reports")


@door
def main() -> None:
    """Read metrics and chapters, write the page."""
    settings = read_section("report", Report)
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
    page = render(settings.title, chapters, comparisons, others(metrics, comparisons))
    write_text(REPORTS / "index.html", page)
    print(f"report: {len(chapters)} chapters in {REPORTS}/index.html")


if __name__ == "__main__":
    main()
