"""Sound models that only the pool has and no caption names."""

from __future__ import annotations

import numpy as np

from clapline.datasets.soundscapes.synthesis import (
    Draw,
    Signal,
    band,
    clock,
    contour,
    decay,
    falling,
    formants,
    hump,
    lay,
    samples,
    tone,
)


def laser_zap(draw: Draw) -> Signal:
    """Steep falling sweeps."""
    pitch, n = draw.pitch(1500, 4500), samples(0.2)
    zap = hump(n, 0.02, 0.5) * tone(contour(n, [pitch, pitch * 0.08]), partials=falling(6, 0.6))
    return lay(draw.n, draw.onsets(draw.tempo(3, 4.5), 0.1), lambda _: zap)


def sonar_ping(draw: Draw) -> Signal:
    """A ping and its echoes."""
    pitch, n = draw.pitch(500, 2000), samples(0.25)
    ping = hump(n, 0.05, 0.6) * tone(pitch, n)
    echoes = lay(samples(1.1), [0, 0.3, 0.6, 0.85], lambda index: 0.45**index * ping)
    return lay(draw.n, np.arange(0, draw.seconds, 1.2), lambda _: echoes)


def geiger_counter(draw: Draw) -> Signal:
    """Clicks at random times."""
    n = samples(0.02)
    click = band(draw.noise(n) * decay(n, 0.003, 0.0002), draw.log(800, 4000), 0.5)
    return lay(draw.n, draw.poisson(draw.tempo(8, 25)), lambda _: click)


def modem(draw: Draw) -> Signal:
    """Data tones that jump at random, many times a second."""
    rate, pitch = draw.tempo(16, 24), draw.pitch(500, 1500)
    steps = draw.rng.choice([0, 5, 9, 16], int(draw.seconds * rate) + 2)
    f0 = pitch * 2 ** (steps[(clock(draw.n) * rate).astype(int)] / 12)
    return hump(draw.n, 0.02, 0.02) * tone(f0, partials=(1, 0.4, 0.3))


def didgeridoo(draw: Draw) -> Signal:
    """A drone whose resonance pulses."""
    drone = tone(draw.pitch(60, 140), draw.n, falling(40, 0.2))
    low, high = formants(drone, [draw.log(350, 700)]), formants(drone, [draw.log(1100, 2200)])
    pulse = 0.5 + 0.5 * np.sin(2 * np.pi * draw.tempo(2.5, 4) * clock(draw.n))
    return hump(draw.n, 0.1, 0.1) * (low * (1 - pulse) + high * pulse)


def bubbling_pot(draw: Draw) -> Signal:
    """Bubbles: many small rising blips."""
    pitch = draw.pitch(250, 1200)

    def bubble(_: int) -> Signal:
        n, f = samples(draw.uniform(0.03, 0.06)), pitch * draw.log(0.6, 1.7)
        return draw.uniform(0.3, 1) * hump(n, 0.1, 0.6) * tone(contour(n, [f, f * 1.8]))

    return lay(draw.n, draw.poisson(draw.tempo(14, 24)), bubble)


SOUNDS = {
    "laser zap": laser_zap,
    "sonar ping": sonar_ping,
    "geiger counter": geiger_counter,
    "modem": modem,
    "didgeridoo": didgeridoo,
    "bubbling pot": bubbling_pot,
}
