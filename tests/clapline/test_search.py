"""Search equals a dense float64 reference, whatever the block, also where similarities tie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clapline.errors import UserError
from clapline.search import as_rows, highest_similarity, threshold_pairs, top_k


def unit_rows(seed: int, count: int, dim: int = 24, distinct: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(distinct or count, dim))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows if distinct is None else rows[rng.integers(0, distinct, count)]


def dense(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array([[np.dot(a.astype(np.float64), b.astype(np.float64)) for b in second] for a in first], np.float32)


@pytest.mark.parametrize("block", [1, 3, 7, 1000])
@pytest.mark.parametrize("threshold", [-1.0, 0.1, 0.45])
def test_threshold_pairs_equal_a_dense_reference(block, threshold):
    audio, text = unit_rows(0, 29), unit_rows(1, 41)
    row, column = np.nonzero(dense(audio, text) >= np.float32(threshold))
    found = threshold_pairs(audio, text, threshold, block)
    np.testing.assert_array_equal(found[0], row)
    np.testing.assert_array_equal(found[1], column)
    np.testing.assert_allclose(found[2], dense(audio, text)[row, column], atol=1e-7)
    assert found[2].dtype == np.float32


def test_blocks_change_no_bit():
    audio, text = unit_rows(2, 60, 130), unit_rows(3, 50, 130)
    threshold = float(np.sort(dense(audio, text).ravel())[-300])  # exactly on one of the similarities
    whole = threshold_pairs(audio, text, threshold)
    assert len(whole[0]) == 300
    for block in (1, 7, 32):
        for got, expected in zip(threshold_pairs(audio, text, threshold, block), whole, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_threshold_is_monotone_and_may_select_all_or_nothing():
    audio, text = unit_rows(4, 12), unit_rows(5, 9)
    sets = [set(zip(*map(list, threshold_pairs(audio, text, s)[:2]), strict=True)) for s in (-1.0, 0.0, 0.3, 1.5)]
    assert len(sets[0]) == 12 * 9
    assert sets[0] >= sets[1] >= sets[2] >= sets[3] == set()


@pytest.mark.parametrize("block", [1, 4, 100])
@pytest.mark.parametrize("distinct", [None, 5])
def test_top_k_equals_a_dense_reference_with_ties_to_the_lower_index(block, distinct):
    queries, gallery = unit_rows(6, 17), unit_rows(7, 33, distinct=distinct)
    reference = dense(queries, gallery)
    order = np.lexsort((np.broadcast_to(np.arange(33), reference.shape), -reference), axis=1)[:, :6]
    index, similarity = top_k(queries, gallery, 6, block)
    np.testing.assert_array_equal(index, order)
    np.testing.assert_allclose(similarity, np.take_along_axis(reference, order, axis=1), atol=1e-7)


def test_top_k_returns_no_more_than_the_gallery_without_duplicates():
    index, _ = top_k(unit_rows(8, 4), unit_rows(9, 3), 5)
    assert index.shape == (4, 3)
    assert all(len(set(row)) == 3 for row in index.tolist())


def test_torch_and_half_precision_rows_are_taken():
    audio, text = unit_rows(10, 8), unit_rows(11, 6)
    for got, expected in zip(
        threshold_pairs(torch.from_numpy(audio), text, 0.1), threshold_pairs(audio, text, 0.1), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    assert as_rows(audio.astype(np.float16), "half").dtype == np.float32


def test_highest_similarity_is_the_dense_maximum():
    audio, text = unit_rows(12, 40), unit_rows(13, 30)
    assert highest_similarity(audio, text, 7) == pytest.approx(float(dense(audio, text).max()), abs=1e-6)


def test_bad_rows_are_refused():
    audio = unit_rows(14, 4)
    broken = audio.copy()
    broken[2, 3] = np.nan
    with pytest.raises(UserError, match="1 of 4 embeddings hold NaN"):
        threshold_pairs(broken, audio, 0.5)
    with pytest.raises(UserError, match="dimensions cannot be compared"):
        top_k(audio, audio[:, :5], 1)
    with pytest.raises(UserError, match="k = 0"):
        top_k(audio, audio, 0)
