"""Scores: matrix and factors say the same, and small batches are matrices."""

from __future__ import annotations

import pytest
import torch

from clapline.objectives import scores as module
from clapline.objectives.scores import Scores, pieces, scores_of
from tests.clapline.objectives.losses import unit

FIRST, SECOND = unit(7, 4, 0), unit(7, 4, 1)
PRODUCT = FIRST @ SECOND.T
WAYS = {"matrix": Scores(PRODUCT), "factors": Scores(rows=FIRST, columns=SECOND)}


@pytest.mark.parametrize("way", WAYS)
def test_what_they_are(way: str):
    scores = WAYS[way]
    assert scores.size == 7
    assert scores.bounds() == (0, 7)
    torch.testing.assert_close(scores.whole(), PRODUCT)
    rows, columns = torch.tensor([0, 3, 6]), torch.tensor([2, 3, 0])
    torch.testing.assert_close(scores.at(rows, columns), PRODUCT[rows, columns])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("block", [1, 15, 1000])
def test_sums_over_blocks(way: str, block: int, monkeypatch: pytest.MonkeyPatch):
    """Sums, logs and maxima over blocks of rows are those of the whole, value and gradient."""
    monkeypatch.setattr(module, "BLOCK", block)
    first = FIRST.clone().requires_grad_()
    scores = Scores(first @ SECOND.T) if way == "matrix" else Scores(rows=first, columns=SECOND)
    parts = scores.blocks(lambda each, start, stop: (each.square().sum(), each.logsumexp(dim=0), each.amax(dim=0)))
    assert len(parts) == (1 if way == "matrix" else -(-7 // max(1, block // 7)))
    sums, logs, tops = zip(*parts, strict=True)
    total, logs, tops = scores.total(sums), scores.logsumexp(logs), scores.maximum(tops)
    torch.testing.assert_close(total.detach(), PRODUCT.square().sum())
    torch.testing.assert_close(logs.detach(), PRODUCT.logsumexp(dim=0))
    torch.testing.assert_close(tops.detach(), PRODUCT.amax(dim=0))
    (total + logs.sum() + tops.sum()).backward()
    leaf = FIRST.clone().requires_grad_()
    product = leaf @ SECOND.T
    (product.square().sum() + product.logsumexp(dim=0).sum() + product.amax(dim=0).sum()).backward()
    torch.testing.assert_close(first.grad, leaf.grad)


def test_places_of_a_part_of_the_rows():
    """As a process holds them: places are those of the batch."""
    part = Scores(rows=FIRST[2:5], columns=SECOND, first=2)
    assert part.bounds() == (2, 5)
    assert part.size == 7
    torch.testing.assert_close(part.at(torch.tensor([2, 4]), torch.tensor([6, 0])), PRODUCT[[2, 4], [6, 0]])
    seen = part.blocks(lambda each, start, stop: (torch.tensor([start, stop]), each))
    assert seen[0][0].tolist() == [2, 5]
    torch.testing.assert_close(seen[0][1], PRODUCT[2:5])


def test_small_batches_are_matrices_and_large_ones_factors(monkeypatch: pytest.MonkeyPatch):
    small = scores_of(FIRST, [SECOND, FIRST])
    torch.testing.assert_close(small[0].matrix, PRODUCT)
    torch.testing.assert_close(small[1].matrix, FIRST @ FIRST.T)
    monkeypatch.setattr(module, "WHOLE", 48)
    large = scores_of(FIRST, [SECOND, FIRST], slice(2, 5))
    assert all(each.matrix is None and each.first == 2 and len(each.rows) == 3 for each in large)
    assert large[1].columns is FIRST
    assert scores_of(FIRST, [SECOND])[0].bounds() == (0, 7)


def test_pieces_cover_everything_once():
    assert list(pieces(7, 3)) == [(0, 3), (3, 6), (6, 7)]
    assert list(pieces(0, 3)) == []
