from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from clapline.text.distinguishing import WordScore
from stages.analyse.lexical import Caption
from stages.analyse.lexical_clouds import cloud_words, draw_cloud
from stages.analyse.lexical_figures import density_of, shown_words


def test_a_density_integrates_to_one_and_sits_where_the_values_are():
    values = np.random.default_rng(1).normal(30, 4, 5000)
    grid, density = density_of(values, 60.0)
    assert (density * (grid[1] - grid[0])).sum() == pytest.approx(1, abs=1e-6)
    assert grid[density.argmax()] == pytest.approx(30, abs=1.5)
    expected = np.exp(-((grid - 30) ** 2) / 2 / 16) / 4 / np.sqrt(2 * np.pi)
    assert np.abs(density - expected).max() < 0.01


def test_a_density_of_equal_values_is_one_peak():
    grid, density = density_of(np.full(9, 5.0), 5.0)
    assert np.isfinite(density).all()
    assert density.argmax() == len(grid) - 1


def test_values_beyond_the_picture_take_their_share_with_them():
    grid, density = density_of(np.array([1.0] * 50 + [100.0] * 50), 10.0)
    assert (density * (grid[1] - grid[0])).sum() <= 0.51


def test_words_of_both_ends():
    scores = [WordScore(word, z, 1, 1) for word, z in (("a", 3.0), ("b", 1.0), ("c", -1.0), ("d", -2.0))]
    first, second = shown_words(scores, 2)
    assert [score.word for score in first] == ["a", "b"]
    assert [score.word for score in second] == ["d", "c"]
    assert shown_words(scores[:1], 2) == (scores[:1], [])


def test_a_cloud_holds_frequent_words_without_function_words():
    captions = [
        Caption(["the", "dog", "barks", "and", "s", "barks", "x" * 31], 1.0),
        Caption(["don", "t", "dogs"], 1.0),
    ]
    assert cloud_words(captions) == [("barks", 2), ("dog", 1), ("dogs", 1)]
    assert cloud_words(captions, 1) == [("barks", 2)]


def test_a_cloud_has_the_same_bytes_twice(tmp_path):
    words = [
        (f"{first}{second}{'ab' * (place % 4)}", 200 - place)
        for place, (first, second) in enumerate((a, b) for a in "bcdfghjklm" for b in "aeiouklmnr")
    ]
    draw_cloud(tmp_path / "a.png", words, "#2b6cb0")
    draw_cloud(tmp_path / "b.png", words, "#2b6cb0")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1200, 660)
        assert len(image.getcolors()) > 3


def test_one_word_makes_a_cloud(tmp_path):
    draw_cloud(tmp_path / "one.png", [("w" * 30, 1)], "#2b6cb0")
    assert (tmp_path / "one.png").exists()
