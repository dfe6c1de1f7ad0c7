"""Precision of curated pairs, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.curate.precision import precision
from stages.curate.view import hubs, spread_rows

CLIPS = [["dog", "rain"], ["dog"], ["car"], []]
CAPTIONS = [["dog"], ["dog", "rain"], ["siren"], []]


def test_shares_by_hand():
    clip, caption = np.array([0, 1, 1, 2, 3, 0]), np.array([1, 0, 1, 0, 0, 3])
    right = precision(CLIPS, CAPTIONS, clip, caption, np.arange(4))
    # judged: (0,1) all; (1,0) all; (1,1) any only; (2,0) none; the other two lack tags
    assert right.judged == 4
    assert (right.all, right.any) == (0.5, 0.75)
    # nine combinations of the three clips and captions with tags: all in (0,0) (0,1) (1,0), any in (1,1) too
    assert (right.chance_all, right.chance_any) == (round(3 / 9, 6), round(4 / 9, 6))


def test_all_pairs_are_as_right_as_chance():
    clip, caption = (grid.ravel() for grid in np.meshgrid(np.arange(3), np.arange(3)))
    right = precision(CLIPS, CAPTIONS, clip, caption, np.arange(3))
    assert (right.all, right.any) == (right.chance_all, right.chance_any)


def test_chance_looks_at_the_candidates_alone():
    right = precision(CLIPS, CAPTIONS, np.array([0]), np.array([0]), np.array([0]))
    assert right.chance_all == round(2 / 3, 6)


def test_without_truth_nothing_is_claimed():
    right = precision([[], []], [["dog"]], np.array([0]), np.array([0]), np.array([0]))
    assert (right.all, right.any, right.chance_all, right.chance_any, right.judged) == (None, None, None, None, 0)


def test_examples_are_spread_and_hubs_are_ordered():
    similarity = np.array([0.1, 0.9, 0.5, 0.7, 0.3])
    assert spread_rows(similarity, 3).tolist() == [1, 2, 0]
    assert spread_rows(similarity, 9).tolist() == [1, 3, 2, 4, 0]
    pairs = pd.DataFrame({"text": ["b", "a", "b", "c", "a"], "clip_id": list("12345")})
    assert hubs(pairs).values.tolist() == [["a", 2], ["b", 2], ["c", 1]]
