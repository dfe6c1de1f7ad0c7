from __future__ import annotations

import numpy as np
import pytest
import torch
from torchaudio.transforms import MelSpectrogram

from clapline.errors import UserError
from clapline.model.features import LogMel, fit_duration
from clapline.params.model import Features

SETTINGS = Features(duration_s=1.0)


def noise(clips: int, samples: int = 16000, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(seed))


def test_equals_torchaudio():
    front_end = LogMel(SETTINGS)
    reference = MelSpectrogram(16000, 1024, 800, 320, 50.0, 7600.0, n_mels=64, power=2.0)(noise(3))
    torch.testing.assert_close(front_end(noise(3)), torch.log(reference + 1e-3), atol=1e-4, rtol=1e-4)


def test_a_tone_lights_the_band_it_lies_in():
    time = torch.arange(16000) / 16000
    features = LogMel(SETTINGS)(torch.sin(2 * torch.pi * 1000 * time)[None])
    centres = LogMel(SETTINGS).filters.argmax(dim=0) * 16000 / 1024
    assert abs(float(centres[features.mean(dim=2).argmax()]) - 1000) < 60


def test_no_value_depends_on_batch_mates():
    """Known trap 4: a floor shared across the batch."""
    front_end, quiet = LogMel(SETTINGS), noise(1, seed=1)
    alone = front_end(quiet)
    beside_a_loud_one = front_end(torch.cat([quiet, 9 * noise(1, seed=2)]))
    torch.testing.assert_close(beside_a_loud_one[:1], alone, atol=1e-5, rtol=1e-5)


def test_frames_and_samples():
    front_end = LogMel(SETTINGS)
    assert front_end(noise(1, front_end.samples)).shape == (1, 64, front_end.frames)
    assert front_end.frames_of(0.5) == 25


def test_short_clips_repeat_and_long_ones_are_cut_in_their_middle():
    ramp = np.arange(10, dtype=np.float32)
    assert fit_duration(ramp, 25).tolist() == [*range(10), *range(10), *range(5)]
    assert fit_duration(ramp, 4).tolist() == [3, 4, 5, 6]
    assert fit_duration(ramp, 10).tolist() == ramp.tolist()
    with pytest.raises(UserError, match="without samples"):
        fit_duration(ramp[:0], 4)
