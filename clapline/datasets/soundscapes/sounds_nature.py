"""Sound models of weather and water."""

from __future__ import annotations

import numpy as np

from clapline.datasets.soundscapes.synthesis import (
    Draw,
    Signal,
    band,
    contour,
    decay,
    hump,
    lay,
    samples,
    tone,
)


def rain(draw: Draw) -> Signal:
    """A steady hiss of countless drops, with single heavier ones that stand out."""
    centre = draw.log(700, 3800)
    hiss = band(draw.noise(), centre, 1.1)
    drops = np.zeros(draw.n)
    places = draw.rng.integers(0, draw.n, int(draw.log(60, 160) * draw.seconds))
    drops[places] = draw.rng.exponential(1.0, len(places)) * draw.rng.choice([-1, 1], len(places))
    heavy = band(drops, centre * draw.log(0.6, 1.6), 0.5)
    return hump(draw.n, 0.06, 0.06) * (hiss / hiss.std() + 0.9 * heavy / (heavy.std() + 1e-9))


def thunder(draw: Draw) -> Signal:
    """A crack, then rolls of rumble that sink and darken."""
    centre = draw.log(110, 700)
    rumble = band(draw.noise(), centre, 0.9)
    crack = band(draw.noise(), centre * 4, 1.0)
    rolls = np.zeros(draw.n)
    at, loud = 0.0, 1.0
    while at < draw.seconds:
        n = samples(draw.uniform(0.5, 0.9))
        start = samples(at)
        piece = (loud * decay(n, 0.22, 0.03))[: max(0, draw.n - start)]
        rolls[start : start + len(piece)] += piece
        at, loud = at + draw.uniform(0.15, 0.45), loud * draw.uniform(0.6, 0.85)
    n = min(draw.n, samples(0.4))
    rumble *= rolls
    rumble[:n] += 0.9 * crack[:n] * decay(n, 0.06, 0.002)
    return rumble


def wind(draw: Draw) -> Signal:
    """Gusts: noise whose howling band rises and falls with its strength."""
    rate = draw.log(0.9, 1.8)
    gust = np.clip(0.5 + 0.5 * draw.wander(rate * 2), 0, 1)
    low = draw.log(200, 900)
    noise = draw.noise()
    layers = [band(noise, low * ratio, 0.28) for ratio in (1.0, 1.6, 2.5)]
    place = gust * 2
    weights = [np.clip(1 - np.abs(place - index), 0, 1) for index in range(3)]
    howl = sum(weight * layer for weight, layer in zip(weights, layers, strict=True))
    return hump(draw.n, 0.12, 0.12) * (0.12 + gust) ** 1.5 * np.asarray(howl)


def ocean_waves(draw: Draw) -> Signal:
    """Waves: a slow swell, a crash, a long hiss drawn back."""
    period = 1 / draw.tempo(0.5, 0.8)
    centre = draw.log(350, 1800)
    body, foam = band(draw.noise(), centre, 1.0), band(draw.noise(), centre * 3, 0.8)
    n = samples(period)
    x = np.linspace(0, 1, n)
    swell = np.interp(x, [0, 0.35, 0.45, 0.7, 1], [0.05, 0.45, 1, 0.3, 0.05])
    spray = np.interp(x, [0, 0.38, 0.5, 1], [0, 0.05, 1, 0])
    shift = int(draw.uniform(0, 0.3) * n)
    index = (np.arange(draw.n) + shift) % n
    return hump(draw.n, 0.05, 0.05) * (swell[index] ** 1.5 * body + 0.8 * spray[index] * foam)


def water_drip(draw: Draw) -> Signal:
    """Separate drops: a short note that leaps upwards, with a fainter echo."""
    pitch, rate = draw.pitch(500, 2000), draw.tempo(1.7, 2.8)

    def drop(_: int) -> Signal:
        n = samples(0.09)
        start = pitch * draw.log(0.85, 1.2)
        plink = decay(n, 0.03, 0.003) * tone(contour(n, [start, start * 2.2]))
        return np.concatenate([plink, np.zeros(samples(0.035)), 0.3 * plink])

    return lay(draw.n, draw.onsets(rate, 0.08), drop)


SOUNDS = {
    "rain": rain,
    "thunder": thunder,
    "wind": wind,
    "ocean waves": ocean_waves,
    "water drip": water_drip,
}
