"""Plots to move about in: plotly's script and the figures' data, as files that a page opened from disk may load."""

from __future__ import annotations

import json
from pathlib import Path

from clapline.chapter import Block
from clapline.errors import UserError
from clapline.storage import write_text
from stages.report.chapters import Placed

LIBRARY = "plotly.min.js"


def has_plots(chapters: list[Placed]) -> bool:
    """Return whether any chapter has a plot."""
    return any(block.kind == "plot" for placed in chapters for block in placed.chapter.blocks)


def plot_name(stage: str, block: Block) -> str:
    """Return the name by which the page finds a plot's figure."""
    return f"{stage}/{block.file}"


def write_plot(source: Path, target: Path, name: str) -> None:
    """Write a figure as a script that keeps it under its name: a page on disk may load scripts, but no JSON.

    Raises UserError when the file is no plotly figure.
    """
    try:
        figure = json.loads(source.read_text(encoding="utf-8"))
        kept = {"data": figure["data"], "layout": figure["layout"]}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{source} is no plotly figure: {type(error).__name__}: {error}") from None
    # Whatever the captions hold, the script ends where it should.
    text = json.dumps(kept, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    write_text(target, f"(window.figures ??= {{}})[{json.dumps(name)}] = {text};\n")


def write_library(site: Path) -> None:
    """Write plotly's own script, which the package brings along."""
    from plotly.offline import get_plotlyjs

    write_text(site / LIBRARY, get_plotlyjs())
