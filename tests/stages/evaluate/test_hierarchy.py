"""Traversal as a part: trees of any depth, levels over the trees that have them, a control of shuffled trees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clapline.metrics.scores import Side
from clapline.model.gallery import VectorGallery
from stages.evaluate.benchmarks import hierarchy_benchmarks
from stages.evaluate.encoded import Encoded
from stages.evaluate.hierarchy import traversal_part
from stages.evaluate.parts import query_rows

BRANCHES, ANGLES = 30, (0.5, 1.0, np.pi / 2)


@pytest.fixture
def fan():
    """Branches of three captions between root and leaf; every third tree lacks its particular level."""
    dim = BRANCHES + 1
    root, vectors, rows = np.eye(dim, dtype=np.float32)[0], {}, []
    for branch in range(BRANCHES):
        tree = []
        for level, angle in enumerate(ANGLES):
            text = f"branch {branch} level {level}"
            vectors[text] = np.cos(angle) * root + np.sin(angle) * np.eye(dim)[branch + 1]
            tree.append(text)
        rows.append(tree[:2] if branch % 3 == 0 else tree)
    clips = pd.DataFrame({"dataset": "toy", "clip_id": [f"{row:02d}" for row in range(BRANCHES)], "caption_tree": rows})
    (benchmark,) = hierarchy_benchmarks(clips)
    audio = np.stack([vectors[tree[-1]] for tree in rows]).astype(np.float32)
    texts = np.stack([vectors[text] for text in benchmark.captions]).astype(np.float32)
    names = {("toy", clip): row for row, clip in enumerate(clips["clip_id"])}
    model = Encoded("student", Side(VectorGallery(audio)), Side(texts), root, names, {t: r for r, t in enumerate(benchmark.captions)})  # fmt: skip # noqa: E501
    return benchmark, model


def test_true_trees_are_walked_and_strangers_trees_are_not(fan):
    part = traversal_part(*fan, seed=0)
    assert part.values["precision"].mean() == part.values["recall"].mean() == part.values["ordered_recall"].mean() == 1
    assert max(part.control[name] for name in ("precision", "recall", "ordered_recall")) < 0.2
    assert part.ratios["tau"][0].tolist() == [1.0] * BRANCHES


def test_a_level_is_averaged_over_the_trees_that_have_it(fan):
    part = traversal_part(*fan, seed=0)
    hits, there = part.ratios["level3"]
    assert there.sum() == BRANCHES * 2 / 3
    assert hits.sum() / there.sum() == 1.0
    assert part.ratios["level1"][1].sum() == BRANCHES


def test_paths_go_from_the_clip_to_the_root_and_rows_name_clips(fan):
    benchmark, _ = fan
    part = traversal_part(*fan, seed=0)
    words = [[benchmark.captions[caption] for caption in path] for path in part.details["paths"]]
    assert words[1] == ["branch 1 level 2", "branch 1 level 1", "branch 1 level 0"]
    rows = query_rows(part, "student")
    assert rows["query"].tolist() == benchmark.clips["clip_id"].tolist()
    assert rows["tau"].tolist() == [1.0] * BRANCHES
    assert rows["r10"].isna().all()
