"""Precision of curated pairs, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.curate.found import Found
from stages.curate.precision import Tally, Truth, coverage, precision
from stages.curate.summary import hubs, label_ranking

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


def test_hubs_are_ordered_by_clips_then_text():
    pairs = pd.DataFrame({"text": ["b", "a", "b", "c", "a"], "clip_id": list("12345")})
    assert hubs(pairs).values.tolist() == [["a", 2], ["b", 2], ["c", 1]]


def test_blocks_of_pairs_add_up():
    rng = np.random.default_rng(0)
    names = np.array(["dog", "rain", "siren", "bell"])
    clips, captions = ([list(names[rng.random(4) < 0.4]) for _ in range(count)] for count in (40, 30))
    clip, caption = rng.integers(0, 40, 500), rng.integers(0, 30, 500)
    whole = precision(clips, captions, clip, caption, np.arange(30))
    tally = Tally(Truth(clips, captions))
    for start in range(0, 500, 7):
        part = slice(start, start + 7)
        tally.add(Found(clip[part], caption[part], np.zeros(len(clip[part]), np.float32)))
    assert tally.precision(np.arange(30)) == whole
    assert tally.pairs == 500
    assert tally.clips.sum() == len(set(clip.tolist()))


def test_verdicts_equal_sets_of_words():
    rng = np.random.default_rng(1)
    names = np.array(["dog", "rain", "siren"])
    clips, captions = ([list(names[rng.random(3) < 0.5]) for _ in range(20)] for _ in range(2))
    clip, caption = (grid.ravel() for grid in np.meshgrid(np.arange(20), np.arange(20)))
    verdict = Truth(clips, captions).judge(clip, caption)
    for place, (i, j) in enumerate(zip(clip, caption, strict=True)):
        heard, wanted = set(clips[i]), set(captions[j])
        known = bool(heard) and bool(wanted)
        assert verdict[place].tolist() == [known, known and wanted <= heard, known and bool(wanted & heard)]


def test_coverage_counts_clips_and_the_pairs_on_them():
    truth = Truth(CLIPS, CAPTIONS)
    found = Found(np.array([0, 0, 1]), np.array([1, 2, 2]), np.zeros(3, np.float32))
    rows = {row.name: row for row in coverage(truth, found)}
    assert list(rows) == ["dog", "car", "rain"]  # most clips first; nobody in the pool has a siren
    assert (rows["dog"].clips, rows["dog"].covered, rows["dog"].judged, rows["dog"].right) == (2, 2, 3, 1)
    assert (rows["car"].clips, rows["car"].covered, rows["car"].judged) == (1, 0, 0)


def test_labels_are_ranked_by_their_prompts_nearest_clips():
    truth = Truth([["dog_bark"]] * 30 + [["siren"]] * 50, [[]])
    audio = np.repeat(np.eye(2, dtype=np.float32), [30, 50], axis=0)
    prompts = {"dog bark": audio[0], "siren": audio[0], "bell": audio[0]}
    # Nearest to the first axis: its 30 clips, then 10 others. Nobody has a bell.
    assert label_ranking(audio, truth, prompts) == {"dog bark": (30, 1.0), "siren": (50, 0.25)}
