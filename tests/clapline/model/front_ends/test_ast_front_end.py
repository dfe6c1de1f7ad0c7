from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ASTFeatureExtractor

from clapline.model.front_ends import build_front_end
from clapline.model.front_ends.window import fit
from clapline.params.features import Features

FEATURES = Features(kind="ast")
PADDING = 4.2677393 / (2 * 4.5689974)


def extracted(waveform: np.ndarray) -> np.ndarray:
    return ASTFeatureExtractor()(waveform, sampling_rate=16000, return_tensors="np")["input_values"][0].T


def heard(*waveforms: np.ndarray) -> np.ndarray:
    fitted = [fit(waveform, FEATURES) for waveform in waveforms]
    valid = torch.tensor([share for _, share in fitted], dtype=torch.float32)
    samples = torch.from_numpy(np.stack([samples for samples, _ in fitted]))
    return build_front_end(FEATURES)(samples, valid=valid)[:, 0].numpy()


def noise(samples: int, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)


def test_equals_the_extractor_clips_of_all_lengths_in_one_batch():
    """Log powers within 2e-4; what lies at the extractor's floor, or is its padding, is equal."""
    tone = (0.9 * np.sin(np.arange(163840) / 16000 * 2 * np.pi * 700)).astype(np.float32)
    clips = [*map(noise, (400, 559, 560, 16000, 100001, 160000, 163840)), tone, noise(80000, 1e-6), 0.3 + noise(50000)]
    for clip, found in zip(clips, heard(*clips), strict=True):
        assert found.shape == (128, 1024)
        np.testing.assert_allclose(found, extracted(clip), atol=2e-4)


def test_a_longer_clip_is_the_extractors_of_its_middle():
    clip = noise(163840 + 3000)
    np.testing.assert_allclose(heard(clip)[0], extracted(clip[1500:-1500]), atol=2e-4)


def test_a_clip_shorter_than_a_window_is_all_padding():
    np.testing.assert_allclose(heard(noise(399))[0], PADDING, rtol=1e-6)


def test_without_valid_zeros_of_the_waveform_are_heard_as_silence():
    samples = torch.from_numpy(fit(noise(16000), FEATURES)[0])[None]
    found = build_front_end(FEATURES)(samples)[0, 0]
    silence = (np.log(np.float32(1.1920928955078125e-07)) + 4.2677393) / (2 * 4.5689974)
    assert found[:, 500].numpy() == pytest.approx(silence, rel=1e-5)


def test_valid_is_told_by_segment():
    """A clip that ends in the second of three segments: what is after is padding, in each segment as alone."""
    three = Features(kind="ast", duration_s=3.0, segment_s=1.0)
    one = build_front_end(Features(kind="ast", duration_s=1.0))
    clip = noise(24000)
    samples, valid = fit(clip, three)
    found = build_front_end(three)(torch.from_numpy(samples)[None], valid=torch.tensor([valid]))[0]
    pieces = torch.from_numpy(samples).reshape(3, 16000)
    for segment, share in enumerate((1.0, 0.5, 0.0)):
        assert torch.equal(found[segment], one(pieces[segment : segment + 1], valid=torch.tensor([share]))[0, 0])
    assert (found[1][:, 47] != found[1][:, 48]).all()
    np.testing.assert_allclose(found[1][:, 48:], PADDING, rtol=1e-6)
    np.testing.assert_allclose(found[2], PADDING, rtol=1e-6)
