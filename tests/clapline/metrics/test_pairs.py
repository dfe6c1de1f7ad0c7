"""Similarities of chosen pairs are entries of the whole table."""

from __future__ import annotations

import numpy as np

from clapline.metrics import pairs
from clapline.metrics.pairs import pair_similarities
from clapline.metrics.similarity import similarities
from clapline.model.gallery import VectorGallery


class Scorer:
    def __init__(self, vectors: np.ndarray, asked: list) -> None:
        self.rows, self.asked = vectors, asked

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows):
        return Scorer(self.rows[rows], self.asked)

    def cosines(self, texts: np.ndarray) -> np.ndarray:
        self.asked.append((len(texts), len(self.rows)))
        return (texts @ self.rows.T).astype(np.float32)


def test_pairs_are_those_of_the_table_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    texts, clips = rng.normal(size=(50, 7)).astype(np.float32), rng.normal(size=(9, 7)).astype(np.float32)
    rows = rng.integers(0, 9, 50)
    table = similarities(texts, clips)(0, 50)[np.arange(50), rows]
    asked: list[tuple[int, int]] = []
    for block in (1, 7, 1000):
        monkeypatch.setattr(pairs, "_PAIRS_AT_ONCE", block)
        monkeypatch.setattr(pairs, "_SCORED_AT_ONCE", block)
        np.testing.assert_allclose(
            pair_similarities(texts, np.arange(50), VectorGallery(clips), rows), table, rtol=1e-6
        )
        np.testing.assert_allclose(
            pair_similarities(texts, np.arange(50), Scorer(clips, asked), rows), table, rtol=1e-5
        )
    assert max(count for count, _ in asked) <= 50
    assert all(clips <= texts for texts, clips in asked)  # no clip is scored that no text of the block is about


def test_equal_texts_tie_exactly():
    rng = np.random.default_rng(1)
    texts, clips = rng.normal(size=(40, 33)).astype(np.float32), rng.normal(size=(40, 33)).astype(np.float32)
    forth = np.arange(40)
    both = pair_similarities(texts, np.r_[forth, forth[::-1]], clips, np.r_[forth, forth[::-1]])
    np.testing.assert_array_equal(both[:40], both[40:][::-1])
