"""The guards against dense references."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from clapline.params.base import read_section
from clapline.params.curate import Curate
from clapline.search import Engine, threshold_blocks
from stages.curate.calibration import Scored
from stages.curate.choose import choose
from stages.curate.guards import MutualNeighbours, near_duplicates
from tests.stages.curate.pools import cosines, pairs_of, pool_of, random_pool, settings_of, unit

EXACT = Engine()
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("neighbours", [1, 3, 10, 1000])
def test_mutual_neighbours_are_near_from_both_sides(neighbours):
    pool = random_pool(0)
    dense = cosines(pool)
    of_clips = np.argsort(np.argsort(-dense, axis=1), axis=1) < neighbours
    of_captions = np.argsort(np.argsort(-dense, axis=0), axis=0) < neighbours
    mutual = MutualNeighbours(Scored(pool.audio, pool.text), neighbours, EXACT)
    clip, caption = (grid.ravel() for grid in np.meshgrid(np.arange(30), np.arange(25), indexing="ij"))
    np.testing.assert_array_equal(mutual.has(clip, caption).reshape(30, 25), of_clips & of_captions)


def test_mutual_neighbours_lie_inside_what_the_threshold_finds():
    pool = random_pool(1)
    all_of_them = pairs_of(choose(pool, settings_of("du", 0.2), None, set()).new.found)
    mutual = pairs_of(choose(pool, settings_of("du", 0.2, mutual_neighbours=2), None, set()).new.found)
    assert set() < mutual < all_of_them


def test_near_duplicates_of_an_earlier_clip_are_left_out_the_first_stays():
    rng = np.random.default_rng(2)
    base = unit(rng.normal(size=(5, 16)))
    copies = unit(base[[0, 3, 0]] + 1e-3 * rng.normal(size=(3, 16)))
    audio = np.concatenate([base, copies])
    assert near_duplicates(audio, np.arange(8), 0.99, EXACT).tolist() == [False] * 5 + [True] * 3
    # Of the clips asked about alone: without clip 0 the first of its copies stays.
    assert near_duplicates(audio, np.array([1, 5, 7]), 0.99, EXACT).tolist() == [False, False, True]


def test_what_is_near_to_a_dropped_clip_alone_stays():
    angles = np.deg2rad([0.0, 8.0, 16.0])
    audio = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert near_duplicates(audio, np.arange(3), float(np.cos(np.deg2rad(10))), EXACT).tolist() == [False, True, False]


def test_equal_clips_leave_one():
    audio = np.repeat(unit(np.ones((1, 4))), 6, axis=0)
    pool = pool_of(audio, audio[:1], ["one"])
    chosen = choose(pool, settings_of("du", 0.9, near_duplicate_cosine=0.999), None, set()).new
    assert pairs_of(chosen.found) == {(1, 1)}
    assert chosen.duplicates == 5


def test_blocks_of_clips_change_no_pair(monkeypatch):
    pool = random_pool(3, clips=50)
    settings = settings_of(
        "du", 0.1, maximum_captions_per_clip=2, mutual_neighbours=9, near_duplicate_cosine=0.8,
        maximum_clips_per_caption=3,
    )  # fmt: skip
    whole = choose(pool, settings, None, set())
    for block in (1, 3, 50):
        monkeypatch.setattr("stages.curate.strategies.threshold_blocks", partial(threshold_blocks, block=block))
        pieces = choose(pool, settings, None, set())
        assert pieces.new.steps == whole.new.steps
        for name in ("clip", "caption", "score"):
            np.testing.assert_array_equal(getattr(pieces.new.found, name), getattr(whole.new.found, name))


def test_everything_is_off_in_the_published_form():
    files = [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]
    read = [read_section("curate", Curate, file) for file in files if "tiny" not in file.name]
    for published in (Curate(), *read):
        _check_published(published)


def _check_published(published: Curate) -> None:
    assert published.calibration == "none"
    assert published.search == "exact"
    for guard in (
        "quantile_audio_text", "mutual_neighbours", "near_duplicate_cosine", "maximum_captions_per_clip",
        "maximum_clips_per_caption",
    ):  # fmt: skip
        assert getattr(published, guard) is None
