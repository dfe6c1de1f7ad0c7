"""The exact search: blocks of rows against blocks of the gallery, multiplied by several threads, decided one by one.

Rows are taken in slabs, and the gallery block by block for each slab; a thread takes a few rows of a slab at a time. So
memory grows with neither number of rows, and a gallery that is made as it is read is made once for each slab.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from clapline.search.decide import keep_best
from clapline.search.engine import Engine
from clapline.search.products import COLUMNS_AT_ONCE, PRODUCTS, new_pass, one_thread_each, threads
from clapline.search.rows import SLAB_VALUES, Block, Rows, even, load, spans
from clapline.search.worker import GalleryBlock, Pairs, Worker, joined, prepared

Result = TypeVar("Result")

_ROWS = {"bfloat16": 512}  # others multiply faster with _MOST_ROWS
_MOST_ROWS, _FEWEST_ROWS = 1024, 32
_PRODUCTS, _PRODUCTS_IN_ALL = 2**25, 2**29  # values that a thread holds, and all together
_SLAB_PAIRS = 2**22  # about what one slab of a threshold search finds
_ONE_THREAD = 2**30  # multiplications up to which threads of ours do not pay
_LARGE = 2**39  # multiplications from which the products are tried: torch takes seconds to import
_TRIED_ROWS, _TRIED_COLUMNS, _TRIES = 512, 2**14, 3


@dataclass(frozen=True)
class Sizes:
    """Rows that a thread takes at a time, gallery rows of a block, most rows of a slab, threads."""

    rows: int
    columns: int
    slab: int
    workers: int


def sizes(rows: int, gallery: int, dim: int, product: str, block: int | None) -> Sizes:
    """Return the sizes for a search by a product; where `block` is given, no more rows of either side at a time."""
    workers = 1 if rows * gallery * dim < _ONE_THREAD else threads()
    if block is not None:
        return Sizes(block, block, 2 * block, workers)
    most = _ROWS.get(product, _MOST_ROWS)
    columns = even(gallery, max(COLUMNS_AT_ONCE, min(_PRODUCTS, _PRODUCTS_IN_ALL // workers) // most), COLUMNS_AT_ONCE)
    part = max(_FEWEST_ROWS, min(most, -(-rows // workers)))
    return Sizes(part, columns, max(part * workers, SLAB_VALUES // max(1, dim) // part * part), workers)


Task = Callable[[Worker, Block, GalleryBlock, int], Result]  # what is done with some rows, from the row of that number


class Search:
    """One search of rows `(n, dim)` in a gallery `(m, dim)`; `advance` is told as rows are done, in shares of a row."""

    def __init__(
        self, rows: Rows, gallery: Rows, engine: Engine, block: int | None, advance: Callable[[float], None]
    ) -> None:
        self._rows, self._gallery, self._engine, self._advance = rows, gallery, engine, advance
        (self._count, self._dim), self._columns = rows.shape, gallery.shape[0]
        self._block = block

    def reaching(self, threshold: float) -> Iterator[Pairs]:
        """Yield the pairs of similarity at or above the threshold, slab by slab, sorted by row, then column."""
        least = np.float32(threshold)

        def task(worker: Worker, rows: Block, gallery: GalleryBlock, first: int) -> Pairs:
            found = []
            for row, column, similarity in worker.pairs(rows, gallery, np.full(len(rows.values), least), None):
                kept = similarity >= least
                found.append((row[kept] + first, column[kept], similarity[kept]))
            return joined(found)

        workers = self._workers(least, None)
        start, size = 0, self._sizes.rows  # few at first: nobody knows how many pairs a row has
        while start < self._count:
            slab = slice(start, min(start + size, self._count))
            row, column, similarity = joined(list(self._swept(slab, workers, task)))
            order = np.argsort(row * self._columns + column)
            yield row[order], column[order], similarity[order]
            usual = (slab.stop - slab.start) * _SLAB_PAIRS // max(1, len(row))
            size = max(1, min(usual, 4 * size, self._sizes.slab) // self._sizes.rows) * self._sizes.rows
            start = slab.stop

    def nearest(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return index (int64) and similarity (float32) of the k nearest of each row, `(n, k)`; k is at most m."""
        index = np.full((self._count, k), -1, dtype=np.int64)
        similarity = np.full((self._count, k), -np.inf, dtype=np.float32)

        def task(worker: Worker, rows: Block, gallery: GalleryBlock, first: int) -> None:
            some = slice(first, first + len(rows.values))
            kth = similarity[some, -1]
            for row, column, found in worker.pairs(rows, gallery, kth.copy(), k):
                kept = found >= kth[row]
                keep_best(index[some], similarity[some], row[kept], column[kept], found[kept])

        workers = self._workers(np.float32(-np.inf), k)
        for slab in spans(self._count, self._sizes.slab):
            deque(self._swept(slab, workers, task), maxlen=0)
        return index, similarity

    def _swept(self, slab: slice, workers: queue.SimpleQueue[Worker], task: Task[Result]) -> Iterator[Result]:
        """Do the task with every part of the slab and every block of the gallery; yield the results in order.

        The tasks of one part follow each other, in the order of the gallery.
        """
        rows = load(self._rows, slab, "first")
        parts = list(spans(len(rows.values), self._sizes.rows))
        preparing = new_pass(self._product, self._engine.device)

        def done(part: slice, gallery: GalleryBlock) -> Result:
            worker = workers.get()
            try:
                return task(worker, rows.part(part), gallery, slab.start + part.start)
            finally:
                workers.put(worker)

        def tasks() -> Iterator[Callable[[], Result]]:
            for span in spans(self._columns, self._sizes.columns):
                gallery = prepared(preparing, load(self._gallery, span, "second"), span.start)
                for part in parts:
                    yield partial(done, part, gallery)

        with one_thread_each(self._product, self._sizes.workers) as first:
            # So many wait that a part's last task is over before its next one begins.
            waiting = min(len(parts), 3 * self._sizes.workers)
            for result in _in_order(tasks(), self._sizes.workers, waiting, first):
                self._advance(len(rows.values) / len(parts) / -(-self._columns // self._sizes.columns))
                yield result

    def _workers(self, least: np.float32, nearest: int | None) -> queue.SimpleQueue[Worker]:
        """Return a worker for each thread, of the product that the engine names or that is fastest here."""
        self._product = self._engine.product
        if self._product == "auto":
            self._product = "numpy"
            if self._count * self._columns * self._dim >= _LARGE:
                products = PRODUCTS if self._engine.device == "cpu" else PRODUCTS[1:]
                seconds = {product: self._tried(product, least, nearest) for product in products}
                self._product = min(products, key=seconds.__getitem__)
        self._sizes = sizes(self._count, self._columns, self._dim, self._product, self._block)
        workers: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for _ in range(self._sizes.workers):
            workers.put(Worker(self._product, self._engine.device, self._dim))
        return workers

    def _tried(self, product: str, least: np.float32, nearest: int | None) -> float:
        """Return the seconds that some rows and a part of the gallery take with a product, at best."""
        rows = load(self._rows, slice(0, min(self._count, _TRIED_ROWS)), "first")
        block = load(self._gallery, slice(0, min(self._columns, _TRIED_COLUMNS)), "second")
        worker, seconds = Worker(product, self._engine.device, self._dim), []
        with one_thread_each(product, threads()):
            gallery = prepared(new_pass(product, self._engine.device), block, 0)
            for _ in range(_TRIES):
                start = time.perf_counter()
                deque(worker.pairs(rows, gallery, np.full(len(rows.values), least), nearest), maxlen=0)
                seconds.append(time.perf_counter() - start)
        return min(seconds)


def _in_order(
    tasks: Iterable[Callable[[], Result]], workers: int, waiting: int, first: Callable[[], None]
) -> Iterator[Result]:
    """Do the tasks on several threads, no more than `waiting` ahead of what was taken; yield the results in order."""
    if workers == 1:
        yield from (task() for task in tasks)
        return
    with ThreadPoolExecutor(workers, initializer=first) as pool:
        ahead: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                if len(ahead) >= waiting:
                    yield ahead.popleft().result()
                ahead.append(pool.submit(task))
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
