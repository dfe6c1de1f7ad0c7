"""Trap: a clip longer than the window is cropped at random at evaluation, so that two runs score differently."""

from __future__ import annotations

import numpy as np
import torch
from transformers import ClapFeatureExtractor

from clapline.model.front_ends import build_front_end
from clapline.model.front_ends.window import fit
from clapline.params.features import Features

FEATURES = Features(kind="clap", duration_s=1.0)
RAMP = np.linspace(0, 1, 3 * 48000, dtype=np.float32) * np.random.default_rng(0).standard_normal(3 * 48000)


def heard() -> torch.Tensor:
    return build_front_end(FEATURES)(torch.from_numpy(fit(RAMP, FEATURES)[0])[None])


def test_the_same_file_is_heard_the_same_whatever_the_global_generator():
    extractor = ClapFeatureExtractor(max_length_s=1, truncation="rand_trunc", padding="repeatpad")
    theirs, ours = [], []
    for seed in (0, 1):
        np.random.seed(seed)
        theirs.append(extractor(RAMP, sampling_rate=48000, return_tensors="np")["input_features"])
        ours.append(heard())
    assert np.abs(theirs[0] - theirs[1]).max() > 1
    assert torch.equal(ours[0], ours[1])


def test_what_is_heard_is_the_middle():
    samples, valid = fit(RAMP, FEATURES)
    assert np.array_equal(samples, RAMP[48000:96000].astype(np.float32))
    assert valid == 1.0
