"""Trap 5: every clip is taken to have five captions, in order, one clip after the other (WavCaps and its heirs)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clapline.metrics.scores import Side
from clapline.model.gallery import VectorGallery
from stages.evaluate.benchmarks import retrieval_benchmarks
from stages.evaluate.encoded import Encoded
from stages.evaluate.parts import Part
from stages.evaluate.retrieval import direction_parts

NO_PARAPHRASES = pd.DataFrame(columns=["dataset", "clip_id", "level"])
UNEVEN = [1, 3, 5, 5, 3, 1, 5, 1, 3, 3]  # captions per clip, 30 in all: as many as six clips with five


def world(counts: list[int], seed: int = 0) -> tuple[pd.DataFrame, Encoded]:
    """Return clips with so many captions each, and a model that hears them, not too well."""
    rng = np.random.default_rng(seed)
    captions = [[f"clip {clip} caption {number}" for number in range(count)] for clip, count in enumerate(counts)]
    clips = pd.DataFrame({"dataset": "toy", "clip_id": [f"{clip:02d}" for clip in range(len(counts))]})
    clips["captions"] = captions
    audio = rng.normal(size=(len(counts), 12))
    texts = [text for row in captions for text in row]
    text = np.repeat(audio, counts, axis=0) + 1.5 * rng.normal(size=(len(texts), 12))
    audio, text = ((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("float32") for rows in (audio, text))
    rows = {("toy", clip_id): row for row, clip_id in enumerate(clips["clip_id"])}
    places = {words: row for row, words in enumerate(texts)}
    return clips, Encoded("student", Side(VectorGallery(audio)), Side(text), audio[0], rows, places)


def measured(clips: pd.DataFrame, model: Encoded, captions: str = "distinct") -> dict[str, dict[str, dict[str, float]]]:
    """Return each measure of each query by part: texts go by their words, clips by their ids."""
    (benchmark,) = retrieval_benchmarks(clips, NO_PARAPHRASES, captions=captions)
    return {part.name: by_query(part) for part in direction_parts(benchmark, model, seed=0)}


def by_query(part: Part) -> dict[str, dict[str, float]]:
    names = part.words if part.words is not None else part.queries
    values = {**part.values, **part.medians}
    return {name: {measure: float(of[row]) for measure, of in values.items()} for row, name in enumerate(names)}


def mean(found: dict[str, dict[str, float]], measure: str) -> float:
    return float(np.mean([of[measure] for of in found.values()]))


def five_in_order(audio: np.ndarray, text: np.ndarray) -> dict[str, float]:
    """What follows from the assumption: rows are captions, and rows 5i to 5i + 4 are clip i's.

    `audio` `(rows, dim)` has each clip's embedding beside each of its captions.
    """
    heard = audio[::5]
    best = [(np.argsort(-(text @ clip)) // 5 == place).argmax() for place, clip in enumerate(heard)]
    own = [np.argsort(-(heard @ words)).tolist().index(row // 5) for row, words in enumerate(text)]
    return {f"a2t_any{k}": float(np.mean(np.array(best) < k)) for k in (1, 5)} | {
        f"t2a_r{k}": float(np.mean(np.array(own) < k)) for k in (1, 5)
    }


def of_rows(clips: pd.DataFrame, model: Encoded, order: np.ndarray | None = None) -> dict[str, float]:
    """Return what the assumption gives on clips, with the rows in the order given, else in that of the clips."""
    counts = clips["captions"].map(len).to_numpy()
    texts = [text for captions in clips["captions"] for text in captions]
    order = np.arange(len(texts)) if order is None else order
    audio = np.repeat(model.of_clips(clips).items.vectors, counts, axis=0)
    return five_in_order(audio[order], model.of_texts(texts).items[order])


def ours(clips: pd.DataFrame, model: Encoded) -> dict[str, float]:
    found = measured(clips, model)
    return {
        f"{part}_{measure}": mean(found[part], measure)
        for part, measures in (("a2t", ("any1", "any5")), ("t2a", ("r1", "r5")))
        for measure in measures
    }


def shuffled(clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the same clips in another order, each with its captions in another order."""
    rng = np.random.default_rng(seed)
    moved = clips.iloc[rng.permutation(len(clips))].reset_index(drop=True)
    moved["captions"] = [rng.permutation(np.array(texts, dtype=object)).tolist() for texts in moved["captions"]]
    return moved


def test_with_five_captions_in_order_the_assumption_gives_our_figures():
    clips, model = world([5] * 12)
    assert of_rows(clips, model) == pytest.approx(ours(clips, model))


def test_with_rows_in_another_order_it_gives_others():
    clips, model = world([5] * 12)
    order = np.random.default_rng(1).permutation(60)
    wrong = of_rows(clips, model, order)
    right = ours(clips, model)
    assert max(abs(wrong[name] - right[name]) for name in right) > 0.1


def test_with_one_three_and_five_captions_it_gives_others():
    """Thirty captions of ten clips pass for those of six: nothing fails, and every figure is another."""
    clips, model = world(UNEVEN)
    wrong, right = of_rows(clips, model), ours(clips, model)
    assert all(abs(wrong[name] - right[name]) > 0.05 for name in right)


@pytest.mark.parametrize("counts", [UNEVEN, [5] * 10])
@pytest.mark.parametrize("captions", ["distinct", "rows"])
def test_ours_gives_every_query_the_same_in_any_order(counts, captions):
    clips, model = world(counts)
    expected = measured(clips, model, captions)
    assert len(expected["t2a"]) == sum(counts)
    assert len(expected["a2t"]) == len(counts)
    for seed in range(3):
        assert measured(shuffled(clips, seed), model, captions) == expected


def test_ours_is_what_each_query_gives_by_itself():
    """Query by query from the scores, with nothing but who belongs to whom."""
    clips, model = world(UNEVEN)
    found = measured(clips, model)
    owner = {text: row for row, texts in enumerate(clips["captions"]) for text in texts}
    scores = model.text.items @ model.audio.items.vectors.T
    for text, row in model.text_rows.items():
        rank = 1 + int((scores[row] > scores[row, owner[text]]).sum())
        assert found["t2a"][text]["median_rank"] == rank
        assert found["t2a"][text]["map10"] == pytest.approx(1 / rank)
        assert found["t2a"][text]["r5"] == (rank <= 5)
    for clip, (clip_id, texts) in enumerate(zip(clips["clip_id"], clips["captions"], strict=True)):
        column = scores[:, clip]
        ranks = sorted(1 + int((column > column[model.text_rows[text]]).sum()) for text in texts)
        assert found["a2t"][clip_id]["r5"] == pytest.approx(np.mean(np.array(ranks) <= 5))
        assert found["a2t"][clip_id]["any5"] == (ranks[0] <= 5)
        precision = [hit / rank for hit, rank in enumerate(ranks, start=1) if rank <= 10]
        assert found["a2t"][clip_id]["map10"] == pytest.approx(sum(precision) / len(texts))


def test_a_caption_that_two_clips_share_belongs_to_both():
    clips, model = world([1, 3, 5])
    clips.loc[1, "captions"].append("clip 0 caption 0")
    found = measured(clips, model)
    assert len(found["t2a"]) == 9
    ranks = 1 + (model.audio.items.vectors @ model.text.items[0]).argsort()[::-1].argsort()
    assert found["t2a"]["clip 0 caption 0"]["median_rank"] == ranks[:2].min()
    assert found["t2a"]["clip 0 caption 0"]["r1"] in (0.0, 0.5)
