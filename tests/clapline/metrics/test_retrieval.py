"""Retrieval measures against brute force, hand-computed cases and their own limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.errors import UserError
from clapline.metrics.chance import chance_any_hit, chance_average_precision, chance_recall
from clapline.metrics.retrieval import (
    Relevance,
    any_hit_at_k,
    average_precision_at_k,
    recall_at_k,
    relevant_ranks,
)


def relevance_of(sets: list[set[int]], gallery: int) -> Relevance:
    pairs = [(query, item) for query, items in enumerate(sets) for item in items]
    queries, items = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Relevance.from_pairs(queries, items, len(sets), gallery)


def from_scores(scores: np.ndarray, relevance: Relevance) -> np.ndarray:
    """Ranks of a given score matrix: unit gallery vectors turn queries into scores."""
    return relevant_ranks(scores.astype(np.float32), np.eye(scores.shape[1], dtype=np.float32), relevance)


def slow_ranks(scores: np.ndarray, sets: list[set[int]]) -> list[list[int]]:
    """Sort by score, irrelevant before relevant among equals."""
    ranks = []
    for row, items in zip(scores, sets, strict=True):
        order = sorted(range(len(row)), key=lambda item: (-row[item], item in items))
        ranks.append([place for place, item in enumerate(order, start=1) if item in items])
    return ranks


def slow_average_precision(ranks: list[int], relevant: int, k: int) -> float:
    return sum(hit / rank for hit, rank in enumerate(ranks, start=1) if rank <= k) / min(relevant, k)


@st.composite
def tied_tables(draw):
    queries, gallery = draw(st.integers(1, 6)), draw(st.integers(1, 16))
    levels = draw(st.integers(1, 5))  # few values: many ties
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (queries, gallery)).astype(np.float32)
    sets = [set(rng.choice(gallery, rng.integers(1, gallery + 1), replace=False).tolist()) for _ in range(queries)]
    return scores, sets


@settings(max_examples=150, deadline=None)
@given(tied_tables())
def test_measures_equal_brute_force_on_tables_with_ties(table):
    scores, sets = table
    relevance = relevance_of(sets, scores.shape[1])
    ranks = from_scores(scores, relevance)
    expected = slow_ranks(scores, sets)
    assert ranks.tolist() == [rank for row in expected for rank in row]
    for k in (1, 3, 10):
        average = average_precision_at_k(ranks, relevance, k)
        assert ((average >= 0) & (average <= 1)).all()
        np.testing.assert_allclose(
            average, [slow_average_precision(r, len(s), k) for r, s in zip(expected, sets, strict=True)]
        )
        np.testing.assert_allclose(recall_at_k(ranks, relevance, k), [np.mean(np.array(r) <= k) for r in expected])
        np.testing.assert_array_equal(any_hit_at_k(ranks, relevance, k), [float(r[0] <= k) for r in expected])


def test_row_order_changes_nothing():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (9, 12)).astype(np.float32)
    sets = [set(rng.choice(12, 3, replace=False).tolist()) for _ in range(9)]
    before = average_precision_at_k(from_scores(scores, relevance_of(sets, 12)), relevance_of(sets, 12), 10)
    rows, columns = rng.permutation(9), rng.permutation(12)
    place = np.argsort(columns)
    moved = relevance_of([{int(place[item]) for item in sets[row]} for row in rows], 12)
    after = average_precision_at_k(from_scores(scores[rows][:, columns], moved), moved, 10)
    np.testing.assert_allclose(after, before[rows])


def test_blocks_of_queries_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    queries, gallery = rng.normal(size=(23, 8)).astype(np.float32), rng.normal(size=(11, 8)).astype(np.float32)
    relevance = relevance_of([set(rng.choice(11, 4, replace=False).tolist()) for _ in range(23)], 11)
    whole = relevant_ranks(queries, gallery, relevance)
    monkeypatch.setattr("clapline.metrics.similarity._TILE", (3, 4))
    np.testing.assert_array_equal(relevant_ranks(queries, gallery, relevance), whole)


def test_equal_items_far_apart_tie_exactly():
    """A copy of a relevant item in another tile counts as one that is no worse, whatever shape its product has."""
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(2500, 96)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gallery = np.concatenate([vectors, vectors[rng.permutation(2500)]])
    queries = vectors[:700] + 0.05 * rng.normal(size=(700, 96)).astype(np.float32)
    relevance = Relevance.from_pairs(np.arange(700), np.arange(700), 700, 5000)
    ranks = relevant_ranks(queries, gallery, relevance)
    alone = relevant_ranks(queries, vectors, relevance_of([{row} for row in range(700)], 2500))
    np.testing.assert_array_equal(ranks, 2 * alone)


def test_perfect_reversed_second_and_constant_scores():
    n = 20
    relevance = relevance_of([{i} for i in range(n)], n)
    perfect = from_scores(np.eye(n), relevance)
    assert recall_at_k(perfect, relevance, 1).mean() == average_precision_at_k(perfect, relevance, 10).mean() == 1
    reverse = from_scores(-np.eye(n), relevance)
    assert recall_at_k(reverse, relevance, 10).mean() == average_precision_at_k(reverse, relevance, 10).mean() == 0
    second = from_scores(np.eye(n) + 2 * np.roll(np.eye(n), 1, axis=1), relevance)
    assert recall_at_k(second, relevance, 1).mean() == 0
    assert recall_at_k(second, relevance, 5).mean() == 1
    assert average_precision_at_k(second, relevance, 10).mean() == 0.5
    constant = from_scores(np.ones((n, n)), relevance)
    assert recall_at_k(constant, relevance, n - 1).mean() == 0
    assert (constant == n).all()


def test_average_precision_golden_and_its_denominator():
    relevance = relevance_of([set(range(5))], 50)
    ranks = np.array([1, 3, 7, 12, 40])
    assert average_precision_at_k(ranks, relevance, 10)[0] == pytest.approx(0.4190476, abs=1e-7)
    many = relevance_of([set(range(20))], 50)
    assert average_precision_at_k(np.arange(1, 21), many, 16)[0] == 1.0
    single = relevance_of([{0}], 50)
    assert average_precision_at_k(np.array([7]), single, 16)[0] == pytest.approx(1 / 7)


def test_subset_picks_queries_in_the_order_given():
    relevance = relevance_of([{0, 2}, {1}, {3, 4, 5}], 6)
    chosen = relevance.subset(np.array([2, 0]))
    assert chosen.starts.tolist() == [0, 3, 5]
    assert chosen.items.tolist() == [3, 4, 5, 0, 2]


def test_chance_is_the_mean_over_random_orders():
    rng = np.random.default_rng(2)
    relevance = relevance_of([{0}, {1, 2, 3}, set(range(14))], 15)
    drawn = {"recall": [], "any": [], "ap": []}
    for _ in range(3000):
        ranks = from_scores(rng.random((3, 15)), relevance)
        drawn["recall"].append(recall_at_k(ranks, relevance, 5).mean())
        drawn["any"].append(any_hit_at_k(ranks, relevance, 5).mean())
        drawn["ap"].append(average_precision_at_k(ranks, relevance, 10).mean())
    for name, chance in (
        ("recall", chance_recall(relevance, 5)),
        ("any", chance_any_hit(relevance, 5)),
        ("ap", chance_average_precision(relevance, 10)),
    ):
        error = np.std(drawn[name]) / np.sqrt(3000)
        assert abs(np.mean(drawn[name]) - chance) < 4 * error


def test_chance_with_k_beyond_the_gallery_is_certain():
    relevance = relevance_of([{0}], 4)
    assert chance_recall(relevance, 10) == chance_any_hit(relevance, 10) == 1
    assert chance_average_precision(relevance, 10) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_queries_without_an_answer_and_foreign_ids_are_refused():
    with pytest.raises(UserError, match="1 of 2 queries have no relevant item"):
        Relevance.from_pairs(np.array([0]), np.array([0]), 2, 3)
    with pytest.raises(UserError, match="does not exist"):
        Relevance.from_pairs(np.array([0]), np.array([3]), 1, 3)
    with pytest.raises(UserError, match="relevance table is for"):
        relevant_ranks(np.ones((2, 4)), np.ones((3, 4)), relevance_of([{0}], 3))
