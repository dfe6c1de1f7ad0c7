"""FAISS proposes, the same numbers decide: flat finds what exact does, lists find a part of it, all lists all of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from clapline.errors import UserError
from clapline.search import Engine, recall, threshold_pairs, top_k

FLAT = Engine(kind="faiss_flat")


def sides(tied: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(30, 24))
    rows = [centres[rng.integers(0, 30, count)] + 0.7 * rng.normal(size=(count, 24)) for count in (150, 900)]
    first, second = ((part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32) for part in rows)
    return (first, second[rng.integers(0, 200, 900)]) if tied else (first, second)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("block", [None, 40])
def test_flat_finds_the_same_pairs_to_the_bit(tied, block):
    pytest.importorskip("faiss")
    first, second = sides(tied)
    wanted = top_k(first, second, 10)
    threshold = float(np.sort(wanted[1].ravel())[300])  # exactly on a similarity
    for search in (
        lambda engine: top_k(first, second, 10, block, engine=engine),
        lambda engine: threshold_pairs(first, second, threshold, block, engine=engine),
    ):
        for got, expected in zip(search(FLAT), search(Engine()), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_more_is_found_the_more_lists_are_looked_into_and_all_in_all_of_them():
    pytest.importorskip("faiss")
    first, second = sides()
    for wanted in ({"k": 10}, {"threshold": 0.4}):
        shares = [
            recall(first, second, Engine(kind="faiss_ivf", lists=40, probes=probes), **wanted) for probes in (1, 2, 40)
        ]
        assert 0 < shares[0] < shares[1] < shares[2] == 1.0


def test_lists_give_true_pairs_the_same_each_time():
    pytest.importorskip("faiss")
    first, second = sides()
    engine = Engine(kind="faiss_ivf", lists=40, probes=2)
    row, column, similarity = threshold_pairs(first, second, 0.6, engine=engine)
    wanted = threshold_pairs(first, second, 0.6)
    exact = {(clip, caption): value for clip, caption, value in zip(*wanted, strict=True)}
    assert 0 < len(row) < len(exact)
    assert all(exact[clip, caption] == value for clip, caption, value in zip(row, column, similarity, strict=True))
    for again, before in zip(
        threshold_pairs(first, second, 0.6, engine=engine), (row, column, similarity), strict=True
    ):
        np.testing.assert_array_equal(again, before)


def test_where_lists_hold_fewer_than_k_the_rest_is_empty():
    pytest.importorskip("faiss")
    first, second = sides()
    index, similarity = top_k(first, second, 300, engine=Engine(kind="faiss_ivf", lists=40, probes=1))
    assert ((index == -1) == np.isneginf(similarity)).all()
    assert (index == -1).any()
    assert (index[:, 0] >= 0).all()


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r'faiss_flat needs the extra "faiss": pip install "clapline\[faiss\]"'):
        top_k(*sides(), 3, engine=FLAT)
