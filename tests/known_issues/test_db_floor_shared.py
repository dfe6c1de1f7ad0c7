"""Trap 4: a decibel floor taken from the loudest clip of the batch, so that features depend on batch mates."""

from __future__ import annotations

import torch
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from clapline.model.front_ends import build_front_end
from clapline.params.features import Features

RANDOM = torch.Generator().manual_seed(0)
QUIET = 1e-4 * torch.randn(1, 16000, generator=RANDOM)
LOUD = 0.9 * torch.randn(1, 16000, generator=RANDOM).clamp(-1, 1)


def features_of_the_thesis_code(waveforms: torch.Tensor) -> torch.Tensor:
    """AmplitudeToDB fed `(clips, bands, frames)`: it takes the first axis for channels of one recording."""
    mel = MelSpectrogram(16000, n_fft=1024, hop_length=160, f_min=60.0, f_max=7800.0, n_mels=64)
    return AmplitudeToDB(stype="power", top_db=80)(mel(waveforms))


def test_the_floor_of_a_quiet_clip_is_its_own():
    together = torch.cat([QUIET, LOUD])
    assert not torch.allclose(features_of_the_thesis_code(together)[:1], features_of_the_thesis_code(QUIET), atol=1)
    front_end = build_front_end(Features(kind="atst", duration_s=1.0))
    assert torch.equal(front_end(together)[:1], front_end(QUIET))


def test_nor_is_it_another_segments():
    front_end = build_front_end(Features(kind="atst", duration_s=2.0, segment_s=1.0))
    beside_a_loud_one = front_end(torch.cat([QUIET, LOUD], dim=1))[:, 0]
    beside_itself = front_end(torch.cat([QUIET, QUIET], dim=1))[:, 0]
    assert torch.equal(beside_a_loud_one, beside_itself)
