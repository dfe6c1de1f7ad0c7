"""Classes of several prompts: of an ensemble, of Gaussians; tables by class and fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clapline.metrics.similarity import similarities
from clapline.model.gallery import VectorGallery
from clapline.text.prompt_templates import PROMPT_TEMPLATES
from stages.evaluate.benchmarks import zero_shot_benchmarks
from stages.evaluate.encoded import Suites, encode, together
from stages.evaluate.zero_shot import by_class, by_fold, zero_shot_part

PROMPTS = ["{label}", "a {label}", "the {label}"]


def unit(rows: int, seed: int, dim: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def suites():
    labels = ["dog", "cat", "cow", "hen"] * 10
    clips = pd.DataFrame(
        {
            "dataset": "toy", "clip_id": [f"{row:02d}" for row in range(40)], "label": labels,
            "fold": [row % 5 for row in range(40)], "tags": [[]] * 40,
        }
    )  # fmt: skip
    return Suites([], zero_shot_benchmarks(clips, PROMPTS), [])


def model(suites, seed: int, dim: int, widths: float | None = None, slope: float = 0.1):
    texts = ["", *suites.texts()]
    means = dict(zip(texts, unit(len(texts), seed, dim), strict=True))
    spread = {text: np.full(dim, (widths or 0) + slope * len(text), np.float32) for text in texts}

    def clips(frame):
        vectors = unit(len(frame), seed + 50, dim)
        return VectorGallery(vectors, None if widths is None else np.full_like(vectors, -3))

    def words(asked):
        known = None if widths is None else np.stack([spread[text] for text in asked])
        return np.stack([means[text] for text in asked]), known

    return encode(f"model {seed}", suites, clips, words)


def class_scores(suites, one) -> np.ndarray:
    (benchmark,) = suites.zero_shot
    classes = np.mean([one.of_texts(words).items for words in benchmark.sentences], axis=0)
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    return similarities(one.of_clips(benchmark.clips).items, classes.astype(np.float32))(0, 40)


def test_an_ensembles_classes_score_by_the_mean_of_its_members(suites):
    """Each member's prompts are averaged and set to length 1 by themselves: none weighs more for agreeing prompts."""
    (benchmark,) = suites.zero_shot
    members = [model(suites, 0, 6), model(suites, 1, 9)]
    part = zero_shot_part(benchmark, together("both", members), seed=0)
    expected = np.mean([class_scores(suites, one) for one in members], axis=0).argmax(axis=1)
    right = part.values["accuracy"] == 1
    np.testing.assert_array_equal(part.details["predicted"][right], expected[right])
    assert part.values["accuracy"].mean() == pytest.approx((expected == benchmark.truth).mean())


def test_a_large_common_width_changes_no_class(suites):
    """Total variances of hundreds, equal up to what separates classes, are not lost to rounding."""
    (benchmark,) = suites.zero_shot
    level, points = model(suites, 2, 6, widths=4.0, slope=0.0), model(suites, 2, 6)
    np.testing.assert_allclose(level.text.total_variance, 0, atol=1e-9)
    np.testing.assert_array_equal(
        zero_shot_part(benchmark, level, seed=0).details["predicted"],
        zero_shot_part(benchmark, points, seed=0).details["predicted"],
    )


def test_tables_by_class_and_fold_average_to_the_accuracy(suites):
    (benchmark,) = suites.zero_shot
    part = zero_shot_part(benchmark, model(suites, 3, 6), seed=0)
    accuracy = part.values["accuracy"].mean()
    classes, folds = by_class(benchmark, {"student": part}), by_fold(benchmark, {"student": part})
    assert np.average(classes["student"], weights=classes["clips"]) == pytest.approx(accuracy)
    assert np.average(folds["student"], weights=folds["clips"]) == pytest.approx(accuracy)
    assert folds["fold"].tolist() == [0, 1, 2, 3, 4]
    assert set(part.details["templates"]) == {*PROMPT_TEMPLATES, "all of them"}


def test_shuffled_labels_keep_the_share_of_the_largest_class():
    """A deaf model that always says the largest class has its share in the control too: chance is no yardstick."""
    labels = ["dog"] * 36 + ["cat"] * 4
    clips = pd.DataFrame({"dataset": "toy", "clip_id": [f"{row:02d}" for row in range(40)], "label": labels,
                          "fold": None, "tags": [[]] * 40})  # fmt: skip
    uneven = Suites([], zero_shot_benchmarks(clips, ["{label}"]), [])
    axes = np.eye(3, dtype=np.float32)

    def words(asked):
        return np.stack([axes[0 if "dog" in text else 1] for text in asked]), None

    def clips_of(frame):
        off = np.array([[0.9, 0, np.sqrt(0.19)]], np.float32)  # not all alike, or the model would be refused
        return VectorGallery(np.concatenate([axes[:1].repeat(39, axis=0), off]))

    deaf = encode("deaf", uneven, clips_of, words)
    (benchmark,) = uneven.zero_shot
    part = zero_shot_part(benchmark, deaf, seed=0)
    assert part.values["accuracy"].mean() == 0.9
    assert part.control["accuracy"] == pytest.approx(0.9, abs=0.11)
    assert part.chance["accuracy"] == 0.5
    assert by_fold(benchmark, {"student": part}).empty
