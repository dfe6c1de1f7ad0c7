"""Zero-shot classification: hand-made cases, invariances, the sanity wall."""

from __future__ import annotations

import numpy as np
import pytest

from clapline.errors import UserError
from clapline.metrics.sanity import check_embeddings
from clapline.metrics.zero_shot import class_embeddings, classify, confusion_matrix


def rows_of(seed: int, count: int, dim: int = 6) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_nearest_class_wins():
    classes = np.eye(3, dtype=np.float32)
    audio = np.array([[0.9, 0.1, 0], [0, 0.2, 0.8], [0, 0.9, 0.3]], np.float32)
    predicted, correct = classify(audio, classes, np.array([0, 1, 1]))
    assert predicted.tolist() == [0, 2, 1]
    assert correct.tolist() == [1, 0, 1]
    assert confusion_matrix(np.array([0, 1, 1]), predicted, 3).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_equal_classes_count_against_the_model():
    classes = np.ones((4, 2), np.float32) / np.sqrt(2)
    predicted, correct = classify(rows_of(0, 8, 2), classes, np.arange(8) % 4)
    assert correct.sum() == 0
    assert (predicted != np.arange(8) % 4).all()


def test_logit_scale_changes_nothing():
    audio, classes, truth = rows_of(1, 50), rows_of(2, 7), np.arange(50) % 7
    np.testing.assert_array_equal(classify(audio, classes, truth)[0], classify(audio * 64, classes, truth)[0])


def test_prompts_are_averaged_as_embeddings():
    first, second = rows_of(3, 5), rows_of(4, 5)
    mean = class_embeddings(np.stack([first, second]))
    np.testing.assert_allclose(np.linalg.norm(mean, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(mean, class_embeddings(np.stack([second, first])), atol=1e-7)
    np.testing.assert_allclose(class_embeddings(first[None]), first, atol=1e-6)
    with pytest.raises(UserError, match="cancel"):
        class_embeddings(np.stack([first, -first]))


def test_the_sanity_wall():
    good = rows_of(5, 4)
    assert check_embeddings("x", good, 4) is good
    broken = good.copy()
    broken[1, 1] = np.nan
    for embeddings, rows, words in [
        (good, 5, "do not match"),
        (broken, 4, "NaN"),
        (np.repeat(good[:1], 4, axis=0), 4, "collapsed"),
        (good * 2, 4, "lengths"),
        (good[:0], 0, "nothing to evaluate"),
    ]:
        with pytest.raises(UserError, match=words):
            check_embeddings("x", embeddings, rows)
