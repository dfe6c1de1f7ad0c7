"""Traversal on a fan of trees whose captions really lie between the root and the leaf, and on controls."""

from __future__ import annotations

import numpy as np
import pytest

from clapline.metrics.traversal import traverse


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
