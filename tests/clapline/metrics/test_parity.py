"""Our measures against public implementations of them: pytrec_eval (trec_eval), ranx and torchmetrics.

Where scores tie, those go by the item's name (trec_eval) or by what a sort happens to leave first; ours puts the
irrelevant items first. They are therefore not handed the scores but the order of our convention, as whole numbers from
the gallery's size down to 1, made here by a plain sort. Whole and positive, because trec_eval keeps scores in float32
and torchmetrics takes an item of score 0 or below for one that was not retrieved.

Average precision at k: trec_eval's `map_cut` and ranx' `map@k` divide by all relevant items, ours by k of them at
most: equal where a query has up to k relevant items, else theirs is ours times k / relevant. torchmetrics' divides by
what was found and is a known issue of its own (test_average_precision_over_hits_found.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import pytrec_eval
import torch
from torchmetrics.retrieval import RetrievalHitRate, RetrievalMAP, RetrievalMRR, RetrievalRecall

from clapline.metrics.protocols import MEASURES
from clapline.metrics.retrieval import Relevance, average_precision_at_k, relevant_ranks

QUERIES, GALLERY = 50, 60
NAMES = [f"clip{item:02d}" for item in range(GALLERY)]


def scores_of(kind: str) -> np.ndarray:
    """Return scores `(queries, gallery)`: all different, or of four values, or all equal in every tenth row."""
    rng = np.random.default_rng(0)
    if kind != "ties":
        return rng.normal(size=(QUERIES, GALLERY)).astype(np.float32)
    scores = rng.integers(-1, 3, (QUERIES, GALLERY)).astype(np.float32)
    scores[::10] = 0
    return scores


def relevant_of(kind: str) -> list[list[int]]:
    """Return the relevant items of each query."""
    rng = np.random.default_rng(1)
    fewest, most = {"one": (1, 1), "many": (2, 10), "more than k": (17, 40), "ties": (1, 10)}[kind]
    counts = rng.integers(fewest, most + 1, QUERIES)
    return [sorted(rng.choice(GALLERY, count, replace=False).tolist()) for count in counts]


class Table:
    """A table of scores with its relevant items, in the forms that the implementations take."""

    def __init__(self, scores: np.ndarray, relevant: list[list[int]]) -> None:
        pairs = [(query, item) for query, items in enumerate(relevant) for item in items]
        self.relevance = Relevance.from_pairs(*np.array(pairs).T, len(relevant), scores.shape[1])
        self.ranks = relevant_ranks(scores, np.eye(scores.shape[1], dtype=np.float32), self.relevance)
        self.target = np.zeros(scores.shape, dtype=bool)
        self.target[tuple(np.array(pairs).T)] = True
        order = np.lexsort((self.target, -scores))  # best first; of equals the irrelevant ones first
        self.handed = np.empty(scores.shape, dtype=np.int64)
        np.put_along_axis(self.handed, order, np.arange(scores.shape[1], 0, -1)[None], axis=1)

    def ours(self, name: str) -> np.ndarray:
        return MEASURES[name].values(self.ranks, self.relevance)

    def relevant(self) -> dict[str, dict[str, int]]:
        return {f"q{query}": {NAMES[item]: 1 for item in np.flatnonzero(row)} for query, row in enumerate(self.target)}

    def run(self) -> dict[str, dict[str, float]]:
        rows = self.handed.astype(float).tolist()
        return {f"q{query}": dict(zip(NAMES, row, strict=True)) for query, row in enumerate(rows)}


KINDS = ("one", "many", "more than k", "ties")


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    return {kind: Table(scores_of(kind), relevant_of(kind)) for kind in KINDS}


def trec(relevant: dict, run: dict, *measures: str) -> dict[str, np.ndarray]:
    found = pytrec_eval.RelevanceEvaluator(relevant, set(measures)).evaluate(run)
    names = next(iter(found.values()))
    return {name: np.array([found[query][name] for query in relevant]) for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_trec_eval(tables, kind):
    table = tables[kind]
    theirs = trec(
        table.relevant(), table.run(), "recall.1,5,10", "success.1,5,10", "recip_rank", "map", "map_cut.10,16"
    )
    for k in (1, 5, 10):
        np.testing.assert_allclose(table.ours(f"r{k}"), theirs[f"recall_{k}"])
        np.testing.assert_array_equal(table.ours(f"any{k}"), theirs[f"success_{k}"])
    reciprocal = theirs["recip_rank"]  # over the whole gallery
    np.testing.assert_allclose(1 / table.ours("median_rank"), reciprocal)
    np.testing.assert_allclose(table.ours("mrr10"), np.where(reciprocal > 1 / 10.5, reciprocal, 0))
    whole = average_precision_at_k(table.ranks, table.relevance, GALLERY)
    np.testing.assert_allclose(whole, theirs["map"])
    counts = table.relevance.counts
    for k in (10, 16):
        np.testing.assert_allclose(
            table.ours(f"map{k}") * np.minimum(counts, k) / counts, theirs[f"map_cut_{k}"], atol=1e-12
        )
        if kind != "more than k":
            np.testing.assert_allclose(table.ours(f"map{k}"), theirs[f"map_cut_{k}"], atol=1e-12)


def test_with_more_than_k_relevant_items_theirs_never_reaches_one():
    """All of the first ten are relevant, of twenty: no order is better, and trec_eval says a half."""
    table = Table(np.arange(GALLERY, 0, -1, dtype=np.float32)[None], [list(range(20))])
    theirs = trec(table.relevant(), table.run(), "map_cut.10,16")
    assert table.ours("map10")[0] == table.ours("map16")[0] == 1
    assert theirs["map_cut_10"][0] == pytest.approx(10 / 20)
    assert theirs["map_cut_16"][0] == pytest.approx(16 / 20)


def test_ties_go_by_name_there_and_against_the_model_here():
    """One relevant item, all scores equal: another name for it makes a hit of a miss there; ours is a miss."""
    for name, hit in (("a", 0.0), ("z", 1.0)):
        run = {"q": dict.fromkeys([name, "m", "n"], 0.5)}
        assert trec({"q": {name: 1}}, run, "success.1")["success_1"][0] == hit
    assert Table(np.full((1, 3), 0.5, dtype=np.float32), [[0]]).ours("any1")[0] == 0


RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
told = json.load(sys.stdin)
found = {}
for kind, (relevant, run) in told["tables"].items():
    values = evaluate(Qrels(relevant), Run(run), told["measures"], return_mean=False)
    names = list(Qrels(relevant).get_query_ids())
    found[kind] = {measure: dict(zip(names, map(float, of), strict=True)) for measure, of in values.items()}
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def by_ranx(tables, tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    """All tables by ranx, in a process of its own and without its compiler.

    Compiling takes a minute; and ranx changes numba's settings for the whole process and makes a folder at home.
    """
    measures = [*(f"{name}@{k}" for name in ("recall", "hit_rate") for k in (1, 5, 10)), "map@10", "map@16", "mrr@10"]
    told = {kind: (table.relevant(), table.run()) for kind, table in tables.items()}
    folder = str(tmp_path_factory.mktemp("ranx"))
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "IR_DATASETS_HOME": folder, "HOME": folder}
    done = subprocess.run(
        [sys.executable, "-c", RANX],
        input=json.dumps({"tables": told, "measures": measures}),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        kind: {name: np.array([of[f"q{query}"] for query in range(QUERIES)]) for name, of in found.items()}
        for kind, found in json.loads(done.stdout).items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_ranx(tables, by_ranx, kind):
    table, theirs = tables[kind], by_ranx[kind]
    for k in (1, 5, 10):
        np.testing.assert_allclose(table.ours(f"r{k}"), theirs[f"recall@{k}"])
        np.testing.assert_array_equal(table.ours(f"any{k}"), theirs[f"hit_rate@{k}"])
    np.testing.assert_allclose(table.ours("mrr10"), theirs["mrr@10"])
    counts = table.relevance.counts
    for k in (10, 16):
        np.testing.assert_allclose(table.ours(f"map{k}") * np.minimum(counts, k) / counts, theirs[f"map@{k}"])
        assert (kind == "more than k") == (not np.allclose(table.ours(f"map{k}"), theirs[f"map@{k}"]))


def by_torchmetrics(metric: type, scores: np.ndarray, target: np.ndarray, **more) -> np.ndarray:
    """Return a measure of torchmetrics for each query: the aggregation, which is to make one number, does nothing."""
    measure = metric(aggregation=lambda values, dim: values, **more)
    query = torch.arange(len(scores)).repeat_interleave(scores.shape[1])
    measure.update(torch.from_numpy(scores.astype(np.float32)).flatten(), torch.from_numpy(target).flatten(), query)
    return measure.compute().double().numpy().reshape(-1)


@pytest.mark.parametrize("kind", KINDS)
def test_torchmetrics(tables, kind):
    table = tables[kind]
    for k in (1, 5, 10):
        recall = by_torchmetrics(RetrievalRecall, table.handed, table.target, top_k=k)
        np.testing.assert_allclose(table.ours(f"r{k}"), recall, rtol=1e-6)
        hit = by_torchmetrics(RetrievalHitRate, table.handed, table.target, top_k=k)
        np.testing.assert_array_equal(table.ours(f"any{k}"), hit)
    reciprocal = by_torchmetrics(RetrievalMRR, table.handed, table.target)
    np.testing.assert_allclose(1 / table.ours("median_rank"), reciprocal, rtol=1e-6)
    np.testing.assert_allclose(
        table.ours("mrr10"), by_torchmetrics(RetrievalMRR, table.handed, table.target, top_k=10), rtol=1e-6
    )
    whole = average_precision_at_k(table.ranks, table.relevance, GALLERY)
    np.testing.assert_allclose(whole, by_torchmetrics(RetrievalMAP, table.handed, table.target), rtol=1e-5)


def test_cosines_below_zero_are_ranked_here_and_left_out_there():
    """The relevant item is the best of all, with a cosine of -0.1: torchmetrics finds nothing."""
    scores = np.array([[-0.1, -0.2, -0.3]], dtype=np.float32)
    table = Table(scores, [[0]])
    assert table.ours("r1")[0] == 1
    assert by_torchmetrics(RetrievalRecall, scores, table.target, top_k=1)[0] == 0
    assert by_torchmetrics(RetrievalRecall, table.handed, table.target, top_k=1)[0] == 1
