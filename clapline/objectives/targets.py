"""Targets: how much mass each query of a batch gives each candidate; rows are asked for in blocks, never all at once.

A contrast has two directions, clips that look for captions and captions that look for clips, and each has targets of
its own, a `Targets`. `rows(start, stop)` are the targets of some queries over all candidates; `columns(start, stop)`
are those of all queries over some candidates, transposed, which is what a block of rows of the other direction needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from clapline.objectives.positives import PositivePairs
from clapline.objectives.precision import wide
from clapline.objectives.scores import BLOCK, pieces


class Targets(Protocol):
    """The mass Q of one direction, `(size, size)` with queries in rows; entries ≥ 0, no gradient."""

    size: int

    @property
    def mass(self) -> Tensor:
        """Σⱼ Qᵢⱼ of each query, `(size,)`; 1 where the rows are distributions."""
        ...

    def rows(self, start: int, stop: int) -> Tensor:
        """Return Qᵢⱼ of queries i from `start` to before `stop`, `(stop - start, size)`."""
        ...

    def columns(self, start: int, stop: int) -> Tensor:
        """Return Qⱼᵢ of all queries j for candidates i from `start` to before `stop`, `(stop - start, size)`."""
        ...


class HardTargets:
    """Rows that share their mass evenly over the positives; the identity where no clip comes twice."""

    def __init__(self, positives: PositivePairs) -> None:
        self.positives, self.size = positives, positives.size

    @cached_property
    def counts(self) -> Tensor:
        """Positives per row, `(size,)`."""
        return self.positives.counts

    @property
    def mass(self) -> Tensor:
        """Ones: every row is a distribution."""
        return torch.ones(self.size, device=self.counts.device)

    def rows(self, start: int, stop: int) -> Tensor:
        """Return the mass of queries over all candidates."""
        return self.positives.block(start, stop).float() / self.counts[start:stop, None]

    def columns(self, start: int, stop: int) -> Tensor:
        """Return the mass of all queries over candidates, transposed."""
        return self.positives.block(start, stop).float() / self.counts


class WeightTargets:
    """Mass by a weight ≥ 0 of the similarity of query and candidate, Qᵢⱼ = w(qᵢ·cⱼ), or its share of the row's sum.

    Args:
        queries: `(size, width)`, no gradient reaches them.
        candidates: the same.
        weigh: similarities → weights, elementwise.
        normalise: rows sum to 1.
    """

    def __init__(
        self, queries: Tensor, candidates: Tensor, weigh: Callable[[Tensor], Tensor], *, normalise: bool = True
    ) -> None:
        self.queries, self.candidates = wide(queries.detach()), wide(candidates.detach())
        self.weigh, self.normalise, self.size = weigh, normalise, len(queries)

    def _weights(self, start: int, stop: int) -> Tensor:
        return self.weigh(self.queries[start:stop] @ self.candidates.T)

    @cached_property
    def sums(self) -> Tensor:
        """Σⱼ w of each query, `(size,)`."""
        return torch.cat([self._weights(*piece).sum(dim=1) for piece in _pieces(self.size)])

    @property
    def mass(self) -> Tensor:
        """The sums, or ones."""
        return torch.ones_like(self.sums) if self.normalise else self.sums

    def rows(self, start: int, stop: int) -> Tensor:
        """Return the mass of queries over all candidates."""
        weights = self._weights(start, stop)
        return weights / weights.sum(dim=1, keepdim=True) if self.normalise else weights

    def columns(self, start: int, stop: int) -> Tensor:
        """Return the mass of all queries over candidates, transposed."""
        weights = self.weigh(self.candidates[start:stop] @ self.queries.T)
        return weights / self.sums if self.normalise else weights


class SoftmaxTargets:
    """Qᵢⱼ = softmaxⱼ(g(qᵢ·cⱼ) / τ): similarities as a distribution over the candidates.

    Args:
        queries: `(size, width)`, no gradient reaches them.
        candidates: the same.
        temperature: τ > 0; towards 0 all mass lies on the most similar candidate.
        change: g, elementwise; None: the similarity as it is.
    """

    def __init__(
        self,
        queries: Tensor,
        candidates: Tensor,
        temperature: float,
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.queries, self.candidates = wide(queries.detach()), wide(candidates.detach())
        self.temperature, self.change, self.size = temperature, change, len(queries)

    def _logits(self, first: Tensor, second: Tensor) -> Tensor:
        similarity = first @ second.T
        return (similarity if self.change is None else self.change(similarity)) / self.temperature

    @cached_property
    def logs(self) -> Tensor:
        """The log of each query's sum of exponentials, `(size,)`."""
        found = [
            self._logits(self.queries[start:stop], self.candidates).logsumexp(dim=1)
            for start, stop in _pieces(self.size)
        ]
        return torch.cat(found)

    @property
    def mass(self) -> Tensor:
        """Ones: every row is a distribution."""
        return torch.ones(self.size, device=self.queries.device, dtype=self.queries.dtype)

    def rows(self, start: int, stop: int) -> Tensor:
        """Return the mass of queries over all candidates."""
        return self._logits(self.queries[start:stop], self.candidates).softmax(dim=1)

    def columns(self, start: int, stop: int) -> Tensor:
        """Return the mass of all queries over candidates, transposed."""
        return (self._logits(self.candidates[start:stop], self.queries) - self.logs).exp()


class MixedTargets:
    """Q = (1 - β) P + β G of hard targets P and soft ones G; with `normalise` its rows are made to sum to 1."""

    def __init__(self, hard: Targets, soft: Targets, beta: float, *, normalise: bool = False) -> None:
        self.hard, self.soft, self.beta = hard, soft, beta
        self.normalise, self.size = normalise, hard.size

    def _mixed(self, hard: Tensor, soft: Tensor) -> Tensor:
        return (1 - self.beta) * hard + self.beta * soft

    @cached_property
    def sums(self) -> Tensor:
        """Σⱼ Qᵢⱼ before the rows are made to sum to 1, `(size,)`."""
        return self._mixed(self.hard.mass, self.soft.mass)

    @property
    def mass(self) -> Tensor:
        """The sums, or ones."""
        return torch.ones_like(self.sums) if self.normalise else self.sums

    def rows(self, start: int, stop: int) -> Tensor:
        """Return the mass of queries over all candidates."""
        mixed = self._mixed(self.hard.rows(start, stop), self.soft.rows(start, stop))
        return mixed / mixed.sum(dim=1, keepdim=True) if self.normalise else mixed

    def columns(self, start: int, stop: int) -> Tensor:
        """Return the mass of all queries over candidates, transposed."""
        mixed = self._mixed(self.hard.columns(start, stop), self.soft.columns(start, stop))
        return mixed / self.sums if self.normalise else mixed


def _pieces(size: int) -> list[tuple[int, int]]:
    return list(pieces(size, max(1, BLOCK // size)))
