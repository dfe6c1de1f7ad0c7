"""From a scene to a waveform: every event through a recording chain of its own, over a background.

The chain (a random equaliser, sometimes a room, distance) is drawn per event and does not know the class: spectra of
different classes overlap, so that what tells them apart is how they move in time.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from clapline.datasets.soundscapes import (
    sounds_alarm,
    sounds_animal,
    sounds_household,
    sounds_human,
    sounds_machine,
    sounds_music,
    sounds_nature,
    sounds_unheard,
    sounds_vehicle,
)
from clapline.datasets.soundscapes.backgrounds import BACKGROUNDS
from clapline.datasets.soundscapes.scene import Scene
from clapline.datasets.soundscapes.synthesis import Draw, Signal, fft_size, octaves_of, samples

_FAMILIES = (
    sounds_animal,
    sounds_human,
    sounds_nature,
    sounds_vehicle,
    sounds_alarm,
    sounds_machine,
    sounds_music,
    sounds_household,
    sounds_unheard,
)
SOUNDS = {name: sound for family in _FAMILIES for name, sound in family.SOUNDS.items()}
_FRAME = 320  # 20 ms
_CEILING = 0.8  # peak of an event
_EQ_KNOTS = np.log2(60.0) + 0.6 * np.arange(13)  # log2 of Hz
_EQ_SD_DB = 8.0
_TILT_SD_DB = 3.0  # per octave


def render_event(sound: str, seconds: float, rng: np.random.Generator) -> tuple[Signal, list[str]]:
    """Return one event as its model makes it, and its traits of tempo and pitch. No chain, no level."""
    draw = Draw(rng, samples(seconds))
    return SOUNDS[sound](draw), draw.traits


def chained(signal: Signal, rng: np.random.Generator, *, distant: bool = False) -> Signal:
    """Return the signal as a random microphone in a random place would hear it; a distant one is dull and blurred."""
    tail = samples(0.5 if distant else 0.12)
    size = fft_size(len(signal) + tail)
    place = octaves_of(size)
    gain_db = np.interp(place, _EQ_KNOTS, rng.normal(0, _EQ_SD_DB, len(_EQ_KNOTS))).astype(np.float32)
    octaves = place - np.float32(np.log2(700.0))
    gain_db += np.float32(rng.normal(0, _TILT_SD_DB)) * octaves
    spectrum = fft.rfft(signal.astype(np.float32), size)
    if distant or rng.random() < 0.4:
        n = tail if distant else samples(float(rng.uniform(0.03, 0.12)))
        response = rng.standard_normal(n) * np.exp(-5 * np.arange(n) / n)
        response *= (0.8 if distant else 0.35) / np.sqrt(np.sum(response**2))
        response[0] += 1
        spectrum *= fft.rfft(response.astype(np.float32), size)
    if distant:
        gain_db -= np.float32(4.0) * np.maximum(octaves, 0)
    spectrum *= np.exp2(gain_db * np.float32(np.log2(10) / 20))
    return fft.irfft(spectrum, size)[: len(signal)].astype(np.float64)


def loudest_level(signal: Signal) -> float:
    """Return the RMS of the loudest 20 ms frames (97th percentile): silence between strokes does not count."""
    frames = signal[: len(signal) // _FRAME * _FRAME].reshape(-1, _FRAME)
    return float(np.sqrt(np.quantile(np.mean(frames**2, axis=1), 0.97)))


def render_scene(scene: Scene, rng: np.random.Generator) -> tuple[Signal, tuple[tuple[str, ...], ...]]:
    """Return the waveform of a scene, within ±1, and for each event the traits that captions may name."""
    mix = np.zeros(samples(scene.duration_s))
    traits = []
    for event in scene.events:
        signal, heard = render_event(event.sound, event.duration_s, rng)
        signal = chained(signal, rng, distant=event.distant)
        gain = 10 ** (event.level_db / 20) / max(loudest_level(signal), 1e-9)
        signal = signal * min(gain, _CEILING / max(float(np.abs(signal).max()), 1e-9))
        start = samples(event.onset_s) if event.onset_s > 0 else 0
        signal = signal[: len(mix) - start]
        mix[start : start + len(signal)] += signal
        traits.append((*event.traits(), *heard))
    behind = chained(BACKGROUNDS[scene.background](Draw(rng, len(mix))), rng)
    mix += behind * (10 ** (scene.background_db / 20) / np.sqrt(np.mean(behind**2)))
    return mix * min(1.0, 0.97 / float(np.abs(mix).max())), tuple(traits)
