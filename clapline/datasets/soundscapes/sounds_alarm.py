"""Sound models of sirens, alarms and bells."""

from __future__ import annotations

import numpy as np

from clapline.datasets.soundscapes.synthesis import (
    Draw,
    Signal,
    clock,
    falling,
    hump,
    lay,
    samples,
    struck,
    tone,
)


def police_siren(draw: Draw) -> Signal:
    """A wail that sweeps up and down without a break."""
    pitch, rate = draw.pitch(400, 1100), draw.tempo(0.9, 1.6)
    phase = (clock(draw.n) * rate + draw.uniform(0, 1)) % 1
    f0 = pitch * 2 ** (1.1 * (1 - np.abs(2 * phase - 1)))
    return hump(draw.n, 0.04, 0.04) * tone(f0, partials=falling(6, draw.uniform(0.8, 1.4)))


def ambulance_siren(draw: Draw) -> Signal:
    """Two steady notes in turn, high and low."""
    pitch, rate = draw.pitch(350, 1300), draw.tempo(2.0, 2.8)
    upper = pitch * draw.uniform(1.3, 1.45)
    f0 = np.where((clock(draw.n) * rate) % 2 < 1, upper, pitch)
    return hump(draw.n, 0.04, 0.04) * tone(f0, partials=falling(8, draw.uniform(0.6, 1.3)))


def smoke_alarm(draw: Draw) -> Signal:
    """Three quick piercing beeps, a pause, and again."""
    pitch, rate = draw.pitch(900, 3600), draw.tempo(5.5, 7)
    n = samples(0.6 / rate)
    beep = hump(n, 0.06, 0.06) * tone(pitch, n, (1, 0.2, 0.3))
    group = 5.4 / rate
    times = [start + index / rate for start in np.arange(0, draw.seconds, group) for index in range(3)]
    return lay(draw.n, times, lambda _: beep)


def church_bell(draw: Draw) -> Signal:
    """Slow strokes on a great bell: inharmonic partials, a strike, a long hum."""
    pitch, rate = draw.pitch(180, 700), draw.tempo(0.8, 1.3)
    ratios = np.array([0.5, 1, 1.19, 1.5, 2, 2.6, 3.1, 4.2])
    taus = np.array([0.9, 0.7, 0.5, 0.4, 0.35, 0.2, 0.12, 0.08])
    gains = np.array([0.5, 0.8, 0.7, 0.4, 1, 0.5, 0.4, 0.3]) * draw.rng.uniform(0.5, 1.3, 8)
    stroke = struck(draw.n, list(pitch * ratios), list(taus), list(gains))
    return lay(draw.n, draw.onsets(rate, 0.02), lambda _: stroke)


def telephone(draw: Draw) -> Signal:
    """A ring that warbles quickly between two notes, stops, and rings again."""
    pitch, warble = draw.pitch(500, 2000), draw.uniform(9, 13)
    f0 = pitch * np.where((clock(draw.n) * warble) % 1 < 0.5, 1.0, 1.28)
    ring, rest = draw.uniform(0.55, 0.75), draw.uniform(0.22, 0.3)
    gate = ((clock(draw.n)) % (ring + rest)) < ring
    return hump(draw.n, 0.02, 0.02) * np.convolve(gate, np.ones(80) / 80, "same") * tone(f0, partials=(1, 0.3, 0.15))


SOUNDS = {
    "police siren": police_siren,
    "ambulance siren": ambulance_siren,
    "smoke alarm": smoke_alarm,
    "church bell": church_bell,
    "telephone": telephone,
}
