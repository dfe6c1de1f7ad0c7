"""The figures of the chapter: what was dropped by which check, and how texts lie by overlap and similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clapline.figures import PALETTE, new_figure, save_figure
from stages.captions.audit.fates import Fate

_COLOURS = {"train": PALETTE[0], "test": PALETTE[1]}
_LATER = PALETTE[7]
_BARS = 24


@dataclass(frozen=True)
class Panel:
    """One set of axes: the values of each series, and the bounds that the checks set."""

    title: str
    series: dict[str, np.ndarray]
    bounds: dict[str, float] = field(default_factory=dict)  # words beside the line → where it stands
    colours: dict[str, str] = field(default_factory=lambda: dict(_COLOURS))


def draw_fates(path: Path, fates: Sequence[Fate]) -> None:
    """Draw, for every task, the share of captions not accepted at once: asked again, or dropped by which check."""
    shown = [fate for fate in fates if fate.captions]
    checks = sorted({check for fate in shown for check in fate.dropped})
    figure = new_figure(7.2, 1.3 + 0.34 * max(len(shown), 2))
    axes = figure.subplots()
    places = np.arange(len(shown))
    left = np.zeros(len(shown))
    parts = {"accepted when asked again": [fate.later for fate in shown]}
    parts |= {f"dropped: {check.replace('_', ' ')}": [fate.dropped[check] for fate in shown] for check in checks}
    for place, (name, counts) in enumerate(parts.items()):
        shares = 100 * np.array(counts) / np.array([fate.captions for fate in shown]) if shown else left
        # More checks than colours: the colours come round again, hatched.
        colour = PALETTE[(place - 1) % (len(PALETTE) - 1)] if place else _LATER
        hatch = "///" if place > len(PALETTE) - 1 else None
        axes.barh(places, shares, 0.72, left=left, color=colour, hatch=hatch, edgecolor="white", label=name)
        left = left + shares
    longest = max([*left, 0.5])
    for place, fate in zip(places, shown, strict=True):
        axes.text(
            left[place] + 0.01 * longest, place, f"{100 * (fate.accepted_share or 0):.1f} % accepted", va="center"
        )
    axes.set_yticks(places, [fate.title for fate in shown])
    axes.set(xlabel="captions (%)", xlim=(0, 1.3 * longest))
    axes.set_ylim(len(shown) - 0.4, -0.6)
    figure.legend(frameon=False, ncols=2, loc="outside lower center", fontsize=8)
    save_figure(figure, path)


def draw_panels(path: Path, panels: Sequence[Sequence[Panel]], label: str, low: float = 0.0) -> None:
    """Draw a grid of histograms, the share of texts by value, from `low` to 1; the checks' bounds as broken lines."""
    rows, columns = len(panels), max(map(len, panels))
    figure = new_figure(min(4.2 * columns, 7.2), 0.6 + 2.1 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    edges = np.linspace(low, 1, _BARS + 1)
    drawn = {}
    for axes, panel in zip(grid.flat, [panel for row in panels for panel in _filled(row, columns)], strict=True):
        if panel is None:
            axes.set_axis_off()
            continue
        for name, values in panel.series.items():
            if len(values):
                counts, _ = np.histogram(np.clip(values, low, 1), edges)
                shares = 100 * counts / len(values)
                colour = panel.colours.get(name, PALETTE[2])
                axes.stairs(shares, edges, fill=True, alpha=0.25, color=colour)
                drawn[name] = axes.stairs(shares, edges, color=colour, linewidth=1.4)
        top = 1.15 * axes.get_ylim()[1]
        for words, place in panel.bounds.items():
            axes.axvline(place, color=PALETTE[5], linestyle="--", linewidth=1)
            side = "right" if place > (1 + low) / 2 else "left"
            axes.text(place, top, f" {words} ", color=PALETTE[5], fontsize=8, va="top", ha=side)
        axes.set_title(panel.title, fontsize=10)
        axes.set(xlim=(low, 1), ylim=(0, top))
    for row in grid:
        row[0].set_ylabel("texts (%)")
    figure.supxlabel(label, fontsize=10)
    if len(drawn) > 1:
        figure.legend(list(drawn.values()), list(drawn), frameon=False, ncols=len(drawn), loc="outside upper right")
    save_figure(figure, path)


def _filled(row: Sequence[Panel], columns: int) -> list[Panel | None]:
    return [*row, *[None] * (columns - len(row))]
