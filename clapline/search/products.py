"""The passes that propose pairs: a product of blocks in numpy's or torch's float32, or in torch's bfloat16.

A product is reduced to the maxima of its chunks, and only chunks whose maximum reaches a row's limit are looked into:
that costs a fraction of comparing every value. A chunk's columns lie evenly spaced, so that neighbours in the gallery,
often alike, fall into different ones.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from clapline.search.bound import BFLOAT16, FLOAT32
from clapline.search.rows import lengths, spans

PRODUCTS = ("numpy", "float32", "bfloat16")
COLUMNS_AT_ONCE = (
    49 * 128
)  # a product is reduced soon after it is made; its rows lie no power of two apart in the cache
_CHUNK = 32
_CHUNKS_PER_NEAREST = 8
_CHUNKS_AT_ONCE = 2**16
_ROWS_ROUNDED_AT_ONCE = 256


class Pass:
    """Numpy's float32 product, and the buffers of one thread; `Torch` replaces what differs.

    Used in turns of `multiply`, `kth_product` if wanted, `look`, `reaching`.
    """

    places = FLOAT32

    def __init__(self) -> None:
        self._buffers: dict[str, Any] = {}
        self._pieces: list[tuple[int, Any, slice]] = []  # first column, product (rows, columns), which of the maxima

    def prepare(self, values: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return float32 rows as the pass multiplies them, and bounds of the lengths of what rounding took."""
        return values, np.zeros(len(values))

    def multiply(self, rows: Any, gallery: Any, nearest: int = 1) -> None:
        """Multiply prepared rows `(rows, dim)` by `(columns, dim)`, in chunks that suit the `nearest` best of a row."""
        (count, columns), chunk = (len(rows), len(gallery)), _CHUNK
        while chunk > 1 and columns < _CHUNKS_PER_NEAREST * nearest * chunk:
            chunk //= 2
        whole = columns - columns % chunk  # what remains is in chunks of one
        pieces = [(piece, chunk) for piece in spans(whole, COLUMNS_AT_ONCE)]
        pieces += [(slice(whole, columns), 1)] if whole < columns else []
        chunks = whole // chunk + columns - whole
        products = self._buffer("products", count * columns, rows)
        self._maxima = self._buffer("maxima", count * chunks, rows).reshape(count, chunks)
        self._pieces, self._settled, first = [], self.places == FLOAT32, 0
        for piece, size in pieces:
            product = products[count * piece.start : count * piece.stop].reshape(count, -1)
            self._dot(rows, gallery[piece], product)
            maxima = slice(first, first + product.shape[1] // size)
            self._max(self._chunked(product, maxima), self._maxima[:, maxima])
            self._pieces.append((piece.start, product, maxima))
            first = maxima.stop

    def kth_product(self, k: int) -> np.ndarray:
        """Return for each row a number that k columns' products reach, `(rows,)` float32; -inf where none is known."""
        rows, chunks = self._maxima.shape
        if k > chunks:
            return np.full(rows, -np.inf, np.float32)
        kth = self._kth(k)
        return self._kth(k) if self._settle(kth) else kth

    def look(self, limit: np.ndarray) -> int:
        """Say in how many chunks a product reaches its row's limit `(rows,)`, a number of the pass's format."""
        self._settle(limit)
        self._limit = self._column(limit)
        self._reached = self._maxima >= self._limit
        return int(self._reached.sum())

    def reaching(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows and columns (int64) of the products that reach their row's limit, each once, in no order."""
        for start, product, maxima in self._pieces:
            chunked = self._chunked(product, maxima)
            rows, chunks = self._nonzero(self._reached[:, maxima])
            for some in spans(len(rows), _CHUNKS_AT_ONCE):
                row, chunk = rows[some], chunks[some]
                hit, place = self._nonzero(chunked[row, :, chunk] >= self._limit[row])
                yield self._array(row[hit]), self._array(start + place * chunked.shape[2] + chunk[hit])

    def _settle(self, numbers: np.ndarray) -> bool:
        """Compare the maxima with numbers `(rows,)`: take them anew where whole numbers will not do, and say if so.

        Above 0 whole numbers order as bfloat16 does. Else what stands for a chunk's maximum may be a smaller of its
        values: a number that the chunk reaches, but not the last that it does.
        """
        if self._settled or (numbers > 0).all():
            return False
        self._settled = True
        for _, product, maxima in self._pieces:
            self._max(self._chunked(product, maxima), self._maxima[:, maxima])
        return True

    def _chunked(self, product: Any, maxima: slice) -> Any:
        """Return a product as (rows, columns of a chunk, chunks)."""
        return product.reshape(len(product), -1, maxima.stop - maxima.start)

    def _buffer(self, name: str, size: int, like: Any) -> Any:
        if name not in self._buffers or len(self._buffers[name]) < size:
            self._buffers[name] = self._empty(size, like)
        return self._buffers[name][:size]

    def _empty(self, size: int, like: np.ndarray) -> Any:
        return np.empty(size, dtype=like.dtype)

    def _dot(self, rows: Any, gallery: Any, out: Any) -> None:
        np.dot(rows, gallery.T, out=out)

    def _max(self, chunked: Any, out: Any) -> None:
        np.max(chunked, axis=1, out=out)

    def _kth(self, k: int) -> np.ndarray:
        place = self._maxima.shape[1] - k
        return np.partition(self._maxima, place, axis=1)[:, place]

    def _column(self, limit: np.ndarray) -> Any:
        return limit[:, None]

    def _nonzero(self, mask: Any) -> tuple[Any, Any]:
        return np.nonzero(mask)

    def _array(self, places: Any) -> np.ndarray:
        return places


class Torch(Pass):
    """Torch's product on a device, in float32 or bfloat16."""

    def __init__(self, dtype: str, device: str) -> None:
        super().__init__()
        import torch

        self._torch, self._device, self._dtype = torch, torch.device(device), getattr(torch, dtype)
        self.places = BFLOAT16 if dtype == "bfloat16" else FLOAT32

    def prepare(self, values: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return the rows on the device, rounded, and bounds of the lengths of what rounding took."""
        torch, lost = self._torch, np.zeros(len(values))
        if self.places == FLOAT32:  # torch warns of memory that it may not write
            return torch.from_numpy(values if values.flags.writeable else values.copy()).to(self._device), lost
        rounded = torch.empty(values.shape, dtype=self._dtype)
        for some in spans(len(values), _ROWS_ROUNDED_AT_ONCE):
            exact = torch.from_numpy(values[some].copy())
            rounded[some] = exact
            lost[some] = lengths(exact.sub_(rounded[some]).numpy())
        return rounded.to(self._device), lost

    def _empty(self, size: int, like: Any) -> Any:
        return self._torch.empty(size, dtype=self._dtype, device=self._device)

    def _dot(self, rows: Any, gallery: Any, out: Any) -> None:
        self._torch.mm(rows, gallery.T, out=out)

    def _max(self, chunked: Any, out: Any) -> None:
        if not self._settled:  # whole numbers of the same bits: many times faster, and in the same order above 0
            chunked, out = chunked.view(self._torch.int16), out.view(self._torch.int16)
        self._torch.amax(chunked, 1, out=out)

    def _kth(self, k: int) -> np.ndarray:
        return self._maxima.topk(k, dim=1, sorted=False).values.amin(dim=1).float().cpu().numpy()

    def _column(self, limit: np.ndarray) -> Any:
        return self._torch.from_numpy(limit).to(self._device, self._dtype)[:, None]

    def _nonzero(self, mask: Any) -> tuple[Any, Any]:
        return mask.nonzero(as_tuple=True)

    def _array(self, places: Any) -> np.ndarray:
        return places.cpu().numpy()


def new_pass(product: str, device: str) -> Pass:
    """Return a pass of one of `PRODUCTS`; numpy's is always on the CPU."""
    return Pass() if product == "numpy" else Torch(product, device)


@contextlib.contextmanager
def one_thread_each(product: str, workers: int) -> Iterator[Callable[[], None]]:
    """Let each of several threads multiply on its own, and a GPU sum in float32; afterwards all is as it was.

    Yields what each thread has to call first.
    """
    with contextlib.ExitStack() as stack:
        if workers > 1:
            stack.enter_context(_blas().limit(limits=1, user_api="blas"))
        if product == "numpy":
            yield lambda: None
            return
        import torch

        matmul = torch.backends.cuda.matmul
        for name in ("allow_tf32", "allow_bf16_reduced_precision_reduction"):
            stack.callback(setattr, matmul, name, getattr(matmul, name))
            setattr(matmul, name, False)
        if workers > 1:  # this thread, which rounds the gallery, would else spin beside the others
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        yield lambda: torch.set_num_threads(1)


def threads() -> int:
    """Return how many threads numpy's own products may take."""
    found = [library["num_threads"] for library in _blas().info() if library["user_api"] == "blas"]
    return max(found, default=os.cpu_count() or 1)


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
