"""Near ties: noise within the tolerance turns no rank but theirs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from clapline.metrics.near_ties import near_tied
from clapline.metrics.retrieval import Relevance, relevant_ranks
from clapline.model.clap import Clap
from clapline.params.model import Model


def unit(rows: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def relevance_of(queries: int, items: int, each: int, seed: int) -> Relevance:
    rng = np.random.default_rng(seed)
    pairs = np.array([(query, item) for query in range(queries) for item in rng.choice(items, each, replace=False)])
    return Relevance.from_pairs(pairs[:, 0], pairs[:, 1], queries, items)


def test_hand_computed():
    scores = np.array([[0.5, 0.500004, 0.1], [0.5, 0.2, 0.1], [0.3, 0.3, 0.9]], np.float32)
    relevance = Relevance.from_pairs(np.arange(3), np.array([0, 0, 2]), 3, 3)
    assert near_tied(scores, np.eye(3, dtype=np.float32), relevance).tolist() == [True, False, False]
    assert near_tied(scores, np.eye(3, dtype=np.float32), relevance, tolerance=0.31).tolist() == [True, True, False]


def test_relevant_items_that_tie_with_each_other_turn_nothing():
    scores = np.array([[0.5, 0.5, 0.1]], np.float32)
    both = Relevance.from_pairs(np.array([0, 0]), np.array([0, 1]), 1, 3)
    assert not near_tied(scores, np.eye(3, dtype=np.float32), both).any()


@pytest.mark.parametrize("at_once", [50, 10**6])
def test_noise_below_half_the_tolerance_turns_near_ties_alone(monkeypatch, at_once):
    monkeypatch.setattr("clapline.metrics.similarity._TILE", (max(1, at_once // 64), at_once))
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 3000, (300, 200)).astype(np.float32) / 3000
    identity, relevance = np.eye(200, dtype=np.float32), relevance_of(300, 200, 3, 1)
    tied = near_tied(scores, identity, relevance, tolerance=2e-4)
    before = relevant_ranks(scores, identity, relevance).reshape(300, 3)
    turned = np.zeros(300, dtype=bool)
    for _ in range(5):
        noise = rng.uniform(-9e-5, 9e-5, scores.shape).astype(np.float32)
        turned |= (relevant_ranks(scores + noise, identity, relevance).reshape(300, 3) != before).any(axis=1)
    assert turned.any()
    assert not (turned & ~tied).any()
    assert 0.1 < tied.mean() < 0.9


def encoded(clap: Clap, texts: list[str], sizes: list[int], device: str) -> np.ndarray:
    """Embeddings of texts encoded in pieces: other shapes of products give other last bits, as another device does."""
    clap = clap.to(device)
    starts = np.cumsum([0, *sizes])
    pieces = [clap.encode_texts(texts[start:stop]) for start, stop in itertools.pairwise(starts)]
    return np.concatenate(pieces)


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))],
)
def test_a_model_on_another_device_keeps_every_rank_but_near_ties(device):
    torch.manual_seed(0)
    words = ["dog", "cat", "bird", "rain", "wind", "car", "horn", "bell", "man", "woman", "door", "water"]
    texts = [f"{first} {second} {third}" for first in words for second in words for third in words[:4]]
    clap = Clap.new(Model(), texts).eval()
    one = encoded(clap, texts, [len(texts)], "cpu")
    other = encoded(clap, texts, [7] * (len(texts) // 7) + [len(texts) % 7], device)
    queries, gallery = slice(0, 200), slice(200, len(texts))
    relevance = relevance_of(200, len(texts) - 200, 2, 2)
    ranks = [relevant_ranks(side[queries], side[gallery], relevance).reshape(200, 2) for side in (one, other)]
    turned = (ranks[0] != ranks[1]).any(axis=1)
    tied = near_tied(one[queries], one[gallery], relevance)
    assert (one != other).any()  # else the test shows nothing
    assert not (turned & ~tied).any()
