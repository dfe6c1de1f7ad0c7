"""Traversal on a fan of trees whose captions really lie between the root and the leaf, and on controls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from clapline.metrics.traversal import traverse
from clapline.objectives.gaussian import trace


@pytest.fixture
def fan():
    """Five branches of three captions each, at angles between the root and the branch's leaf."""
    root = np.eye(6, dtype=np.float32)[0]
    captions, trees = [], []
    for branch in range(1, 6):
        leaf = np.eye(6, dtype=np.float32)[branch]
        tree = []
        for angle in (0.5, 1.0, np.pi / 2):
            tree.append(len(captions))
            captions.append(np.cos(angle) * root + np.sin(angle) * leaf)
        trees.append(tree)
    captions = np.array(captions, np.float32)
    return captions[[tree[-1] for tree in trees]], captions, root, trees


def test_a_true_tree_is_walked_completely(fan):
    walk = traverse(*fan)
    np.testing.assert_array_equal(walk.precision, 1)
    np.testing.assert_array_equal(walk.level_hits, 1)


def test_one_step_is_the_nearest_caption_alone(fan):
    walk = traverse(*fan, steps=1)
    np.testing.assert_array_equal(walk.precision, 1)
    np.testing.assert_array_equal(walk.level_hits, np.tile([0, 0, 1], (5, 1)))


def test_a_foreign_tree_is_missed(fan):
    audio, captions, root, trees = fan
    walk = traverse(audio, captions, root, trees[1:] + trees[:1])
    assert walk.precision.max() == 0
    assert walk.level_hits.max() == 0


def test_trees_of_other_depth_and_the_order_of_clips(fan):
    audio, captions, root, trees = fan
    uneven = [trees[0][:1], *trees[1:]]
    walk = traverse(audio, captions, root, uneven)
    assert np.isnan(walk.level_hits[0, 1:]).all()
    assert walk.precision[0] == pytest.approx(1 / 3)
    back = traverse(audio[::-1], captions, root, uneven[::-1])
    np.testing.assert_array_equal(back.precision, walk.precision[::-1])


def plane(branches: int = 9, levels: int = 4):
    """T18's fan in the plane: between the root and each of its leaves lie captions, the more abstract the nearer.

    Branches are half-circles' worth of directions left and right of the root, so no two captions coincide.
    """
    root = np.array([0.0, 0.0, 1.0], np.float32)
    captions, trees = [], []
    for branch in range(branches):
        turn = 2 * np.pi * branch / branches
        leaf = np.array([np.cos(turn), np.sin(turn), 0.0])
        trees.append(list(range(len(captions), len(captions) + levels)))
        captions += [np.cos(a) * root + np.sin(a) * leaf for a in np.linspace(0.4, 1.5, levels)]
    captions = np.array(captions, np.float32)
    return captions[[tree[-1] for tree in trees]], captions, root, trees


def order_of(values: np.ndarray, trees: list[list[int]]) -> float:
    """Return the mean Kendall tau of a caption's value and its level in its tree."""
    return float(np.mean([kendalltau(values[tree], np.arange(len(tree))).statistic for tree in trees]))


def test_a_fan_whose_levels_are_in_order():
    """T18: precision 1, every level met, τ_d = 1 of the radii, and -1 between specificity and variance."""
    audio, captions, root, trees = plane()
    walk = traverse(audio, captions, root, trees)
    np.testing.assert_array_equal(walk.precision, 1)
    np.testing.assert_array_equal(walk.level_hits, 1)
    radii = np.linalg.norm(captions - root, axis=1)
    assert order_of(radii, trees) == 1
    # The more abstract the wider: larger s at smaller radii.
    traces = trace(torch.from_numpy(np.repeat(-2 - radii[:, None], 8, axis=1))).numpy()
    assert order_of(traces, trees) == -1


def test_a_fan_whose_levels_are_shuffled():
    """T18: τ about 0 over many trees; who is met does not hang on the order in which a tree is told."""
    audio, captions, root, trees = plane(branches=60)
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(tree).tolist() for tree in trees]
    radii = np.linalg.norm(captions - root, axis=1)
    assert abs(order_of(radii, shuffled)) < 0.2
    np.testing.assert_array_equal(
        traverse(audio, captions, root, shuffled).precision, traverse(audio, captions, root, trees).precision
    )


def test_a_fan_whose_trees_are_of_other_clips():
    """T18: captions dealt out to the trees at random are mostly missed."""
    audio, captions, root, trees = plane(branches=20)
    dealt = np.random.default_rng(0).permutation(len(captions)).reshape(len(trees), -1).tolist()
    assert traverse(audio, captions, root, dealt).precision.mean() < 0.2


def test_one_step_of_a_fan():
    """T18: K = 1 is the nearest caption only."""
    audio, captions, root, trees = plane()
    walk = traverse(audio, captions, root, trees, steps=1)
    np.testing.assert_array_equal(walk.level_hits, np.tile([0, 0, 0, 1], (len(trees), 1)))
    np.testing.assert_array_equal(walk.precision, 1)
