"""Search equals a dense float64 reference, whatever the block, also where similarities tie."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import threadpoolctl
import torch

from clapline.errors import UserError
from clapline.search import (
    Engine,
    as_rows,
    exact,
    highest_similarity,
    recall,
    similarities,
    threshold_blocks,
    threshold_pairs,
    top_k,
)
from clapline.search.products import PRODUCTS
from clapline.search.rows import matrix
from clapline.search.worker import Worker, prepared


def unit_rows(seed: int, count: int, dim: int = 24, distinct: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(distinct or count, dim))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows if distinct is None else rows[rng.integers(0, distinct, count)]


def dense(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array([[np.dot(a.astype(np.float64), b.astype(np.float64)) for b in second] for a in first], np.float32)


@pytest.mark.parametrize("block", [1, 3, 7, 1000])
@pytest.mark.parametrize("threshold", [-1.0, 0.1, 0.45])
def test_threshold_pairs_equal_a_dense_reference(block, threshold):
    audio, text = unit_rows(0, 29), unit_rows(1, 41)
    row, column = np.nonzero(dense(audio, text) >= np.float32(threshold))
    found = threshold_pairs(audio, text, threshold, block)
    np.testing.assert_array_equal(found[0], row)
    np.testing.assert_array_equal(found[1], column)
    np.testing.assert_allclose(found[2], dense(audio, text)[row, column], atol=1e-7)
    assert found[2].dtype == np.float32


def test_blocks_change_no_bit():
    audio, text = unit_rows(2, 60, 130), unit_rows(3, 50, 130)
    threshold = float(np.sort(dense(audio, text).ravel())[-300])  # exactly on one of the similarities
    whole = threshold_pairs(audio, text, threshold)
    assert len(whole[0]) == 300
    for block in (1, 7, 32):
        for got, expected in zip(threshold_pairs(audio, text, threshold, block), whole, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_threshold_is_monotone_and_may_select_all_or_nothing():
    audio, text = unit_rows(4, 12), unit_rows(5, 9)
    sets = [set(zip(*map(list, threshold_pairs(audio, text, s)[:2]), strict=True)) for s in (-1.0, 0.0, 0.3, 1.5)]
    assert len(sets[0]) == 12 * 9
    assert sets[0] >= sets[1] >= sets[2] >= sets[3] == set()


@pytest.mark.parametrize("block", [1, 4, 100])
@pytest.mark.parametrize("distinct", [None, 5])
def test_top_k_equals_a_dense_reference_with_ties_to_the_lower_index(block, distinct):
    queries, gallery = unit_rows(6, 17), unit_rows(7, 33, distinct=distinct)
    reference = dense(queries, gallery)
    order = np.lexsort((np.broadcast_to(np.arange(33), reference.shape), -reference), axis=1)[:, :6]
    index, similarity = top_k(queries, gallery, 6, block)
    np.testing.assert_array_equal(index, order)
    np.testing.assert_allclose(similarity, np.take_along_axis(reference, order, axis=1), atol=1e-7)


def test_top_k_returns_no_more_than_the_gallery_without_duplicates():
    index, _ = top_k(unit_rows(8, 4), unit_rows(9, 3), 5)
    assert index.shape == (4, 3)
    assert all(len(set(row)) == 3 for row in index.tolist())


def test_torch_and_half_precision_rows_are_taken():
    audio, text = unit_rows(10, 8), unit_rows(11, 6)
    for got, expected in zip(
        threshold_pairs(torch.from_numpy(audio), text, 0.1), threshold_pairs(audio, text, 0.1), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    assert as_rows(audio.astype(np.float16), "half").dtype == np.float32


def test_highest_similarity_is_the_dense_maximum():
    audio, text = unit_rows(12, 40), unit_rows(13, 30)
    assert highest_similarity(audio, text, 7) == float(dense(audio, text).max())
    assert highest_similarity(audio[:0], text) == highest_similarity(audio, text[:0]) == -np.inf


def test_bad_rows_are_refused():
    audio = unit_rows(14, 4)
    broken = audio.copy()
    broken[2, 3] = np.nan
    with pytest.raises(UserError, match="1 of 4 embeddings hold NaN"):
        threshold_pairs(broken, audio, 0.5)
    with pytest.raises(UserError, match="dimensions cannot be compared"):
        top_k(audio, audio[:, :5], 1)
    with pytest.raises(UserError, match="k = 0"):
        top_k(audio, audio, 0)


def embeddings(kind: str, seed: int, count: int, dim: int) -> np.ndarray:
    """Rows of one kind; the two sides of a search differ by their seed."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim))
    if kind == "clustered":  # all cosines close to 1, closer than bfloat16 can tell
        rows = 0.02 * rows + 1
    if kind == "opposite":  # and close to -1
        rows = (-1) ** seed * (0.02 * rows + 1)
    if kind != "any length":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-30
    else:
        rows *= 10.0 ** rng.integers(-3, 5, (count, 1))
    rows = rows.astype(np.float16 if kind == "half" else np.float32)
    if kind == "tied" and count:
        rows = rows[rng.integers(0, min(count, 4), count)]
    if kind == "equal":
        rows[:] = 1 / dim
    return rows


def reference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("nd,md->nm", first.astype(np.float64), second.astype(np.float64)).astype(np.float32)


KINDS = ["random", "clustered", "opposite", "tied", "equal", "any length", "half"]
SHAPES = [(0, 5, 8), (5, 0, 8), (1, 1, 1), (9, 40, 2), (33, 21, 3), (12, 300, 130), (20, 70, 513), (7, 90, 520)]


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_product_gives_what_the_dense_float64_reference_does_bit_for_bit(kind, product):
    engine = Engine(product=product)
    for number, (count, gallery, dim) in enumerate(SHAPES):
        first, second = embeddings(kind, 2 * number, count, dim), embeddings(kind, 2 * number + 1, gallery, dim)
        expected = reference(first, second)
        order = np.lexsort((np.broadcast_to(np.arange(gallery), expected.shape), -expected), axis=1)
        values = np.sort(expected.ravel())
        for block in (None, 7):
            for place in {0, len(values) // 2, len(values) - 1} if len(values) else ():
                threshold = float(values[place])  # exactly on a similarity
                row, column, similarity = threshold_pairs(first, second, threshold, block, engine=engine)
                np.testing.assert_array_equal([row, column], np.nonzero(expected >= values[place]))
                np.testing.assert_array_equal(similarity, expected[row, column])
                above = threshold_pairs(first, second, np.nextafter(values[place], np.float32(9e9)), engine=engine)
                assert len(above[0]) == (expected > values[place]).sum()
            for k in (1, 10, 1000):
                index, similarity = top_k(first, second, k, block, engine=engine)
                np.testing.assert_array_equal(index, order[:, :k])
                np.testing.assert_array_equal(similarity, np.take_along_axis(expected, order[:, :k], axis=1))


@pytest.fixture
def three_threads(monkeypatch):
    monkeypatch.setattr(exact, "_ONE_THREAD", 0)
    monkeypatch.setattr(exact, "threads", lambda: 3)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("product", ["auto", *PRODUCTS])
def test_threads_blocks_and_products_change_no_bit_and_leave_the_libraries_as_they_were(product, monkeypatch):
    monkeypatch.setattr(exact, "_LARGE", 0)  # auto tries them all
    first, second = embeddings("random", 0, 130, 40), embeddings("random", 1, 170, 40)
    expected = reference(first, second)
    threshold = float(np.sort(expected.ravel())[-500])
    order = np.argsort(-expected, axis=1, kind="stable")[:, :9]
    matmul = torch.backends.cuda.matmul

    def state() -> list:
        blas = [library["num_threads"] for library in threadpoolctl.threadpool_info()]
        return [blas, torch.get_num_threads(), matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction]

    before = state()
    for block in (None, 11, 64):
        row, column, similarity = threshold_pairs(first, second, threshold, block, engine=Engine(product=product))
        np.testing.assert_array_equal([row, column], np.nonzero(expected >= np.float32(threshold)))
        np.testing.assert_array_equal(similarity, expected[row, column])
        np.testing.assert_array_equal(top_k(first, second, 9, block, engine=Engine(product=product))[0], order)
    assert state() == before


def test_similarities_too_close_for_bfloat16_are_multiplied_again_in_float32():
    first, second = embeddings("clustered", 0, 6, 64), embeddings("clustered", 1, 4000, 64)
    worker = Worker("bfloat16", "cpu", 64)
    rows, gallery = (exact.load(side, slice(0, len(side)), "rows") for side in (first, second))
    block = prepared(worker._pass, gallery, 0)
    looked = sum(len(row) for row, _, _ in worker.pairs(rows, block, np.full(6, -np.inf, np.float32), 3))
    assert worker._careful is not None
    assert 6 * 3 <= looked < 6 * 200
    expected = np.argsort(-reference(first, second), axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(top_k(first, second, 3, engine=Engine(product="bfloat16"))[0], expected)


def test_the_similarity_of_a_pair_is_the_same_in_any_company():
    first, second = embeddings("random", 0, 700, 515), embeddings("random", 1, 90, 515)
    rng = np.random.default_rng(0)
    row, column = rng.integers(0, 700, 900), rng.integers(0, 90, 900)
    together = similarities(first, second, row, column)
    np.testing.assert_array_equal(together, reference(first, second)[row, column])
    for some in (slice(0, 1), slice(3, 260), slice(899, 900)):
        np.testing.assert_array_equal(similarities(first, second, row[some], column[some]), together[some])
    with pytest.raises(IndexError, match="700 of 700"):
        similarities(first, second, np.array([700]), np.array([0]))


class Made:
    """Rows that are made when they are asked for, and remember for how many they were asked."""

    def __init__(self, count: int, dim: int, seed: int) -> None:
        self.shape, self._seed = (count, dim), seed
        self.asked: list[slice] = []

    def __getitem__(self, rows: slice) -> np.ndarray:
        self.asked.append(rows)
        return np.stack(
            [embeddings("random", self._seed + row, 1, self.shape[1])[0] for row in range(*rows.indices(self.shape[0]))]
        )

    def whole(self) -> np.ndarray:
        return self[: self.shape[0]]


def test_rows_made_when_asked_are_searched_like_a_matrix_in_slices_no_longer_than_a_slab():
    audio, text = Made(200, 16, 0), Made(90, 16, 10_000)
    expected = threshold_pairs(audio.whole(), text.whole(), 0.4)
    assert len(expected[0]) > 100
    audio.asked, text.asked = [], []
    for got, wanted in zip(threshold_pairs(audio, text, 0.4, 20), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert max(part.stop - part.start for part in audio.asked) <= 40
    assert max(part.stop - part.start for part in text.asked) <= 20
    assert sum(part.stop - part.start for part in audio.asked) == 200  # each clip once


def test_few_queries_read_a_gallery_that_is_made_when_asked_once():
    gallery = Made(3000, 8, 0)
    queries = embeddings("random", 1, 30, 8)
    found = top_k(queries, gallery, 5)
    assert sum(part.stop - part.start for part in gallery.asked) == 3000
    np.testing.assert_array_equal(found[0], top_k(queries, gallery.whole(), 5)[0])


def test_memory_does_not_grow_with_the_clips():
    import tracemalloc

    text = embeddings("random", 0, 300, 16)

    class Repeated:
        def __init__(self, count: int) -> None:
            self.shape = (count, 16)

        def __getitem__(self, rows: slice) -> np.ndarray:
            return text[np.arange(rows.start, rows.stop) % 300]

    def peak(count: int) -> int:
        tracemalloc.start()
        found = sum(len(row) for row, _, _ in threshold_blocks(Repeated(count), text, 0.5, 128))
        assert found > count
        measured = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return measured

    peak(512)
    assert peak(20_000) < 1.2 * peak(2_000)


def test_blocks_come_in_the_order_of_the_rows():
    audio, text = embeddings("random", 0, 100, 8), embeddings("random", 1, 50, 8)
    blocks = list(threshold_blocks(audio, text, 0.3, 10))
    assert len(blocks) > 3
    for got, wanted in zip(
        map(np.concatenate, zip(*blocks, strict=True)), threshold_pairs(audio, text, 0.3), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)


def test_progress_counts_every_row_once():
    rows, gallery = embeddings("random", 0, 100, 8), embeddings("random", 1, 50, 8)
    for kind in ("reaching", "nearest"):
        done: list[float] = []
        search = exact.Search(matrix(rows, "first"), matrix(gallery, "second"), Engine(), 9, done.append)
        list(getattr(search, kind)(1))
        assert sum(done) == pytest.approx(100)


@pytest.mark.parametrize("fault", [np.nan, np.inf, 1e30])
def test_a_fault_in_the_last_block_is_found_and_said_in_one_line(fault):
    audio = embeddings("random", 0, 50, 8)
    audio[49, 3] = fault
    text = embeddings("random", 1, 30, 8)
    for search in (lambda: threshold_pairs(audio, text, 0.5, 8), lambda: top_k(text, audio, 2, 8)):
        with pytest.raises(UserError, match=r"(first|second): 1 of \d+ embeddings .*the first is row 49") as caught:
            search()
        assert "\n" not in str(caught.value)


def test_what_an_engine_cannot_be_is_refused():
    for wrong in ({"kind": "annoy"}, {"product": "int8"}, {"lists": 0}, {"probes": 0}):
        with pytest.raises(UserError, match=f"{next(iter(wrong))} = "):
            Engine(**wrong)
    with pytest.raises(UserError, match="block = 0"):
        top_k(unit_rows(0, 3), unit_rows(1, 3), 1, 0)


def test_an_exact_engine_recalls_all_and_nothing_to_find_is_all():
    audio, text = embeddings("random", 0, 60, 8), embeddings("random", 1, 40, 8)
    assert recall(audio, text, Engine(product="bfloat16"), k=3, sample=20) == 1.0
    assert recall(audio, text, Engine(), threshold=2.0) == 1.0


def test_a_small_search_imports_no_torch():
    code = (
        "import sys, numpy as np\nfrom clapline.search import top_k\nrows = np.eye(9, dtype=np.float32)\n"
        "top_k(rows, rows, 2)\nassert 'torch' not in sys.modules and 'faiss' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
