"""Trap: torchmetrics' RetrievalMAP(top_k=10) divides by the hits in the top 10, not by the relevant items.

An item that leaves the top 10 then leaves the denominator too, so that a worse order may score higher.
"""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
import torch
from torchmetrics.retrieval import RetrievalMAP

from clapline.metrics.retrieval import Relevance, average_precision_at_k, relevant_ranks

GALLERY = 50


def table(ranks: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (positive, all different) and what is relevant, `(queries, gallery)`: item r - 1 has rank r."""
    target = np.zeros((len(ranks), GALLERY), dtype=bool)
    for row, relevant in zip(target, ranks, strict=True):
        row[np.array(relevant) - 1] = True
    return np.tile(np.arange(GALLERY, 0, -1, dtype=np.float32), (len(ranks), 1)), target


def theirs(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    metric = RetrievalMAP(top_k=10, aggregation=lambda values, dim: values)
    query = torch.arange(len(scores)).repeat_interleave(GALLERY)
    metric.update(torch.from_numpy(scores).flatten(), torch.from_numpy(target).flatten(), query)
    return metric.compute().double().numpy().reshape(-1)


def ours(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    relevance = Relevance.from_pairs(*np.nonzero(target), len(scores), GALLERY)
    return average_precision_at_k(relevant_ranks(scores, np.eye(GALLERY, dtype=np.float32), relevance), relevance, 10)


def trec_eval(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    run = {str(query): {str(item): float(score) for item, score in enumerate(row)} for query, row in enumerate(scores)}
    answers = {str(query): {str(item): 1 for item in np.flatnonzero(row)} for query, row in enumerate(target)}
    found = pytrec_eval.RelevanceEvaluator(answers, {"map_cut.10"}).evaluate(run)
    return np.array([found[query]["map_cut_10"] for query in run])


def test_one_caption_of_five_found_is_called_perfect():
    """A clip's captions at ranks 1, 12, 20, 30 and 40: one fifth, by hand."""
    scores, target = table([[1, 12, 20, 30, 40]])
    # The trap. Where this fails, torchmetrics has mended it.
    assert theirs(scores, target)[0] == 1.0
    assert ours(scores, target)[0] == trec_eval(scores, target)[0] == pytest.approx(1 / 5)


def test_a_worse_order_scores_higher():
    """The second relevant item falls from rank 10 to 11: (1 + 2/10) / 2 becomes 1 there, and 1/2 here."""
    scores, target = table([[1, 10], [1, 11]])
    np.testing.assert_allclose(theirs(scores, target), [0.6, 1.0])
    np.testing.assert_allclose(ours(scores, target), [0.6, 0.5])
    np.testing.assert_allclose(trec_eval(scores, target), [0.6, 0.5])


def test_random_tables_with_five_relevant_items():
    rng = np.random.default_rng(0)
    ranks = [rng.choice(GALLERY, 5, replace=False) + 1 for _ in range(200)]
    scores, target = table([row.tolist() for row in ranks])
    found = np.array([(row <= 10).sum() for row in ranks])
    high, true = theirs(scores, target), ours(scores, target)
    np.testing.assert_allclose(true, trec_eval(scores, target))
    # All the error is the denominator: hits found in place of relevant items.
    np.testing.assert_allclose(high * found / 5, true, rtol=1e-6)
    assert (high >= true - 1e-6).all()
    assert high.mean() > 2 * true.mean()


def test_with_one_relevant_item_there_is_no_difference():
    scores, target = table([[rank] for rank in range(1, 21)])
    np.testing.assert_allclose(theirs(scores, target), ours(scores, target), rtol=1e-6)
