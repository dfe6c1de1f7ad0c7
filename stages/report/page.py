"""The page as HTML: one template, everything that comes from data escaped."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clapline.chapter import Block, Cell
from stages.report.chapters import Placed
from stages.report.headline import Comparison, highlights
from stages.report.numbers import is_number, numeric_columns, shown, signed
from stages.report.picture import BOX_HEIGHT, BOX_WIDTH, draw_pipeline
from stages.report.plots import LIBRARY, plot_name

TEMPLATES = Path(__file__).parent / "templates"
STYLE = TEMPLATES / "style.css"
SCRIPT = TEMPLATES / "plots.js"


def render(
    title: str,
    chapters: list[Placed],
    comparisons: list[Comparison],
    others: list[tuple[str, float]],
    parameters: list[tuple[str, list[tuple[str, Cell]]]],
    versions: list[tuple[str, str]],
) -> str:
    """Return `index.html`. Files are looked for under `site/<stage>/`.

    Args:
        title: the page's headline.
        chapters: in reading order.
        comparisons: metrics that both models have.
        others: metrics of one model or of none, as (name, value).
        parameters: of the run, by section.
        versions: with which the page was made.
    """
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            title=title,
            chapters=[(placed.stage, placed.chapter.title, _runs(placed.chapter.blocks)) for placed in chapters],
            comparisons=comparisons,
            highlights=highlights(comparisons),
            several_datasets=len({item.dataset for item in comparisons}) > 1,
            with_intervals=any(item.low is not None for item in comparisons),
            with_chance=any(item.chance is not None for item in comparisons),
            others=others,
            parameters=parameters,
            versions=versions,
            plots=[
                f"site/{quote(placed.stage)}/{quote(str(block.file))}.js"
                for placed in chapters
                for block in placed.chapter.blocks
                if block.kind == "plot"
            ],
            plotly=LIBRARY,
            plot_name=plot_name,
            drawing=draw_pipeline(),
            linked={placed.stage for placed in chapters},
            box=(BOX_WIDTH, BOX_HEIGHT),
            numeric_columns=numeric_columns,
        )
    )


def environment() -> Environment:
    """Return jinja2 with the house's templates and filters; whatever comes from data is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(shown=shown, signed=signed, path=_path)
    made.tests["number"] = is_number
    return made


def _runs(blocks: list[Block]) -> list[tuple[str, list[Block]]]:
    """Group neighbouring blocks of one kind, so that players and figures can stand side by side."""
    return [(kind, list(run)) for kind, run in groupby(blocks, key=lambda block: block.kind)]


def _path(stage: str, file: str) -> str:
    return quote(f"site/{stage}/{file}")
