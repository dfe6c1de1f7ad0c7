"""Sums over all pairs of two sets of vectors, and their gradients, in tiles of the matrix that is never whole.

Autograd would keep the matrix of logits and several more of its size. Here each tile lives in a buffer that the next
one takes over, so memory is that of the vectors. Both functions are exact, in value and gradient, at any scale:
exponentials are taken of logits less the highest of their row or column in the tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from clapline.objectives.precision import products_in
from clapline.objectives.scores import BLOCK, pieces

# Rows and columns of a tile: small enough on a CPU to stay in its cache between a product and what is done to it;
# on a GPU large enough to fill it.
TILE = (1024, 768)
TILE_GPU = (2048, 8192)

_LOG2_E = 1 / math.log(2)  # logits are in units of log 2 inside: torch's exp2 takes a third of the time of its exp
_FOLDS = 4


@dataclass(frozen=True)
class Pairs:
    """What is known of pairs: weights W ≥ 0 that pull their logits up, and which pairs are left out.

    All take the places of the batch `start` and `stop` and say what holds for the rows from one to before the other.
    None: nothing of the kind. A pair that is left out has weight 0.
    """

    places: Callable[[int, int], tuple[Tensor, Tensor, Tensor]] | None = None  # places (no pair twice) and weights
    weights: Callable[[int, int], Tensor] | None = None  # (rows, columns)
    ignored: Callable[[int, int], Tensor] | None = None  # (rows, columns) boolean


def log_sums(
    rows: Tensor, columns: Tensor, scale: Tensor | float, pairs: Pairs, first: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return log Σⱼ exp Lᵢⱼ per row, log Σᵢ exp Lᵢⱼ per column, and Σᵢⱼ Wᵢⱼ Lᵢⱼ, of logits L = scale · rows columnsᵀ.

    They come in float64 (where the device has it), so that their differences keep the digits of small losses.
    Gradients flow to rows, columns and scale; one product of matrices forward, three backward.

    Args:
        rows: `(rows, width)`, in fp32 or float64.
        columns: `(columns, width)`.
        scale: of the logits.
        pairs: W, and the pairs that no sum takes in.
        first: place in the batch of the first of the rows.
    """
    return _LogSums.apply(rows, columns, _scalar(scale, rows), pairs, first)


def softplus_sum(
    rows: Tensor, columns: Tensor, scale: Tensor | float, bias: Tensor | float, pairs: Pairs, first: int = 0
) -> Tensor:
    """Return Σᵢⱼ softplus(Lᵢⱼ) - Wᵢⱼ Lᵢⱼ of logits L = scale · rows columnsᵀ + bias, a scalar in float64.

    A pair's gradient σ(L) - W needs nothing of other pairs, so all gradients are made with the value, where any are
    wanted: three products of matrices in all.

    Args:
        rows: `(rows, width)`, in fp32 or float64.
        columns: `(columns, width)`.
        scale: of the logits.
        bias: of the logits.
        pairs: W, and the pairs that the sum leaves out.
        first: place in the batch of the first of the rows.
    """
    scale, bias = _scalar(scale, rows), _scalar(bias, rows)
    return _SoftplusSum.apply(rows, columns, scale, bias, pairs, first, torch.is_grad_enabled())


def _scalar(value: Tensor | float, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else like.new_tensor(value)


class _LogSums(torch.autograd.Function):
    """Slopes of logits are gᵢ exp(Lᵢⱼ - rᵢ) + gⱼ exp(Lᵢⱼ - cⱼ) + g Wᵢⱼ, with r and c the logs that forward returned.

    It returns the logs of all sums before any slope can be known: logits are computed again in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, rows: Tensor, columns: Tensor, scale: Tensor, pairs: Pairs, first: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        tiles = _Tiles(rows, columns, pairs, first)
        row_logs = rows.new_full((len(rows),), -torch.inf, dtype=tiles.exact)
        column_logs = rows.new_full((len(columns),), -torch.inf, dtype=tiles.exact)
        pulled = rows.new_zeros((), dtype=tiles.exact)
        for here, across, known, logits, other in tiles.products(scale * _LOG2_E):
            known.leave_out(logits)
            pulled += known.pulled(logits, other, tiles.exact)
            for logs, axis in ((row_logs[here], 1), (column_logs[across], 0)):
                torch.logaddexp2(logs, _log2_sums(logits, axis, other, tiles.exact), out=logs)
        ctx.save_for_backward(rows, columns, scale, row_logs, column_logs)
        ctx.pairs, ctx.first, ctx.precision = pairs, first, torch.get_float32_matmul_precision()
        return row_logs / _LOG2_E, column_logs / _LOG2_E, pulled / _LOG2_E

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, row_slopes: Tensor, column_slopes: Tensor, pull: Tensor) -> tuple[Any, ...]:
        rows, columns, scale, row_logs, column_logs = ctx.saved_tensors
        gradients = _Gradients(rows, columns, scale, ctx.needs_input_grad)
        row_tops, row_weights = (each[:, None] for each in _slopes(row_logs, row_slopes, rows.dtype))
        column_tops, column_weights = _slopes(column_logs, column_slopes, rows.dtype)
        pull = pull.to(rows.dtype)
        with products_in(ctx.precision):  # other logits than those of the forward pass would not fit their sums
            tiles = _Tiles(rows, columns, ctx.pairs, ctx.first)
            for here, across, known, logits, slopes in tiles.products(scale * _LOG2_E):
                known.leave_out(logits)
                torch.sub(logits, row_tops[here], out=slopes).exp2_().mul_(row_weights[here])
                slopes.addcmul_(logits.sub_(column_tops[across]).exp2_(), column_weights[across])
                known.add(slopes, pull)
                gradients.add(slopes, here, across)
            return (*gradients.done(), None, None)


class _SoftplusSum(torch.autograd.Function):
    """Slopes of logits are g (σ(Lᵢⱼ) - Wᵢⱼ): forward makes the gradients for g = 1, backward multiplies them."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        rows: Tensor,
        columns: Tensor,
        scale: Tensor,
        bias: Tensor,
        pairs: Pairs,
        first: int,
        grad_enabled: bool,
    ) -> Tensor:
        wanted = [grad_enabled and needed for needed in ctx.needs_input_grad[:4]]
        tiles = _Tiles(rows, columns, pairs, first)
        gradients = _Gradients(rows, columns, scale, wanted)
        found, bias_slope = (rows.new_zeros((), dtype=tiles.exact) for _ in range(2))
        for here, across, known, logits, other in tiles.products(scale):
            logits.add_(bias)
            known.leave_out(logits)
            found += _softplus(logits, known, other)
            if any(wanted):
                slopes = known.sigmoid_less_weights_(logits)
                bias_slope += slopes.sum()
                gradients.add(slopes, here, across)
        ctx.save_for_backward(*gradients.done(), bias_slope.to(bias.dtype).reshape(bias.shape) if wanted[3] else None)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, slope: Tensor) -> tuple[Any, ...]:
        found = [None if made is None else made * slope.to(made.dtype) for made in ctx.saved_tensors]
        return (*found, None, None, None)


class _Tiles:
    """The products of vectors of the rows with those of the columns, one tile after the other, in two buffers."""

    def __init__(self, rows: Tensor, columns: Tensor, pairs: Pairs, first: int) -> None:
        self.rows, self.columns, self.pairs, self.first = rows, columns, pairs, first
        # Metal has no float64; there sums are as exact as the logits.
        self.exact = torch.float32 if rows.device.type == "mps" else torch.float64
        height, width = TILE if rows.device.type == "cpu" else TILE_GPU
        if pairs.weights is not None or pairs.ignored is not None:
            # They come over all columns: no more rows of them than a block holds.
            height = max(1, min(height, BLOCK // len(columns)))
        self.height, self.width = min(height, len(rows)), min(width, len(columns))

    def products(self, scale: Tensor) -> Iterator[tuple[slice, slice, _Known, Tensor, Tensor]]:
        """Yield the rows and columns of each tile, what is known of them, scale · product, and a buffer of its size."""
        buffers = [self.rows.new_empty(self.height * self.width) for _ in range(2)]
        for start, stop in pieces(len(self.rows), self.height):
            heard = self.rows[start:stop] * scale
            strip = _Strip(self.pairs, self.first + start, self.first + stop)
            for left, right in pieces(len(self.columns), self.width):
                size = stop - start, right - left
                logits, other = (buffer[: size[0] * size[1]].view(size) for buffer in buffers)
                torch.mm(heard, self.columns[left:right].T, out=logits)
                known = strip.within(left, right, logits.dtype)
                yield slice(start, stop), slice(left, right), known, logits, other


class _Strip:
    """What is known of the pairs of some rows."""

    def __init__(self, pairs: Pairs, start: int, stop: int) -> None:
        self.places = self.weights = self.ignored = None
        if pairs.ignored is not None:
            self.ignored = pairs.ignored(start, stop)
        if pairs.weights is not None:
            self.weights = pairs.weights(start, stop)
            if self.ignored is not None:
                self.weights = self.weights.masked_fill(self.ignored, 0)
        if pairs.places is not None:
            rows, columns, weights = pairs.places(start, stop)
            self.places = rows - start, columns, weights

    def within(self, left: int, right: int, dtype: torch.dtype) -> _Known:
        places, weights = None, None
        if self.places is not None:
            rows, columns, pulls = self.places
            inside = ((columns >= left) & (columns < right)).nonzero().squeeze(1)
            places = (rows[inside], columns[inside] - left), pulls[inside].to(dtype)
        if self.weights is not None:
            weights = self.weights[:, left:right].to(dtype)
        return _Known(places, weights, None if self.ignored is None else self.ignored[:, left:right])


@dataclass(frozen=True)
class _Known:
    """What is known of the pairs of a tile: their weights, at places and of all, and which are left out."""

    places: tuple[tuple[Tensor, Tensor], Tensor] | None
    weights: Tensor | None
    ignored: Tensor | None

    def leave_out(self, logits: Tensor) -> None:
        """Set logits of pairs that are left out to where they count nothing.

        That is finite: a process may hold no other pair of some column, and the log of its sum goes on to a further
        sum, whose gradient of -∞ would be NaN; and 0 times it is 0.
        """
        if self.ignored is not None:
            logits.masked_fill_(self.ignored, torch.finfo(logits.dtype).min)

    def pulled(self, logits: Tensor, room: Tensor, exact: torch.dtype) -> Tensor | float:
        """Return Σ W L."""
        found: Tensor | float = 0.0
        if self.weights is not None:
            found = torch.mul(self.weights, logits, out=room).sum()
        if self.places is not None:
            places, weights = self.places
            found = found + (weights.to(exact) * logits[places].to(exact)).sum()
        return found

    def add(self, values: Tensor, factor: Tensor) -> None:
        """Add factor · W to values."""
        if self.weights is not None:
            values.addcmul_(self.weights, factor)
        if self.places is not None:
            places, weights = self.places
            values[places] += weights * factor

    def less_pulled(self, values: Tensor, logits: Tensor) -> Tensor:
        """Take W L from values, pair by pair: both are large where a positive's logit is, and the rest may be small."""
        if self.weights is not None:
            values.addcmul_(self.weights, logits, value=-1)
        if self.places is not None:
            places, weights = self.places
            values[places] -= weights * logits[places]
        return values

    def sigmoid_less_weights_(self, logits: Tensor) -> Tensor:
        """Turn logits into σ(L) - W."""
        if self.places is None:
            slopes = logits.sigmoid_()
        else:
            # There as (1 - W) - σ(-L): where W = 1 and L is large no digit is lost.
            places, weights = self.places
            single = (1 - weights) - torch.sigmoid(-logits[places])
            slopes = logits.sigmoid_()
            slopes[places] = single
        return slopes if self.weights is None else slopes.sub_(self.weights)


class _Gradients:
    """The gradients of rows, columns and scale, of those that are wanted, from slopes of logits tile by tile."""

    def __init__(self, rows: Tensor, columns: Tensor, scale: Tensor, wanted: Any) -> None:
        self.vectors, self.others, self.scale, self.wanted = rows, columns, scale, wanted
        self.rows = torch.zeros_like(rows) if wanted[0] or wanted[2] else None
        self.columns = torch.zeros_like(columns) if wanted[1] else None

    def add(self, slopes: Tensor, here: slice, across: slice) -> None:
        if self.rows is not None:
            self.rows[here].addmm_(slopes, self.others[across])
        if self.columns is not None:
            self.columns[across].addmm_(slopes.T, self.vectors[here])

    def done(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        scale = None
        if self.wanted[2]:
            # Σᵢⱼ Gᵢⱼ ⟨rᵢ, cⱼ⟩ = Σᵢ ⟨rᵢ, Σⱼ Gᵢⱼ cⱼ⟩: no sum over pairs is needed.
            found = [(self.vectors[a:b] * self.rows[a:b]).sum() for a, b in pieces(len(self.rows), TILE[0])]
            scale = torch.stack(found).sum().to(self.scale.dtype).reshape(self.scale.shape)
        for found in (self.rows, self.columns):
            if found is not None:
                found.mul_(self.scale)
        return self.rows if self.wanted[0] else None, self.columns, scale


def _log2_sums(logits: Tensor, axis: int, room: Tensor, exact: torch.dtype) -> Tensor:
    """Return log₂ Σ 2^L along an axis."""
    tops = logits.amax(dim=axis, keepdim=True)
    sums = torch.sub(logits, tops, out=room).exp2_().sum(dim=axis)
    return sums.to(exact).log2_().add_(tops.squeeze(axis))


def _slopes(logs: Tensor, slopes: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return t and w with 2^(L - log) · slope = 2^(L - t) · w; t is whole, so that rounding it costs no digit."""
    tops = logs.ceil()
    return tops.to(dtype), (slopes * torch.exp2(tops - logs)).to(dtype)


def _softplus(logits: Tensor, known: _Known, room: Tensor) -> Tensor:
    """Return Σ log(1 + e^L) - W L = Σ [max(L, 0) - W L] + Σ log(1 + e^-|L|)."""
    found = known.less_pulled(torch.clamp(logits, min=0, out=room), logits).sum()
    rest = torch.abs(logits, out=room).mul_(-_LOG2_E).exp2_().flatten()
    # log(1 + x) + log(1 + y) = log(1 + (x + y + x y)): one logarithm for 16 numbers, and small ones keep their digits.
    for _ in range(_FOLDS):
        if len(rest) % 2:
            break
        half, other = rest.chunk(2)
        rest = half.addcmul_(half, other).add_(other)
    return found + rest.log1p_().sum()
