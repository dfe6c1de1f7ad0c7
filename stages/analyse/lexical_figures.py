"""Figures of richness: MTLD as densities and violins, lengths, and the words that set sources apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from clapline.figures import PALETTE, new_figure, save_figure
from clapline.text.distinguishing import WordScore
from stages.analyse.lexical import Measures
from stages.analyse.lexical_comparison import Comparison

SHOWN_WORDS = 12
# A few far outliers would squeeze everything else: figures of MTLD end where all sources have this share behind them.
SHOWN_PERCENTILE = 99
_PER_CAPTION, _PER_CLIP = "per caption", "per clip (its captions joined)"


def colour_of(place: int) -> str:
    """Return the colour of the source at that place among the sources of a chapter, the same in all its figures."""
    return PALETTE[place % len(PALETTE)]


def draw_violins(path: Path, measures: Sequence[Measures], threshold: float) -> None:
    """Draw violins of MTLD per caption and per clip, a dot at each median and a bar over the middle half."""
    picture = new_figure(7.2, 0.9 + 0.62 * max(len(measures), 2))
    panels = picture.subplots(1, 2, sharey=True)
    for panel, (title, values) in zip(panels, _levels(measures), strict=True):
        for place, own in enumerate(values):
            if not len(own):
                continue
            shown = own[own <= np.percentile(own, SHOWN_PERCENTILE)]
            parts = panel.violinplot(
                [shown], positions=[place], orientation="horizontal", widths=0.8, showextrema=False, points=150
            )
            for body in parts["bodies"]:
                body.set(facecolor=colour_of(place), alpha=0.55, edgecolor="none")
            panel.plot(np.percentile(own, [25, 75]), [place, place], color="#1a202c", linewidth=1.6)
            panel.plot(np.median(own), place, "o", color="#1a202c", markersize=4.5)
        panel.set(title=title, xlabel="MTLD (words)", xlim=(0, None))
    panels[0].set_yticks(range(len(measures)), [item.source for item in measures])
    panels[0].set_ylim(len(measures) - 0.4, -0.6)
    picture.suptitle(f"Lexical diversity (MTLD, threshold {threshold:g})", fontsize=11)
    save_figure(picture, path)


def draw_densities(path: Path, measures: Sequence[Measures], threshold: float) -> None:
    """Draw the density of MTLD per caption and per clip, all sources over each other."""
    picture = new_figure(7.2, 3.2)
    panels = picture.subplots(1, 2)
    for panel, (title, values) in zip(panels, _levels(measures), strict=True):
        end = max((float(np.percentile(own, SHOWN_PERCENTILE)) for own in values if len(own)), default=1.0)
        for place, own in enumerate(values):
            if len(own):
                grid, density = density_of(own, end)
                panel.plot(grid, density, color=colour_of(place), linewidth=1.5, label=measures[place].source)
                panel.fill_between(grid, density, color=colour_of(place), alpha=0.12, linewidth=0)
        panel.set(title=title, xlabel="MTLD (words)", xlim=(0, end), ylim=(0, None))
    panels[0].set_ylabel("density")
    panels[0].legend(frameon=False)
    picture.suptitle(f"Lexical diversity (MTLD, threshold {threshold:g})", fontsize=11)
    save_figure(picture, path)


def density_of(values: np.ndarray, end: float, points: int = 250) -> tuple[np.ndarray, np.ndarray]:
    """Return `points` places from 0 to `end`, above 0, and the Gaussian kernel density of the values there.

    The kernel is as wide as Scott's rule says, but two of the places at least.
    Values are counted per place first, so that the time does not grow with their number times the number of places.
    """
    step = end / points
    places = max(int(np.ceil(values.max() / step)) + 1, points)
    shares = np.bincount(np.minimum((values / step).astype(int), places - 1), minlength=places) / (len(values) * step)
    width = float(values.std()) * len(values) ** -0.2 / step
    # No mass may leak below 0: what a kernel would put there is put back above.
    smooth = gaussian_filter1d(shares, max(width, 2.0), mode="reflect")
    return (np.arange(points) + 0.5) * step, smooth[:points]


def draw_lengths(path: Path, measures: Sequence[Measures]) -> None:
    """Draw the share of captions that have each number of words."""
    picture = new_figure(6.4, 3.2)
    panel = picture.subplots()
    end = 1.0
    for place, item in enumerate(measures):
        lengths = [len(caption.words) for caption in item.captions]
        if not lengths:
            continue
        shares = np.bincount(lengths) / len(lengths)
        first = max(min(lengths) - 1, 0)
        end = max(end, float(np.percentile(lengths, 99.9)) + 1)
        panel.plot(
            range(first, len(shares)),
            100 * shares[first:],
            color=colour_of(place),
            marker="o",
            markersize=2.5,
            linewidth=1.4,
            label=item.source,
        )
    panel.set(xlabel="words per caption", ylabel="captions (%)", ylim=(0, None), xlim=(0, end))
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.legend(frameon=False)
    save_figure(picture, path)


def shown_words(scores: Sequence[WordScore], count: int = SHOWN_WORDS) -> tuple[list[WordScore], list[WordScore]]:
    """Return the words that belong most to the first set, and those that belong most to the second, strongest first."""
    first = [score for score in scores[:count] if score.z > 0]
    second = [score for score in reversed(scores[-count:]) if score.z < 0]
    return first, second


def draw_words(path: Path, comparisons: Sequence[Comparison], colours: Sequence[str], own_colour: str) -> None:
    """Draw bars of the words that set each source apart from the originals, two sources side by side.

    `colours` are those of the sources; `own_colour` is that of the originals. At least one comparison.
    """
    columns = min(len(comparisons), 2)
    rows = -(-len(comparisons) // columns)
    picture = new_figure(1 + 3.2 * columns, 0.3 + 3.9 * rows)
    panels = picture.subplots(rows, columns, squeeze=False).ravel()
    for panel, item, colour in zip(panels, comparisons, colours, strict=False):
        _bars(panel, item, colour, own_colour)
    for panel in panels[len(comparisons) :]:
        panel.remove()
    save_figure(picture, path)


def _bars(panel: Any, item: Comparison, colour: str, own_colour: str) -> None:
    first, second = shown_words(item.words)
    bars = [*first, *reversed(second)]
    scores = [bar.z for bar in bars]
    panel.barh(range(len(bars)), scores, color=[colour if score > 0 else own_colour for score in scores], alpha=0.75)
    panel.set_yticks(range(len(bars)), [bar.word[:20] for bar in bars], fontsize=8)
    panel.set_ylim(len(bars) - 0.4, -0.6)
    panel.axvline(0, color="#1a202c", linewidth=0.8)
    panel.set_title(f"← {item.original}  |  {item.source} →", fontsize=10)
    panel.set_xlabel("log-odds, z")


def _levels(measures: Sequence[Measures]) -> list[tuple[str, list[np.ndarray]]]:
    return [
        (_PER_CAPTION, [np.array([caption.mtld for caption in item.captions]) for item in measures]),
        (_PER_CLIP, [np.array(item.mtld_clips) for item in measures]),
    ]
