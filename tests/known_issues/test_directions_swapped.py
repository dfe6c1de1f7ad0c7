"""Trap 11: direction labels swapped. `t2a` asks with captions among clips; an asymmetric table tells them apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clapline.metrics.scores import Side
from clapline.model.gallery import VectorGallery
from stages.evaluate.benchmarks import retrieval_benchmarks
from stages.evaluate.encoded import Encoded
from stages.evaluate.parts import query_rows
from stages.evaluate.retrieval import retrieval_parts

# Both captions find their own clip first (0.9 > 0.8, 0.7 > 0.6), but both clips find caption "one" first.
AUDIO = np.array([[0.9, 0.6], [0.8, 0.7]], dtype=np.float32)


def test_each_direction_is_called_by_its_query():
    clips = pd.DataFrame({"dataset": "toy", "clip_id": ["a", "b"], "captions": [["one"], ["two"]]})
    (benchmark,) = retrieval_benchmarks(clips, pd.DataFrame(columns=["dataset", "clip_id", "level"]))
    clip_rows, text_rows = {("toy", "a"): 0, ("toy", "b"): 1}, {"one": 0, "two": 1}
    audio = Side(VectorGallery(AUDIO))
    model = Encoded("student", audio, Side(np.eye(2, dtype=np.float32)), AUDIO[0], clip_rows, text_rows)
    parts = {part.name: part for part in retrieval_parts(benchmark, model, seed=0)}
    assert parts["t2a"].values["r1"].mean() == 1.0
    assert parts["a2t"].values["r1"].mean() == 0.5
    assert query_rows(parts["t2a"], "student")["query"].tolist() == ["one", "two"]
    assert query_rows(parts["a2t"], "student")["query"].tolist() == ["a", "b"]
