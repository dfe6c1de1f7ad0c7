"""Models of what lies behind the events: textures without onsets of their own."""

from __future__ import annotations

import numpy as np

from clapline.datasets.soundscapes.synthesis import (
    Draw,
    Signal,
    band,
    clock,
    contour,
    falling,
    filtered,
    lay,
    samples,
    tone,
)


def _tilted(draw: Draw, exponent: float) -> Signal:
    """Noise whose amplitude spectrum falls as f ** -exponent above 60 Hz."""
    slope, corner = np.float32(-exponent), np.float32(np.log2(60.0))
    noise = filtered(draw.noise(), lambda octaves: np.exp2(slope * np.maximum(octaves, corner)))
    return noise / noise.std()


def street(draw: Draw) -> Signal:
    """Distant traffic: low rumble that swells a little."""
    return _tilted(draw, 1.0) * (1 + 0.3 * draw.wander(0.8))


def park(draw: Draw) -> Signal:
    """Leaves: a light, bright rustle."""
    rustle = band(draw.noise(), draw.log(2200, 4200), 0.7)
    return _tilted(draw, 0.7) + 1.2 * rustle / rustle.std() * (1 + 0.5 * draw.wander(2))


def room(draw: Draw) -> Signal:
    """A quiet room: mains hum and faint hiss."""
    return _tilted(draw, 0.5) + draw.uniform(0.2, 0.7) * tone(draw.uniform(48, 62), draw.n, falling(8, 0.5))


def cafe(draw: Draw) -> Signal:
    """A murmur of many people, no voice of its own."""
    low, high = (band(draw.noise(), draw.log(*span), 0.4) for span in ((250, 600), (700, 1600)))
    murmur = low / low.std() * (1 + 0.6 * draw.wander(3)) + high / high.std() * (1 + 0.6 * draw.wander(3))
    return _tilted(draw, 0.7) + murmur


def hall(draw: Draw) -> Signal:
    """A large empty hall: dull, even air."""
    return _tilted(draw, 1.3) + 0.2 * draw.noise()


def office(draw: Draw) -> Signal:
    """Air conditioning: even noise with a soft whirr."""
    return _tilted(draw, 0.8) + 0.5 * tone(draw.log(110, 240), draw.n, falling(5, 0.8))


def factory(draw: Draw) -> Signal:
    """Machines far off: throbbing noise."""
    return _tilted(draw, 0.6) * (1 + 0.35 * np.sin(2 * np.pi * draw.uniform(3, 6) * clock(draw.n)))


def station(draw: Draw) -> Signal:
    """A concourse: mid-range roar."""
    roar = band(draw.noise(), draw.log(400, 1000), 1.0)
    return roar / roar.std() * (1 + 0.3 * draw.wander(1.5)) + 0.5 * _tilted(draw, 0.4)


def meadow(draw: Draw) -> Signal:
    """Insects blurred into a high shimmer."""
    shimmer = band(draw.noise(), draw.log(3500, 6000), 0.15)
    return shimmer / shimmer.std() + 0.7 * _tilted(draw, 0.9)


def cellar(draw: Draw) -> Signal:
    """Pipes: a slow gliding hum with clunks far below the events."""
    hum = tone(contour(draw.n, [draw.log(70, 160), draw.log(70, 160)]), partials=falling(6, 0.6))
    n = samples(0.3)
    clunk = band(draw.noise(n), 200, 0.5) * np.hanning(n)
    return hum + 0.6 * _tilted(draw, 1.0) + 2 * lay(draw.n, draw.poisson(0.7), lambda _: clunk)


CAPTIONED = {"street": street, "park": park, "room": room, "café": cafe, "hall": hall, "office": office}
POOL_ONLY = {"factory": factory, "station": station, "meadow": meadow, "cellar": cellar}
BACKGROUNDS = {**CAPTIONED, **POOL_ONLY}
