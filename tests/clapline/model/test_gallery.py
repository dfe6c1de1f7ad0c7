"""Galleries: both kinds answer alike, clips can be picked, and what cannot be ranked is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from clapline.errors import UserError
from clapline.model import gallery as module
from clapline.model import text_aware
from clapline.model.gallery import FrameGallery, VectorGallery
from clapline.model.inputs import States
from clapline.model.text_aware import TextAwarePooling
from clapline.params.audio_encoder import TextAwarePooling as Settings


def unit(rows: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def frame_gallery(clips: int = 7, positions: int = 5) -> FrameGallery:
    torch.manual_seed(0)
    pooling = TextAwarePooling(8, Settings(dimension=12, dropout=0.5, output_dropout=0.5)).train()
    mask = torch.rand(clips, positions) < 0.7
    mask[:, 0] = True
    return FrameGallery(torch.randn(clips, positions, 8).half(), mask, pooling, "cpu")


@pytest.mark.parametrize("gallery", [VectorGallery(unit(7, seed=1)), frame_gallery()], ids=["vectors", "frames"])
def test_clips_are_taken_in_any_order_and_texts_asked_in_any_number(gallery):
    texts = unit(9)
    whole = gallery.cosines(texts)
    assert whole.shape == (9, len(gallery)) == (9, 7)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(gallery.cosines(texts), whole)
    rows = np.array([4, 0, 6, 0])
    taken = gallery.take(rows)
    assert len(taken) == 4
    np.testing.assert_allclose(taken.cosines(texts), whole[:, rows], atol=1e-6)
    np.testing.assert_allclose(taken.take([3, 2]).cosines(texts), whole[:, [0, 6]], atol=1e-6)
    np.testing.assert_allclose(gallery.cosines(texts[3:4]), whole[3:4], atol=1e-6)
    assert gallery.cosines(texts[:0]).shape == (0, 7)
    assert gallery.take([]).cosines(texts).shape == (9, 0)


def test_vectors_are_compared_in_float64_and_equal_ones_tie():
    vectors = unit(40, 64)
    vectors[[7, 30]] = vectors[2]
    similarity = VectorGallery(vectors).cosines(unit(25, 64, seed=3))
    expected = (unit(25, 64, seed=3).astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    np.testing.assert_array_equal(similarity, expected)
    assert (similarity[:, 2] == similarity[:, 7]).all()
    assert (similarity[:, 2] == similarity[:, 30]).all()


def test_frames_are_scored_by_their_pooling_without_dropout():
    gallery, texts = frame_gallery(), unit(9)
    pooling = gallery.pooling
    scores = gallery.cosines(texts)
    assert pooling.training  # as it was
    pooling.eval()
    states = States(gallery.frames.float(), gallery.mask)
    np.testing.assert_allclose(scores, pooling.cosines(torch.from_numpy(texts), states).detach().numpy(), atol=1e-6)
    pooling.train()
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(gallery.cosines(texts), scores)


def test_parts_on_the_device_hold_their_bound_and_change_nothing(monkeypatch):
    gallery, texts = frame_gallery(), unit(9)
    whole = gallery.cosines(texts)
    seen = []
    cosines = TextAwarePooling.cosines

    def watched(self, text, frames, **more):
        seen.append(len(frames.states))
        return cosines(self, text, frames, **more)

    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 3 * 5 * 8)
    monkeypatch.setattr(text_aware, "FLOATS_AT_ONCE", 2 * 5 * 8)
    monkeypatch.setattr(TextAwarePooling, "cosines", watched)
    np.testing.assert_allclose(gallery.cosines(texts), whole, atol=1e-6)
    assert seen == [3, 3, 1]
    with torch.inference_mode():
        assert not torch.from_numpy(gallery.take([1]).cosines(texts)).requires_grad


def test_taking_clips_copies_no_frames():
    gallery = frame_gallery()
    taken = gallery.take([5, 1, 1]).take([0, 2])
    assert taken.frames.data_ptr() == gallery.frames.data_ptr()
    assert taken.rows.tolist() == [5, 1]


def test_what_cannot_be_ranked_is_refused():
    gallery = frame_gallery()
    gallery.check("x", 7)
    broken = gallery.frames.clone()
    valid = int(gallery.mask[3].nonzero()[-1])
    broken[3, valid, 2] = torch.nan
    alike = gallery.frames[:1].expand(7, -1, -1).clone()
    padding = gallery.frames.clone()
    padding[~gallery.mask] = torch.inf
    FrameGallery(padding, gallery.mask, gallery.pooling).check("x", 7)
    for frames, rows, words in [
        (gallery.frames, 6, "frames of 7 clips for 6 items"),
        (broken, 7, "frames of 1 of 7 clips hold NaN"),
        (alike, 7, "collapsed"),
        (gallery.frames[:0], 0, "nothing to evaluate"),
    ]:
        with pytest.raises(UserError, match=words):
            FrameGallery(frames, gallery.mask[: len(frames)], gallery.pooling).check("x", rows)
    with pytest.raises(UserError, match="collapsed"):
        VectorGallery(np.repeat(unit(1), 4, axis=0)).check("x", 4)
    FrameGallery(alike, gallery.mask, gallery.pooling).take([2]).check("x", 1)
    with pytest.raises(UserError, match="hold NaN"):
        FrameGallery(broken, gallery.mask, gallery.pooling).take([0, 3]).check("x", 2)
    FrameGallery(broken, gallery.mask, gallery.pooling).take([0, 2]).check("x", 2)


def test_vectors_need_no_torch():
    words = "import sys; import clapline.model.gallery, clapline.metrics.retrieval; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
