"""Sound models of vehicles: engines, wheels, rotors and their warning signals."""

from __future__ import annotations

import numpy as np

from clapline.datasets.soundscapes.synthesis import (
    Draw,
    Signal,
    band,
    clock,
    decay,
    falling,
    hump,
    lay,
    samples,
    struck,
    tone,
)


def car_passing(draw: Draw) -> Signal:
    """A rush of tyres and engine that swells and fades, its pitch dropping as it passes."""
    closest = draw.uniform(0.4, 0.6)
    distance = (np.linspace(0, 1, draw.n) - closest) * draw.uniform(4.0, 6.5)
    level = 1 / (1 + 2.5 * distance**2)
    engine = draw.pitch(90, 320) * (1 - 0.16 * np.tanh(2.5 * distance))
    tyres = band(draw.noise(), draw.log(350, 2200), 0.9)
    motor = tone(engine, partials=falling(14, 0.6))
    return hump(draw.n, 0.05, 0.05) * level * (tyres / tyres.std() + draw.uniform(0.4, 0.9) * motor)


def motorcycle(draw: Draw) -> Signal:
    """An engine of distinct strokes that is revved up and let down again."""
    idle, revs = draw.pitch(75, 200), draw.tempo(1.1, 1.7)
    phase = (clock(draw.n) * revs) % 1
    rev = np.interp(phase, [0, 0.3, 0.45, 1], [0, 1, 0.9, 0])
    f0 = idle * (1 + draw.uniform(0.9, 1.5) * rev) * (1 + 0.02 * draw.wander(20))
    engine = tone(f0, partials=falling(24, 0.3)) * (1 + 0.7 * tone(f0 / 4, partials=(1, 0.5)))
    rough = band(draw.noise(), idle * 8, 0.8)
    return hump(draw.n, 0.04, 0.06) * (0.35 + 0.65 * rev) * (engine + 0.5 * rough / rough.std())


def train(draw: Draw) -> Signal:
    """Wheels over rail joints, clack-clack, clack-clack, above a rolling rumble."""
    rate, steel = draw.tempo(1.5, 2.2), draw.log(350, 2200)
    n = samples(0.1)
    clack = band(draw.noise(n) * decay(n, 0.02, 0.001), steel, 0.6)
    beats = draw.onsets(rate)
    times = np.sort(np.concatenate([beats, beats + 0.13]))
    clacks = lay(draw.n, times, lambda index: clack * (1.0 if index % 2 else 0.8))
    rumble = band(draw.noise(), steel * 0.4, 0.8)
    return hump(draw.n, 0.08, 0.08) * (clacks / clacks.std() + 0.45 * rumble / rumble.std())


def helicopter(draw: Draw) -> Signal:
    """Rotor blades that chop the air evenly, without pause."""
    rate, centre = draw.tempo(9, 13), draw.log(180, 1600)
    chop = (0.5 + 0.5 * np.sin(2 * np.pi * rate * clock(draw.n))) ** 3
    air = band(draw.noise(), centre, 0.9)
    swell = 0.75 + 0.25 * draw.wander(0.7)
    return hump(draw.n, 0.1, 0.1) * swell * (0.04 + chop) * air


def car_horn(draw: Draw) -> Signal:
    """Blasts of a bright two-note chord that start and stop at once."""
    pitch = draw.pitch(230, 800)
    second = pitch * draw.uniform(1.18, 1.3)
    times, lengths, at = [], [], 0.0
    while at < draw.seconds - 0.12:
        times.append(at)
        lengths.append(draw.uniform(0.15, 0.28) if draw.chance(0.5) else draw.uniform(0.5, 0.75))
        at += lengths[-1] + draw.uniform(0.1, 0.2)

    def blast(index: int) -> Signal:
        n = samples(lengths[index])
        chord = tone(pitch, n, falling(14, 0.4)) + tone(second, n, falling(14, 0.4))
        return hump(n, 0.04, 0.04) * chord

    return lay(draw.n, times, blast)


def reversing_beeps(draw: Draw) -> Signal:
    """Even beeps of one plain note, as long as the gaps between them."""
    pitch, rate = draw.pitch(550, 2400), draw.tempo(1.4, 2.1)
    n = samples(0.5 / rate)
    beep = hump(n, 0.04, 0.04) * tone(pitch, n, (1, 0, 0.2))
    return lay(draw.n, draw.onsets(rate), lambda _: beep)


def bicycle_bell(draw: Draw) -> Signal:
    """Tring-tring: bursts of very quick strokes on a small bright bell that rings on."""
    pitch = draw.pitch(1000, 3000)
    n = samples(0.45)
    stroke = struck(n, [pitch, pitch * 1.52, pitch * 2.41], [0.1, 0.07, 0.04], [1, 0.7, 0.4])
    strokes = int(draw.rng.integers(4, 6))
    speed = draw.uniform(0.045, 0.055)
    burst = lay(samples(0.7), np.arange(strokes) * speed, lambda _: stroke)
    return lay(draw.n, np.arange(0, draw.seconds, draw.uniform(0.5, 0.65)), lambda _: burst)


SOUNDS = {
    "car passing": car_passing,
    "motorcycle": motorcycle,
    "train": train,
    "helicopter": helicopter,
    "car horn": car_horn,
    "reversing beeps": reversing_beeps,
    "bicycle bell": bicycle_bell,
}
