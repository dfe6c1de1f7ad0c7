"""Write the page of a study, as Markdown and as one HTML file that needs no other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from clapline.figures import PALETTE, new_figure, save_figure
from clapline.storage import write_text
from stages.report.page import STYLE
from studies.definition import Study
from studies.text import Differences, Part, markdown


def draw(study: Study, found: Differences, path: Path) -> None:
    """Draw each arm minus its control with its 95 % interval as SVG, a panel per column."""
    arms = list(dict.fromkeys(arm for arm, _ in found))
    columns = [column.title for column in study.columns if any((arm, column.title) in found for arm in arms)]
    figure = new_figure(2.1 * len(columns) + 1.4, 0.32 * len(arms) + 1.1)
    panels = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
    for column, panel in zip(columns, panels, strict=True):
        panel.axvline(0.0, color="0.6", linewidth=0.8)
        for place, arm in enumerate(arms):
            one = found.get((arm, column))
            if one is not None and one.low is not None:
                panel.hlines(place, one.low, one.high, color=PALETTE[0], alpha=0.5, linewidth=2)
                panel.plot([one.estimate], [place], marker="o", markersize=4, color=PALETTE[0])
        panel.set_title(column, fontsize="small")
        panel.set_yticks(range(len(arms)), arms)
        panel.tick_params(labelsize="small")
        panel.margins(x=0.15)
    panels[0].invert_yaxis()
    figure.supxlabel("minus the control", fontsize="small")
    save_figure(figure, path)


def write_page(folder: Path, name: str, title: str, introduction: Sequence[str], parts: Sequence[Part]) -> None:
    """Write `name`.md and `name`.html; the figures that parts name lie in `folder` already."""
    write_text(folder / f"{name}.md", markdown(title, introduction, parts))
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["marked"] = _marked
    pictures = {part.figure: _inline(folder / part.figure) for part in parts if part.figure}
    style = STYLE.read_text(encoding="utf-8")
    page = made.get_template("study.html.jinja")
    html = page.render(title=title, introduction=introduction, parts=parts, pictures=pictures, style=style)
    write_text(folder / f"{name}.html", html)


def _marked(text: str) -> Markup:
    """Return a sentence with `code` and links as HTML, everything else escaped."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"(https?://[^\s<>&,;)]+[^\s<>&,;.)])", r'<a href="\1">\1</a>', html))


def _inline(path: Path) -> str:
    svg = path.read_text(encoding="utf-8")
    return svg[svg.index("<svg") :]
