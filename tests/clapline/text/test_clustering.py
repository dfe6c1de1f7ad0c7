"""Clusters of captions: the same in every run and with any number of threads; what has none, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from clapline.errors import UserError
from clapline.text.clustering import UNKNOWN, cluster_captions

ROOT = Path(__file__).parents[3]
THINGS = {
    "dog": ["a dog barks", "dog barking loudly", "the barking dog", "two dogs barking"],
    "rain": ["rain falls on roof", "heavy rain falls", "falling rain", "rain on a tin roof"],
    "bell": ["church bell rings", "bell ringing", "a bell rings twice", "the church bells"],
}
CAPTIONS = [caption for captions in THINGS.values() for caption in captions]


def clusters(captions: list[str] = CAPTIONS, count: int = 3, seed: int = 0) -> np.ndarray:
    return cluster_captions(captions, count, "tfidf", seed)


def test_sounds_are_told_apart():
    """Captions that share their words share a cluster; the same in every run."""
    found = clusters()
    assert found.dtype == np.int64
    assert found.shape == (len(CAPTIONS),)
    assert set(found) == {0, 1, 2}
    np.testing.assert_array_equal(clusters(), found)
    pairs = found[:, None] == found
    things = np.repeat(np.arange(3), 4)
    assert (pairs == (things[:, None] == things)).mean() > 0.7


def test_equal_captions_have_equal_clusters():
    """And neither their number nor their order changes a cluster."""
    found = dict(zip(CAPTIONS, clusters(), strict=True))
    several = [*CAPTIONS[::-1], *[CAPTIONS[2]] * 50]
    for caption, cluster in zip(several, clusters(several), strict=True):
        assert cluster == found[caption]


def test_captions_of_which_nothing_is_known():
    """Of stop words alone, or of nothing: -1, and the others as without them."""
    strange = ["", "the of and", "..."]
    found = clusters([*CAPTIONS, *strange])
    assert found[len(CAPTIONS) :].tolist() == [UNKNOWN] * 3
    assert UNKNOWN == -1
    assert (found[: len(CAPTIONS)] >= 0).all()


def test_the_seed_takes_part_in_the_draw():
    """Otherwise the runs above would be equal whatever the seed: many clusters of alike captions."""
    words = [f"{first} {second}" for first in "abcdefgh" for second in ("hum", "buzz", "hiss", "roar", "click")]
    captions = [f"sound{index % 7} {word} noise{index % 5}" for index, word in enumerate(words)]
    runs = {tuple(clusters(captions, 6, seed)) for seed in range(6)}
    assert len(runs) > 1


def test_one_cluster_for_all():
    assert set(clusters(count=1)) == {0}


def test_as_many_clusters_as_captions():
    assert len(set(clusters(count=len(CAPTIONS)))) == len(CAPTIONS)


def test_the_number_of_threads_plays_no_part():
    with threadpool_limits(2):
        two = clusters()
    with threadpool_limits(1):
        np.testing.assert_array_equal(clusters(), two)


def test_neither_do_those_of_the_process():
    """Four threads from the start of another process, and its own salt of hashes."""
    code = (
        "import json,sys; from clapline.text.clustering import cluster_captions as c;"
        "print(json.dumps(c(json.loads(sys.argv[1]), 3, 'tfidf', 0).tolist()))"
    )
    environment = {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(CAPTIONS)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == clusters().tolist()


@pytest.mark.parametrize(
    ("captions", "count", "match"),
    [
        (["a dog", "a dog", "rain"], 3, r"clusters.count = 3, but of the training captions 2 distinct"),
        (["a dog", "rain", "", "the"], 3, r"clusters.count = 3, but of the training captions 2 distinct"),
        (["the of", "and"], 1, "clusters.embedding tfidf"),
    ],
)
def test_too_few_captions(captions: list[str], count: int, match: str):
    with pytest.raises(UserError, match=match):
        clusters(captions, count)
