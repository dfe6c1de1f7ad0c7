"""The searches: pairs above a threshold, whole or streamed; the k nearest; and what share of them an engine finds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clapline.errors import UserError
from clapline.progress import progress_bar
from clapline.search.decide import Decider
from clapline.search.engine import EXACT, Engine
from clapline.search.exact import Search
from clapline.search.rows import SLAB_VALUES, Rows, comparable, load, spans
from clapline.search.with_faiss import FaissSearch
from clapline.search.worker import Pairs, joined


def threshold_blocks(
    audio: Any,
    text: Any,
    threshold: float,
    block: int | None = None,
    *,
    engine: Engine = EXACT,
    shown: bool = False,
    description: str = "pairs",
) -> Iterator[Pairs]:
    """Yield every pair with similarity at or above the threshold, for some rows of `audio` at a time.

    Args:
        audio: `(n, dim)`, see `clapline.search.rows.Rows`.
        text: `(m, dim)`; read once for each yield.
        threshold: compared as float32.
        block: rows of either side taken at a time; None: what suits the machine. It changes no pair.
        engine: what proposes pairs.
        shown: whether a bar shows the progress.
        description: what stands beside the bar.

    Yields:
        `(audio_index, text_index, similarity)`, int64, int64 and float32, sorted by audio, then text.

    Raises:
        UserError: rows that hold NaN or inf or differ in dimensions, or an engine that is not installed.
    """
    audio, text = comparable(audio, text)
    if not audio.shape[0] or not text.shape[0]:
        return
    with _advance(audio.shape[0], shown, description) as advance:
        yield from _search(audio, text, engine, block, advance).reaching(threshold)


def threshold_pairs(
    audio: Any, text: Any, threshold: float, block: int | None = None, *, engine: Engine = EXACT, **bar: Any
) -> Pairs:
    """Return every pair with similarity at or above the threshold: all that `threshold_blocks` yields, together."""
    return joined(list(threshold_blocks(audio, text, threshold, block, engine=engine, **bar)))


def top_k(
    queries: Any,
    gallery: Any,
    k: int,
    block: int | None = None,
    *,
    engine: Engine = EXACT,
    shown: bool = False,
    description: str = "nearest",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the `min(k, m)` nearest gallery rows of each query, nearest first; ties go to the lower index.

    Args:
        queries: `(n, dim)`, see `clapline.search.rows.Rows`.
        gallery: `(m, dim)`; read once for each hundred thousand queries or so (of 512 dimensions).
        k: how many are wanted, 1 or more; hundreds are well, thousands slow.
        block: rows of either side taken at a time; None: what suits the machine. It changes no pair.
        engine: what proposes pairs.
        shown: whether a bar shows the progress.
        description: what stands beside the bar.

    Returns:
        `(index, similarity)`, int64 and float32, both `(n, min(k, m))`; -1 and -inf where `faiss_ivf` found fewer.

    Raises:
        UserError: k below 1, rows that hold NaN or inf or differ in dimensions, or an engine that is not installed.
    """
    if k < 1:
        raise UserError(f"top_k: k = {k}; allowed: 1 or more")
    queries, gallery = comparable(queries, gallery)
    count, k = queries.shape[0], min(k, gallery.shape[0])
    if not count or not k:
        return np.empty((count, k), dtype=np.int64), np.empty((count, k), dtype=np.float32)
    with _advance(count, shown, description) as advance:
        return _search(queries, gallery, engine, block, advance).nearest(k)


def highest_similarity(audio: Any, text: Any, block: int | None = None) -> float:
    """Return the largest similarity between any row of `audio` and any row of `text`; -inf when one is empty."""
    return float(top_k(audio, text, 1, block)[1].max(initial=-np.inf))


def similarities(first: Any, second: Any, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the similarity of each given pair, `first[row]` with `second[column]`, `(pairs,)` float32.

    The same numbers as in the results of a search.

    Raises:
        UserError: rows that hold NaN or inf or differ in dimensions.
        IndexError: a pair of a row that is not there.
    """
    first, second = comparable(first, second)
    row, column = np.asarray(row, dtype=np.int64), np.asarray(column, dtype=np.int64)
    for places, rows, name in ((row, first, "first"), (column, second, "second")):
        if len(places) and not 0 <= places.min() <= places.max() < rows.shape[0]:
            raise IndexError(f"{name}: rows {places.min()} to {places.max()} of {rows.shape[0]}")
    found, decider = np.empty(len(row), dtype=np.float32), Decider(first.shape[1])
    at_once = max(1, SLAB_VALUES // max(1, first.shape[1]))
    for span in spans(first.shape[0], at_once):
        here = np.flatnonzero((row >= span.start) & (row < span.stop))
        if not len(here):
            continue
        rows = load(first, span, "first").values
        for others in spans(second.shape[0], at_once):
            pairs = here[(column[here] >= others.start) & (column[here] < others.stop)]
            if len(pairs):
                columns = load(second, others, "second").values
                places = row[pairs] - span.start, column[pairs] - others.start
                found[pairs] = decider.similarities(rows, columns, *places)
    return found


def recall(
    audio: Any,
    text: Any,
    engine: Engine,
    *,
    threshold: float | None = None,
    k: int | None = None,
    sample: int = 512,
) -> float:
    """Return the share of the exact pairs that an engine finds, from 0 to 1, over evenly spaced rows of `audio`.

    Give either `threshold`, for the pairs that reach it, or `k`, for each row's nearest. Where there is no pair to
    find, the share is 1.
    """
    audio, text = comparable(audio, text)
    places = np.unique(np.linspace(0, audio.shape[0] - 1, min(audio.shape[0], sample)).round().astype(np.int64))
    rows = np.concatenate(
        [np.empty((0, audio.shape[1]), np.float32), *(np.asarray(audio[row : row + 1]) for row in places)]
    )
    expected, found = (_keys(rows, text, some, threshold, k) for some in (EXACT, engine))
    return float(np.isin(expected, found).mean()) if len(expected) else 1.0


def _keys(rows: np.ndarray, text: Rows, engine: Engine, threshold: float | None, k: int | None) -> np.ndarray:
    """Return a number for each pair found."""
    if k is None:
        row, column, _ = threshold_pairs(rows, text, threshold, engine=engine)
    else:
        index = top_k(rows, text, k, engine=engine)[0]
        row, column = np.nonzero(index >= 0)[0], index[index >= 0]
    return row * text.shape[0] + column


def _search(
    rows: Rows, gallery: Rows, engine: Engine, block: int | None, advance: Callable[[float], None]
) -> Search | FaissSearch:
    if block is not None and block < 1:
        raise UserError(f"search: block = {block}; allowed: 1 or more")
    return (Search if engine.kind == "exact" else FaissSearch)(rows, gallery, engine, block, advance)


@contextlib.contextmanager
def _advance(count: int, shown: bool, description: str) -> Iterator[Callable[[float], None]]:
    """Yield what tells a progress bar of rows that are done."""
    with progress_bar(shown=shown) as bar:
        task = bar.add_task(description, total=count)
        yield lambda rows: bar.advance(task, rows)
