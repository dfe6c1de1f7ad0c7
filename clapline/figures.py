"""Figures as SVG whose bytes depend on the data alone (no date, fixed ids), in one quiet style."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

from matplotlib.figure import Figure

from clapline.storage import atomic_path

PALETTE = ("#2b6cb0", "#dd6b20", "#2f855a", "#805ad5", "#b7791f", "#c53030", "#2c7a7b", "#718096")

mpl.rcParams.update(
    {
        "svg.hashsalt": "clapline",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": mpl.cycler(color=PALETTE),
        "figure.constrained_layout.use": True,
    }
)


def new_figure(width_inches: float = 6.4, height_inches: float = 3.6) -> Figure:
    """Return an empty figure (no global pyplot state)."""
    return Figure(figsize=(width_inches, height_inches))


def save_figure(figure: Figure, path: Path | str) -> None:
    """Write a figure atomically as SVG."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
