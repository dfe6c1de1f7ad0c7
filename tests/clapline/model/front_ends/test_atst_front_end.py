from __future__ import annotations

import pytest
import torch
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from clapline.model.front_ends import build_front_end
from clapline.params.features import Features


def reference(waveform: torch.Tensor) -> torch.Tensor:
    """torchaudio's transforms, fed one item."""
    mel = MelSpectrogram(16000, n_fft=1024, win_length=1024, hop_length=160, f_min=60.0, f_max=7800.0, n_mels=64)
    decibels = AmplitudeToDB(stype="power", top_db=80)(mel(waveform[None])).clamp(-50.0, 80.0)
    return (2 * (decibels + 79.6482) / (50.6842 + 79.6482) - 1)[0, :, :-1]


@pytest.mark.parametrize("level", [1e-5, 1e-3, 0.1, 1.0])
def test_equals_torchaudio_fed_one_item(level):
    features = Features(kind="atst", duration_s=1.0)
    noise = level * torch.randn(3, 16000, generator=torch.Generator().manual_seed(0))
    noise[1, 8000:] *= 1e-6  # far below the item's own floor
    noise[2] = level * torch.sin(torch.arange(16000) / 16000 * 2 * torch.pi * 900)
    found = build_front_end(features)(noise)
    assert found.shape == (3, 1, 64, 100)
    for row, waveform in zip(found[:, 0], noise, strict=True):
        torch.testing.assert_close(row, reference(waveform), atol=5e-5, rtol=0)


def test_the_floor_is_80_db_below_the_loudest_value_of_the_segment():
    features = Features(kind="atst", duration_s=2.0, segment_s=1.0)
    waveform = torch.zeros(1, 32000)
    waveform[0, :16000] = torch.sin(torch.arange(16000) / 16000 * 2 * torch.pi * 900)
    loud, silent = build_front_end(features)(waveform)[0]
    decibels = (loud + 1) / 2 * (50.6842 + 79.6482) - 79.6482
    assert decibels.min() == pytest.approx(decibels.max().item() - 80, abs=1e-3)
    assert silent.unique().tolist() == pytest.approx([2 * (79.6482 - 50) / (50.6842 + 79.6482) - 1], abs=1e-6)
