from __future__ import annotations

import torch
from torchaudio.functional import melscale_fbanks
from torchaudio.transforms import MelSpectrogram

from clapline.model.front_ends.log_mel import LogMel
from clapline.params.features import Features

SETTINGS = Features(duration_s=1.0)


def noise(clips: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(clips, 16000, generator=torch.Generator().manual_seed(seed))


def test_equals_torchaudio():
    reference = MelSpectrogram(16000, 1024, 800, 320, 50.0, 7600.0, n_mels=64, power=2.0)(noise(3))
    torch.testing.assert_close(LogMel(SETTINGS)(noise(3))[:, 0], torch.log(reference + 1e-3), atol=1e-5, rtol=1e-5)


def test_equals_one_short_time_transform_of_the_batch():
    """The formula written plainly, over all bins: nothing but the order of additions may differ."""
    for level in (1e-3, 1.0, 10.0):
        waveforms = (level * noise(3)).clamp(-1, 1)
        spectrum = torch.stft(waveforms, 1024, 320, 800, torch.hann_window(800), return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        mel = (power.transpose(1, 2) @ melscale_fbanks(513, 50.0, 7600.0, 64, 16000)).transpose(1, 2)
        torch.testing.assert_close(LogMel(SETTINGS)(waveforms)[:, 0], torch.log(mel + 1e-3), atol=2e-6, rtol=2e-6)


def test_a_tone_lights_the_band_it_lies_in():
    time = torch.arange(16000) / 16000
    front_end = LogMel(SETTINGS)
    features = front_end(torch.sin(2 * torch.pi * 1000 * time)[None])[0, 0]
    centres = (front_end.bins.start + front_end.filters.argmax(dim=0)) * 16000 / 1024
    assert abs(float(centres[features.mean(dim=1).argmax()]) - 1000) < 60
