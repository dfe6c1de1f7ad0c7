"""The map of the largest topics: a still picture, and the same points to move about in."""

from __future__ import annotations

import colorsys
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clapline.figures import new_figure, save_figure
from clapline.storage import write_text
from clapline.text.topics import OUTLIER
from stages.analyse.topic_model import Fitted

MAP_FIGURE, MAP_PLOT = "map.svg", "map.json"
_SHOWN_WORDS = 3
# Beyond this the dots cover each other and the files only grow.
_TOPIC_POINTS, _OTHER_POINTS = 2000, 1000
_HOVER_CHARACTERS = 90
_OTHER, _OTHER_COLOUR = "other or none", "#a0aec0"


def topic_name(topic: int, words: list[str]) -> str:
    """Return a topic's number and its first words."""
    return f"{topic}: {', '.join(words[:_SHOWN_WORDS])}"


def shown_points(fitted: Fitted, shown: int) -> np.ndarray:
    """Return the rows on the map, ascending: at most 2,000 of the largest topics and 1,000 others, drawn at random."""
    known = np.isfinite(fitted.places).all(axis=1)
    large = (fitted.assignments != OUTLIER) & (fitted.assignments < shown)
    # By a draw: every n-th row could be the same caption of every clip.
    draws = np.random.default_rng(0)
    chosen = [
        draws.choice(rows, min(len(rows), most), replace=False)
        for rows, most in (
            (np.flatnonzero(known & large), _TOPIC_POINTS),
            (np.flatnonzero(known & ~large), _OTHER_POINTS),
        )
    ]
    return np.sort(np.concatenate(chosen))


def draw_map(path: Path, fitted: Fitted, shown: int) -> None:
    """Draw the captions of the largest topics in two dimensions, numbered in their middle, named in the legend."""
    topics = fitted.topics.words[:shown]
    rows = -(-(len(topics) + 1) // 2)
    picture = new_figure(8.2, 5.2 + 0.2 * rows)
    panel = picture.subplots()
    points = shown_points(fitted, shown)
    found = fitted.assignments[points]
    rest = points[(found == OUTLIER) | (found >= len(topics))]
    panel.scatter(*fitted.places[rest].T, s=2.5, color=_OTHER_COLOUR, alpha=0.5, linewidths=0, label=_OTHER)
    colours = _colours(len(topics))
    for topic, words in enumerate(topics):
        name = topic_name(topic, words)
        panel.scatter(*fitted.places[points[found == topic]].T, s=6, color=colours[topic], linewidths=0, label=name)
        panel.annotate(
            str(topic),
            _middle(fitted, topic),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colours[topic], "alpha": 0.85},
        )
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)
    picture.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9, markerscale=2.5)
    save_figure(picture, path)


def write_map_plot(path: Path, fitted: Fitted, captions: pd.DataFrame, shown: int) -> None:
    """Write the map for plotly: a trace per topic, each point with its caption and where that comes from."""
    topics = fitted.topics.words[:shown]
    points = shown_points(fitted, shown)
    found = fitted.assignments[points]
    colours = ["#{:02x}{:02x}{:02x}".format(*(round(255 * part) for part in rgb)) for rgb in _colours(len(topics))]
    rest = points[(found == OUTLIER) | (found >= len(topics))]
    traces = [_trace(_OTHER, rest, fitted, captions, {"size": 4, "color": _OTHER_COLOUR, "opacity": 0.45})]
    traces += [
        _trace(topic_name(topic, words), points[found == topic], fitted, captions, {"size": 5, "color": colours[topic]})
        for topic, words in enumerate(topics)
    ]
    hidden = {"visible": False}
    numbers = [
        {
            "text": f"<b>{topic}</b>",
            "x": x,
            "y": y,
            "yshift": 12,
            "showarrow": False,
            "font": {"size": 11, "color": "#1a202c"},
            "bgcolor": "rgba(255,255,255,0.8)",
            "bordercolor": colours[topic],
            "borderpad": 1,
        }
        for topic in range(len(topics))
        for x, y in [_middle(fitted, topic).round(3).tolist()]
    ]
    layout = {
        "xaxis": hidden,
        "yaxis": hidden,
        "annotations": numbers,
        "hovermode": "closest",
        "height": 560 + 11 * len(topics),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        # Grey enough to be read on a light page and on a dark one.
        "font": {"color": "#718096", "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "y": -0.02, "yanchor": "top", "itemsizing": "constant"},
    }
    # Without the indents of write_json, which would double the file.
    write_text(path, json.dumps({"data": traces, "layout": layout}, separators=(",", ":"), allow_nan=False) + "\n")


def _trace(
    name: str, rows: np.ndarray, fitted: Fitted, captions: pd.DataFrame, marker: dict[str, Any]
) -> dict[str, Any]:
    places = fitted.places[rows].astype(float).round(3)
    hover = [
        f"{_cut(text)}<br><i>{html.escape(source, quote=False)}</i>"
        for text, source in zip(captions["text"].iloc[rows], captions["source"].iloc[rows], strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": html.escape(name, quote=False),
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "text": hover,
        "hoverinfo": "text+name",
        "hoverlabel": {"namelength": -1},
        "marker": marker,
    }


def _cut(text: str) -> str:
    # Plotly reads tags and entities in what it shows.
    short = text if len(text) <= _HOVER_CHARACTERS else f"{text[: _HOVER_CHARACTERS - 1].rstrip()}…"
    return html.escape(short, quote=False)


def _middle(fitted: Fitted, topic: int) -> np.ndarray:
    """Return the place of the topic's caption nearest to the median: on the topic even where it lies in two parts."""
    places = fitted.places[fitted.assignments == topic]
    return places[((places - np.median(places, axis=0)) ** 2).sum(axis=1).argmin()]


def _colours(count: int) -> list[tuple[float, float, float]]:
    """Return colours that neighbours in the legend do not share: hues by the golden angle, two lightnesses."""
    return [colorsys.hls_to_rgb((0.58 + 0.381966 * i) % 1, (0.44, 0.58)[i % 2], 0.65) for i in range(count)]
