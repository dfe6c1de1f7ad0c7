"""The sound models: finite, of sane length and level, never twice the same, not given away by a mean spectrum."""

from itertools import pairwise

import numpy as np
import pytest

from clapline.datasets.soundscapes.backgrounds import BACKGROUNDS
from clapline.datasets.soundscapes.clip import make_clip
from clapline.datasets.soundscapes.render import SOUNDS, chained, loudest_level, render_event
from clapline.datasets.soundscapes.synthesis import SAMPLE_RATE_HZ, Draw, contour, fft_size, hump, lay, tone
from clapline.datasets.soundscapes.taxonomy import CLASSES, FAMILY_PHRASES, KIND_PHRASES, PLACES, TREE, UNHEARD


def test_tree_is_wide_enough_and_complete():
    assert len(CLASSES) == len(set(CLASSES)) == 48
    assert len(TREE) >= 6
    assert set(SOUNDS) == {*CLASSES, *UNHEARD}
    assert not set(CLASSES) & set(UNHEARD)
    assert len(UNHEARD) == 6
    assert {family for family, _ in PLACES.values()} == set(FAMILY_PHRASES)
    assert {kind for _, kind in PLACES.values()} == set(KIND_PHRASES)


@pytest.mark.parametrize("sound", [*CLASSES, *UNHEARD])
def test_every_sound_at_every_length(sound):
    for seconds in (0.5, 1.2, 3.3):
        for seed in range(3):
            signal, traits = render_event(sound, seconds, np.random.default_rng(seed))
            assert signal.shape == (round(seconds * SAMPLE_RATE_HZ),)
            assert np.isfinite(signal).all()
            assert 1e-3 < loudest_level(signal) < 1e3
            assert len(traits) <= 2
            # Heard soon after its onset: a caption that says "then" must not point at silence.
            assert loudest_level(signal[: SAMPLE_RATE_HZ // 2]) > 0.02 * loudest_level(signal)


@pytest.mark.parametrize("sound", CLASSES)
def test_two_draws_differ_and_one_seed_repeats(sound):
    first, again, other = (render_event(sound, 1.0, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.corrcoef(first, other)[0, 1] < 0.5


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds_have_no_silence(background):
    signal = BACKGROUNDS[background](Draw(np.random.default_rng(0), 2 * SAMPLE_RATE_HZ))
    frames = np.mean(signal.reshape(-1, 1600) ** 2, axis=1)
    assert np.isfinite(signal).all()
    assert frames.min() > 1e-3 * frames.max()


def test_tone_equals_its_sum_of_sines():
    f0 = contour(4000, [200.0, 400.0])
    angle = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE_HZ
    wanted = np.sin(angle) + 0.5 * np.sin(2 * angle) + 0.25 * np.sin(3 * angle)
    np.testing.assert_allclose(tone(f0, partials=(1, 0.5, 0.25)), wanted, atol=2e-3)


def test_tone_leaves_out_what_would_alias():
    spectrum = np.abs(np.fft.rfft(tone(3000.0, 16_000, (1, 1, 1, 1))))
    assert set(np.flatnonzero(spectrum > 1000)) == {3000, 6000}


def test_hump_and_fft_size_at_their_edges():
    for n in (1, 2, 16, 999):
        for attack, release in ((0, 0), (0.5, 0.5), (1, 1)):
            envelope = hump(n, attack, release)
            assert envelope.shape == (n,)
            assert 0 <= envelope.min() <= envelope.max() <= 1
    for n in range(1, 5000):
        assert n <= fft_size(n) <= max(16, 1.3 * n)


def test_lay_cuts_what_runs_over():
    out = lay(100, [0.0, 90 / SAMPLE_RATE_HZ, 5.0], lambda index: np.full(20, index + 1.0))
    assert out[:20].tolist() == [1.0] * 20
    assert out[90:].tolist() == [2.0] * 10
    assert out.sum() == 40


def test_the_chain_changes_the_spectrum_and_keeps_the_length():
    noise = np.random.default_rng(0).standard_normal(16_000)
    spectra = []
    for seed in range(4):
        out = chained(noise, np.random.default_rng(seed))
        assert out.shape == noise.shape
        power = np.abs(np.fft.rfft(out)) ** 2
        spectra.append(10 * np.log10([power[low : 2 * low].mean() for low in (125, 250, 500, 1000, 2000, 4000)]))
    assert np.std(spectra, axis=0).min() > 2.0


def _log_mel_like(waveform):
    """Log power in 64 bands even on the mel scale, frames of 50 ms and hops of 20 ms: (frames, 64)."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, 800)[::320] * np.hanning(800)
    power = np.abs(np.fft.rfft(frames, 1024)) ** 2
    mel = np.linspace(2595 * np.log10(1 + 50 / 700), 2595 * np.log10(1 + 7600 / 700), 65)
    edges = (700 * (10 ** (mel / 2595) - 1) * 1024 / SAMPLE_RATE_HZ).astype(int)
    bands = [power[:, low : max(high, low + 1)].sum(axis=1) for low, high in pairwise(edges)]
    return np.log(np.stack(bands, axis=1) + 1e-3)


@pytest.mark.slow
def test_a_mean_spectrum_does_not_give_the_class_away():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = [make_clip(3, 4.0, "single", index) for index in range(960)]
    means = np.stack([_log_mel_like(waveform).mean(axis=0) for waveform, _ in made])
    labels = np.array([line["label"] for _, line in made])
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    accuracy = probe.fit(means[:720], labels[:720]).score(means[720:], labels[720:])
    assert accuracy < 0.22
    levels = means.mean(axis=1, keepdims=True)
    assert probe.fit(levels[:720], labels[:720]).score(levels[720:], labels[720:]) < 0.10
