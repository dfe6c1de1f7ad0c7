"""Trap 15: traversal is written for 1000 trees of four captions each, one after the other (HierarCaps, ProLIP).

Ours takes trees of any number and depth, with captions that several trees hold, and gives a clip the same values
whoever stands beside it, as long as the pool of captions is the same.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from clapline.metrics.scores import Side
from clapline.metrics.traversal import kendall_tau, ordered_recall, traverse
from clapline.model.gallery import VectorGallery
from stages.evaluate.benchmarks import hierarchy_benchmarks
from stages.evaluate.encoded import Encoded
from stages.evaluate.hierarchy import traversal_part
from stages.evaluate.parts import Part

DIM = 24
ROOT = np.eye(DIM, dtype=np.float32)[0]
ANGLES = {depth: np.linspace(0.4, 1.4, depth) for depth in range(1, 7)}


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def forest(depths: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Return clips, captions and trees of these depths: each a noisy way from near the root to near its clip.

    Of every three trees that have more than one level, the third takes over the most abstract caption of the first.
    """
    rng = np.random.default_rng(seed)
    captions: list[np.ndarray] = []
    trees: list[list[int]] = []
    clips = []
    for number, depth in enumerate(depths):
        leaf = unit(np.append(0.0, rng.normal(size=DIM - 1)))
        tree = []
        for level, angle in enumerate(ANGLES[depth]):
            if level == 0 and number % 3 == 2 and depth > 1:
                tree.append(trees[number - 2][0])
                continue
            tree.append(len(captions))
            captions.append(np.cos(angle) * ROOT + np.sin(angle) * leaf + 0.04 * rng.normal(size=DIM))
        trees.append(tree)
        clips.append(captions[tree[-1]] + 0.08 * rng.normal(size=DIM))
    return unit(np.array(clips)), unit(np.array(captions)), trees


def walked(clip: np.ndarray, captions: np.ndarray, tree: list[int], steps: int = 50) -> dict[str, object]:
    """One clip by itself, step by step."""
    start = captions[np.argmax(captions @ clip)].astype(np.float64)
    met: list[int] = []
    for step in range(steps):
        point = start - step / steps * (start - ROOT)
        nearest = int(np.argmax(captions.astype(np.float64) @ (point / np.linalg.norm(point))))
        if not met or met[-1] != nearest:
            met.append(nearest)
    levels = [tree.index(caption) for caption in reversed(met) if caption in tree]
    runs = [0, *([1] if levels else [])]
    for before, after in pairwise(levels):
        runs.append(runs[-1] + 1 if after > before else 1)
    return {
        "path": met,
        "precision": len(set(met) & set(tree)) / len(set(met)),
        "hits": [float(caption in met) for caption in tree],
        "ordered": max(runs) / len(tree),
    }


def of_four(clips: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """What follows from the assumption: captions 4i to 4i + 3 are clip i's, most abstract first; `(clips, 4)` hits."""
    trees = np.arange(len(captions)).reshape(len(clips), 4).tolist()
    return np.array([walked(clip, captions, tree)["hits"] for clip, tree in zip(clips, trees, strict=True)])


def test_four_levels_one_after_the_other_are_what_the_assumption_gives():
    clips, captions, trees = forest([4] * 2)
    assert trees == [[0, 1, 2, 3], [4, 5, 6, 7]]
    np.testing.assert_array_equal(traverse(clips, captions, ROOT, trees).level_hits, of_four(clips, captions))


def test_a_shared_caption_or_a_shallow_tree_is_beyond_it():
    clips, captions, trees = forest([4] * 3)  # the third shares the first's root: 11 captions
    assert trees[2][0] == trees[0][0]
    with pytest.raises(ValueError, match="reshape"):
        of_four(clips, captions)
    clips, captions, trees = forest([5, 3])  # eight captions pass for two trees of four
    hits = traverse(clips, captions, ROOT, trees).level_hits
    np.testing.assert_array_equal(hits, [[1, 1, 1, 1, 1], [1, 1, 1, np.nan, np.nan]])
    # The first clip's own caption passes for the second's most abstract one, and is missed there.
    np.testing.assert_array_equal(of_four(clips, captions), [[1, 1, 1, 1], [0, 1, 1, 1]])


@pytest.mark.parametrize("depths", [[4], [1], [2] * 9, [1, 2, 3, 4, 5, 6] * 5, [6, 1] * 7])
def test_any_number_and_any_depth_is_what_each_clip_gives_by_itself(depths):
    clips, captions, trees = forest(depths)
    walk = traverse(clips, captions, ROOT, trees)
    assert walk.level_hits.shape == (len(depths), max(depths))
    for row, (clip, tree) in enumerate(zip(clips, trees, strict=True)):
        alone = walked(clip, captions, tree)
        assert walk.paths[row] == alone["path"]
        assert walk.precision[row] == pytest.approx(alone["precision"])
        assert walk.ordered_recall[row] == pytest.approx(alone["ordered"])
        assert walk.level_hits[row, : len(tree)].tolist() == alone["hits"]
        assert np.isnan(walk.level_hits[row, len(tree) :]).all()


def test_more_trees_than_are_walked_at_once():
    clips, captions, trees = forest([4, 2, 3] * 100)
    every = traverse(clips, captions, ROOT, trees)
    for rows in ([0], [299], list(range(250, 262))):
        few = traverse(clips[rows], captions, ROOT, [trees[row] for row in rows])
        np.testing.assert_array_equal(few.precision, every.precision[rows])
        np.testing.assert_array_equal(few.ordered_recall, every.ordered_recall[rows])
        assert few.paths == [every.paths[row] for row in rows]


def benchmark_part(clips: np.ndarray, captions: np.ndarray, trees: list[list[int]], names: list[str]) -> Part:
    """Return what the stage evaluate measures; captions are named, so that the benchmark puts them in its own order."""
    words = [f"caption {number * 7919 % 1000:03d}" for number in range(len(captions))]
    assert len(set(words)) == len(words)
    told = [[words[caption] for caption in tree] for tree in trees]
    (benchmark,) = hierarchy_benchmarks(pd.DataFrame({"dataset": "toy", "clip_id": names, "caption_tree": told}))
    assert set(benchmark.captions) == set(words)  # the pool
    places = {text: row for row, text in enumerate(words)}
    rows = {("toy", name): row for row, name in enumerate(names)}
    model = Encoded("student", Side(VectorGallery(clips)), Side(captions), ROOT, rows, places)
    return traversal_part(benchmark, model, seed=0)


def test_a_clip_has_the_same_values_among_trees_of_four_and_of_two():
    """Every second tree of four becomes two clips with trees of two: the pool of captions stays."""
    clips, captions, trees = forest([4] * 40)
    names = [f"{number:02d}" for number in range(40)]
    of_fours = benchmark_part(clips, captions, trees, names)
    mixed = []
    for row, name in enumerate(names):
        if row % 2:
            mixed += [(clips[row], trees[row][:2], f"{name} above"), (clips[row], trees[row][2:], f"{name} below")]
        else:
            mixed.append((clips[row], trees[row], name))
    mixed = [mixed[place] for place in np.random.default_rng(0).permutation(len(mixed))]
    among_twos = benchmark_part(
        np.stack([clip for clip, _, _ in mixed]), captions, [tree for _, tree, _ in mixed], [name for *_, name in mixed]
    )
    assert len(among_twos.queries) == 60
    here = np.arange(0, 40, 2)
    there = np.array([among_twos.queries.index(names[row]) for row in here])
    for measure in ("precision", "ordered_recall", "recall"):
        np.testing.assert_array_equal(of_fours.values[measure][here], among_twos.values[measure][there])
        assert len(set(of_fours.values[measure][here])) > 1  # else nothing would be shown
    for ratio in ("level1", "level2", "level3", "level4", "tau"):
        np.testing.assert_array_equal(of_fours.ratios[ratio][0][here], among_twos.ratios[ratio][0][there])
    # A mean over levels 3 and 4 is one over the trees that have them.
    assert [among_twos.ratios[f"level{level}"][1].sum() for level in (1, 2, 3, 4)] == [60, 60, 20, 20]


def test_tau_of_a_tree_is_its_own_whatever_the_others_depth():
    rng = np.random.default_rng(0)
    _, captions, trees = forest([1, 2, 3, 4, 5, 6] * 4)
    values = rng.integers(0, 5, len(captions)).astype(float)  # some are equal
    together = kendall_tau(values, trees)
    for row, tree in enumerate(trees):
        (alone,) = kendall_tau(values, [tree])
        expected = kendalltau(values[tree], np.arange(len(tree))).statistic if len(tree) > 1 else np.nan
        np.testing.assert_allclose([together[row], alone], expected, atol=1e-12)
    assert np.isnan(together[[len(tree) == 1 for tree in trees]]).all()


@pytest.mark.parametrize("depth", range(1, 9))
def test_ordered_recall_of_a_whole_walk_is_one_at_any_depth(depth):
    tree = list(range(10, 10 + depth))
    assert ordered_recall([3, *tree, 4], tree) == 1
    assert ordered_recall(tree[::-1], tree) == 1 / depth
    assert ordered_recall([3, 4], tree) == 0
    assert ordered_recall(tree[: depth // 2], tree) == depth // 2 / depth
