from __future__ import annotations

import numpy as np
import torch

from clapline.params.training import Augmentation
from stages.train.augment import augment

FEATURES = torch.arange(4 * 6 * 10, dtype=torch.float32).reshape(4, 6, 10)


def run(settings: dict, crop: int | None = None, seed: int = 0) -> torch.Tensor:
    return augment(FEATURES, Augmentation.model_validate(settings), crop, -1.0, np.random.default_rng(seed))


def test_everything_off_changes_nothing():
    assert torch.equal(run({}), FEATURES)


def test_a_crop_wraps_round_the_end():
    cropped = run({}, crop=7)
    assert cropped.shape == (4, 6, 7)
    for row in range(4):
        start = int(cropped[row, 0, 0] - FEATURES[row, 0, 0])
        assert torch.equal(cropped[row], FEATURES[row].roll(-start, dims=1)[:, :7])


def test_masks_hide_at_most_their_width_and_move():
    hidden = [(run({"frequency_mask_bands": 2}, seed=seed) == -1.0) for seed in range(20)]
    for mask in hidden:
        rows = mask.all(dim=2)
        assert torch.equal(rows, mask.any(dim=2))
        assert rows.sum(dim=1).max() <= 2
    assert any(not torch.equal(mask, hidden[0]) for mask in hidden)
    assert any((run({"time_mask_frames": 5}, seed=seed) == -1.0).any() for seed in range(5))


def test_gain_shifts_each_clip_as_a_whole():
    change = run({"gain": 0.5}) - FEATURES
    assert change.abs().max() <= 0.5
    assert (change.amax(dim=(1, 2)) - change.amin(dim=(1, 2))).max() < 1e-4
    assert len({round(float(value), 4) for value in change[:, 0, 0]}) == 4


def test_a_shift_along_the_mel_axis_repeats_the_edge():
    shifted = run({"frequency_shift_bands": 2}, seed=3)
    for row in range(4):
        offset = round(float(shifted[row, 3, 0] - FEATURES[row, 3, 0]) / 10)
        wanted = (torch.arange(6) + offset).clamp(0, 5)
        assert torch.equal(shifted[row], FEATURES[row][wanted])
