"""Named protocols: what each measure is, and what a random order reaches."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from clapline.metrics.protocols import MEASURES, PROTOCOLS
from clapline.metrics.retrieval import Relevance, relevant_ranks
from clapline.params.evaluate import Evaluate


def relevance_of(sets: list[set[int]], gallery: int) -> Relevance:
    pairs = [(query, item) for query, items in enumerate(sets) for item in items]
    queries, items = np.array(pairs).T
    return Relevance.from_pairs(queries, items, len(sets), gallery)


def test_the_default_is_dcase_and_params_know_every_protocol():
    assert Evaluate().protocol == "dcase"
    assert set(typing.get_args(Evaluate.model_fields["protocol"].annotation)) == set(PROTOCOLS)
    for protocol in PROTOCOLS.values():
        assert set(protocol.text_to_audio) | set(protocol.audio_to_text) <= set(MEASURES)
        assert protocol.measures("a2t") == protocol.audio_to_text
        assert protocol.measures("t2a") == protocol.measures("t2a_level1") == protocol.text_to_audio


def test_one_clip_with_five_captions_under_each_convention():
    """Prolap's golden ranks 1, 3, 7, 12, 40: shares count fifths, any hit one, MRR the best alone."""
    relevance, ranks = relevance_of([set(range(5))], 60), np.array([1, 3, 7, 12, 40])
    found = {name: float(measure.values(ranks, relevance)[0]) for name, measure in MEASURES.items()}
    assert found["r1"] == 0.2
    assert found["any1"] == found["mrr10"] == found["median_rank"] == 1.0
    assert found["r5"] == 0.4
    assert found["r10"] == pytest.approx(0.6)
    assert found["map10"] == pytest.approx((1 + 2 / 3 + 3 / 7) / 5)
    assert found["map10"] == pytest.approx(0.4190476, abs=1e-7)
    assert found["map16"] == pytest.approx((1 + 2 / 3 + 3 / 7 + 4 / 12) / 5)


def test_with_one_relevant_item_the_conventions_agree():
    rng = np.random.default_rng(0)
    relevance = relevance_of([{int(item)} for item in rng.integers(0, 40, 200)], 40)
    ranks = relevant_ranks(rng.random((200, 40)).astype(np.float32), np.eye(40, dtype=np.float32), relevance)
    found = {name: measure.values(ranks, relevance) for name, measure in MEASURES.items()}
    for k in (1, 5, 10):
        np.testing.assert_array_equal(found[f"r{k}"], found[f"any{k}"])
    np.testing.assert_allclose(found["map10"], found["mrr10"])
    np.testing.assert_allclose(found["map16"], np.where(ranks <= 16, 1 / ranks, 0))  # D 26


def test_chance_is_what_random_orders_reach():
    rng = np.random.default_rng(3)
    relevance = relevance_of([{0}, {1, 2, 3}, set(range(14)), {5}, {4, 9}], 15)
    drawn: dict[str, list[float]] = {name: [] for name in MEASURES}
    best = []
    for _ in range(3000):
        ranks = relevant_ranks(rng.random((5, 15)).astype(np.float32), np.eye(15, dtype=np.float32), relevance)
        for name, measure in MEASURES.items():
            drawn[name].append(measure.values(ranks, relevance).mean())
        best.append(MEASURES["median_rank"].values(ranks, relevance))
    for name, measure in MEASURES.items():
        if measure.median:
            assert abs(measure.chance(relevance) - np.median(best)) <= 1
        else:
            assert (
                abs(np.mean(drawn[name]) - measure.chance(relevance)) < 4 * np.std(drawn[name]) / np.sqrt(3000) + 1e-9
            )


def test_shuffled_labels_are_chance_and_a_shift_is_not():
    """The control has no knowledge; a permutation that moves nothing would give the model's own figure."""
    rng = np.random.default_rng(1)
    relevance = relevance_of([{item, (item + 1) % 300} for item in range(300)], 300)
    vectors = np.eye(300, dtype=np.float32)
    moved = relevance.moved(rng.permutation(300))
    assert (np.diff(moved.items.reshape(300, 2), axis=1) > 0).all()
    hits = MEASURES["any10"].values(relevant_ranks(vectors, vectors, moved), moved).mean()
    assert hits < 0.15
    same = relevance.moved(np.arange(300))
    np.testing.assert_array_equal(same.items, relevance.items)
    assert MEASURES["any1"].values(relevant_ranks(vectors, vectors, same), same).mean() == 1
