"""Sound models of tools and devices."""

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
    hump,
    lay,
    samples,
    struck,
    tone,
)


def drill(draw: Draw) -> Signal:
    """Bursts of a motor that runs up, whines under load and runs down."""
    pitch = draw.pitch(220, 900)
    length = draw.uniform(0.8, 1.15)
    n = samples(length)
    speed = contour(n, [0.25, 1.1, 0.92, 0.97, 0.3], [0, 0.16, 0.3, 0.82, 1]) * (1 + 0.03 * draw.wander(25, n))
    grind = band(draw.noise(n), pitch * draw.log(2, 6), 0.8)
    load = np.interp(np.linspace(0, 1, n), [0, 0.25, 0.35, 0.8, 0.85, 1], [0, 0, 0.6, 0.6, 0, 0])
    run = hump(n, 0.06, 0.12) * (tone(pitch * speed, partials=falling(12, 0.3)) + load * grind / grind.std())
    return lay(draw.n, np.arange(0, draw.seconds, length + 0.2), lambda _: run)


def hammering(draw: Draw) -> Signal:
    """Steady hard blows on metal, each with a short ring."""
    rate, pitch = draw.tempo(2.4, 3.6), draw.log(600, 2600)
    n = samples(0.25)
    ratios = np.array([1, 1.61, 2.37, 3.3]) * draw.rng.uniform(0.95, 1.05, 4)
    ring = struck(n, list(pitch * ratios), [0.06, 0.05, 0.04, 0.02], [1, 0.8, 0.6, 0.5])
    blow = 0.6 * ring + band(draw.noise(n) * decay(n, 0.008, 0.0005), pitch * 0.7, 1.0) * 2
    return lay(draw.n, draw.onsets(rate, 0.04), lambda _: blow * draw.uniform(0.75, 1))


def sawing(draw: Draw) -> Signal:
    """Strokes to and fro: rasping noise that climbs on the push and sinks on the pull."""
    rate, centre = draw.tempo(1.5, 2.3), draw.log(600, 2400)
    n = samples(0.46 / rate)
    teeth = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * draw.uniform(70, 110) * clock(n)))
    x = np.linspace(0, 1, n)

    def stroke(index: int) -> Signal:
        noise = draw.noise(n) * teeth
        low, high = band(noise, centre * 0.6, 0.35), band(noise, centre * 1.8, 0.35)
        mix = x if index % 2 == 0 else 1 - x
        return (1.0 if index % 2 == 0 else 0.65) * hump(n, 0.2, 0.25) * ((1 - mix) * low + mix * high)

    return lay(draw.n, draw.onsets(rate * 2, 0.02), stroke)


def clock_tick(draw: Draw) -> Signal:
    """Tick, tock: small clicks at an exact pace, in turn brighter and duller."""
    rate, body = draw.tempo(3.4, 5.0), draw.log(900, 3400)
    n = samples(0.04)
    click = draw.noise(n) * decay(n, 0.004, 0.0003)
    tick = struck(n, [body, body * 1.9], [0.006, 0.004], [1, 0.5]) + 0.6 * click
    tock = struck(n, [body * 0.55, body * 1.1], [0.009, 0.005], [0.9, 0.4]) + 0.3 * band(click, body * 0.6, 0.5)
    return lay(draw.n, draw.onsets(rate), lambda index: tock if index % 2 else tick)


def typing(draw: Draw) -> Signal:
    """Keys in uneven flurries, with gaps for thought."""
    rate, body = draw.tempo(8, 12), draw.log(600, 3200)
    times, at = [], 0.0
    while at < draw.seconds:
        for _ in range(int(draw.rng.integers(3, 7))):
            times.append(at)
            at += draw.uniform(0.5, 1.5) / rate
        at += draw.uniform(0.12, 0.32)
    n = samples(0.045)

    def key(_: int) -> Signal:
        return draw.uniform(0.4, 1) * band(draw.noise(n) * decay(n, 0.006, 0.0005), body * draw.log(0.6, 1.6), 0.6)

    return lay(draw.n, times, key)


SOUNDS = {
    "drill": drill,
    "hammering": hammering,
    "sawing": sawing,
    "clock ticking": clock_tick,
    "typing": typing,
}
