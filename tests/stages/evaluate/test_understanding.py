"""Twins: a model that hears the difference wins, one that cannot ties and loses, one that guesses gets half."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clapline.metrics.scores import Side
from clapline.model.gallery import VectorGallery
from stages.evaluate.benchmarks import retrieval_benchmarks
from stages.evaluate.encoded import Encoded
from stages.evaluate.understanding import twin_part, twins_of

CAPTIONS = [
    ["A dog barks before a car horn honks.", "A man speaks loudly."],
    ["A car horn honks before a dog barks.", "A woman speaks quietly."],
    ["A dog barks before a bird chirps.", "A man speaks loudly."],
]
CLIPS = pd.DataFrame({"dataset": "toy", "clip_id": ["a", "b", "c"], "captions": CAPTIONS})


@pytest.fixture
def benchmark():
    (found,) = retrieval_benchmarks(CLIPS, pd.DataFrame(columns=["dataset", "clip_id", "level"]))
    return found


def model(benchmark, twins, score) -> Encoded:
    """A model whose cosine of clip and text is `score(clip, text)`: a text's vector is its row of scores."""
    texts = sorted({*benchmark.captions, *(word for one in twins for word in one.words)})
    table = np.array([[score(clip, text) for clip in CLIPS["clip_id"]] for text in texts], dtype=np.float32)
    rows = {("toy", clip): row for row, clip in enumerate(CLIPS["clip_id"])}
    clips = Side(VectorGallery(np.eye(3, dtype=np.float32)))
    return Encoded("student", clips, Side(table), table[0], rows, {text: row for row, text in enumerate(texts)})


def test_each_kind_has_the_captions_that_have_such_a_twin(benchmark):
    twins = {one.kind: one for one in twins_of([benchmark])}
    assert set(twins) == {"order", "antonym", "verb", "noun"}
    asked = [benchmark.captions[row] for row in twins["order"].queries]
    assert asked == sorted(text for texts in CAPTIONS for text in texts[:1])
    assert "A dog barks after a car horn honks." in twins["order"].words
    assert len(twins["antonym"].queries) == 2
    assert all(one.part == f"twin_{kind}" for kind, one in twins.items())


def test_hearing_wins_and_deafness_loses_whatever_the_clip(benchmark):
    twins = twins_of([benchmark])
    own = {clip: set(texts) for clip, texts in zip(CLIPS["clip_id"], CAPTIONS, strict=True)}
    hears = model(benchmark, twins, lambda clip, text: float(text in own[clip]))
    deaf = model(benchmark, twins, lambda clip, text: 0.5)
    words = model(benchmark, twins, lambda clip, text: float(text in benchmark.captions))
    for one in twins:
        assert twin_part(one, hears, 0).values["accuracy"].mean() == 1.0
        equal = twin_part(one, deaf, 0)
        assert equal.values["accuracy"].mean() == equal.control["accuracy"] == 0.0  # ties count as wrong
        # A model that prefers whole sentences wins as well, but with a stranger's clip too: the control tells.
        fluent = twin_part(one, words, 0)
        assert fluent.values["accuracy"].mean() == fluent.control["accuracy"] == 1.0
        assert fluent.chance["accuracy"] == 0.5


def test_a_caption_of_two_clips_counts_the_mean_over_them(benchmark):
    twins = [one for one in twins_of([benchmark]) if one.kind == "antonym"]
    only_a = model(benchmark, twins, lambda clip, text: float(text in benchmark.captions and clip == "a"))
    part = twin_part(twins[0], only_a, 0)
    values = dict(zip(part.queries, part.values["accuracy"], strict=True))
    assert values == {"A man speaks loudly.": 0.5, "A woman speaks quietly.": 0.0}
    assert part.words is twins[0].words
