"""Trap 1: audio-to-text mAP@10 over ranks in caption order: AP above 1, and another number for another order."""

from __future__ import annotations

import numpy as np

from clapline.metrics.retrieval import Relevance, average_precision_at_k, relevant_ranks


def average_precision_in_caption_order(ranks: list[int]) -> float:
    """What LAION-CLAP's training script computes: positions over ranks that were never sorted."""
    return sum(hit / rank for hit, rank in enumerate(ranks, start=1) if rank <= 10) / len(ranks)


def test_ranks_in_falling_order_stay_within_one():
    """The clip's five captions stand at ranks 5, 4, 3, 2, 1: all found first, so AP is 1 and not 1.7."""
    similarity = np.array([[0.5, 0.6, 0.7, 0.8, 0.9, *np.linspace(0.4, 0.1, 15)]], dtype=np.float32)
    relevance = Relevance.from_pairs(np.zeros(5, int), np.arange(5), 1, 20)
    ranks = relevant_ranks(similarity, np.eye(20, dtype=np.float32), relevance)
    assert average_precision_in_caption_order([5, 4, 3, 2, 1]) > 1
    assert average_precision_at_k(ranks, relevance, 10)[0] == 1.0


def test_the_order_of_captions_changes_nothing():
    rng = np.random.default_rng(0)
    for _ in range(200):
        similarity = rng.random((1, 30)).astype(np.float32)
        own = rng.choice(30, 5, replace=False)
        values = set()
        for items in (own, own[::-1], np.sort(own)):
            relevance = Relevance.from_pairs(np.zeros(5, int), items, 1, 30)
            ranks = relevant_ranks(similarity, np.eye(30, dtype=np.float32), relevance)
            values.add(float(average_precision_at_k(ranks, relevance, 10)[0]))
        assert len(values) == 1
        assert 0 <= values.pop() <= 1
