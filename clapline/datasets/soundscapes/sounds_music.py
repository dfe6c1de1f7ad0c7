"""Sound models of musical instruments."""

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
    tone,
)

SCALE = np.array([0, 2, 4, 7, 9, 12, 14, 16])


def guitar(draw: Draw) -> Signal:
    """Plucked broken chords: each note bright at once, then dull and dying."""
    pitch, rate = draw.pitch(110, 420), draw.tempo(3.2, 4.8)
    figure = draw.rng.permutation(np.array([0, 4, 7, 12, 16]))

    n = samples(0.7)
    slow, quick = decay(n, 0.28), decay(n, 0.06)
    notes = pitch * 2 ** (figure / 12)
    plucks = [slow * tone(f, n, falling(5, 1.0)) + 0.6 * quick * tone(f, n, falling(18, 0.3)) for f in notes]
    return lay(draw.n, draw.onsets(rate, 0.02), lambda index: plucks[index % len(plucks)])


def flute(draw: Draw) -> Signal:
    """Runs up and down a scale in quick even notes, breathy and smooth."""
    pitch, rate = draw.pitch(400, 1100), draw.tempo(5.5, 7.5)
    count = int(draw.seconds * rate) + 2
    walk = np.abs((np.arange(count) + draw.rng.integers(0, 14)) % 14 - 7)
    position = np.minimum((clock(draw.n) * rate).astype(int), count - 1)
    f0 = pitch * 2 ** (SCALE[walk][position] / 12)
    breath = band(draw.noise(), pitch * 2, 0.5)
    edges = 1 - 0.6 * np.exp(-((clock(draw.n) * rate) % 1) / 0.06)
    return hump(draw.n, 0.03, 0.05) * edges * (tone(f0, partials=(1, 0.25, 0.08)) + 0.06 * breath / breath.std())


def trumpet(draw: Draw) -> Signal:
    """A fanfare: repeated brassy notes, ta-ta-ta-taa, that brighten as they swell."""
    pitch, beat = draw.pitch(230, 620), 1 / draw.tempo(5.5, 7.5)
    lengths = [1, 1, 1, 3.2]
    steps = draw.rng.choice([0, 4, 7], 4)
    times, notes, at, index = [], [], 0.0, 0
    while at < draw.seconds:
        times.append(at)
        notes.append((lengths[index % 4] * beat, pitch * 2 ** (steps[index % 4] / 12)))
        at += (lengths[index % 4] + 0.15) * beat
        index += 1

    def note(place: int) -> Signal:
        length, frequency = notes[place]
        n = samples(length * 0.88)
        vibrato = frequency * (1 + 0.004 * np.sin(2 * np.pi * 6 * clock(n)))
        swell = hump(n, 0.15, 0.12)
        return swell * (0.5 * tone(vibrato, partials=(1, 0.6)) + swell * tone(vibrato, partials=falling(16, 0.3)))

    return lay(draw.n, times, note)


def drums(draw: Draw) -> Signal:
    """A beat: a falling kick and a rattling snare in turn, with a ticking cymbal between."""
    rate, size = draw.tempo(6, 8), draw.log(0.7, 2.2)
    n = samples(0.2)
    kick = 1.6 * decay(n, 0.06) * tone(contour(n, [240 * size, 75 * size, 65 * size], [0, 0.3, 1]))
    snare = decay(n, 0.05, 0.001) * (0.7 * band(draw.noise(n), 1500 * size, 0.9) * 2 + 0.4 * tone(230 * size, n))
    hat = 0.5 * decay(n, 0.014, 0.0005) * band(draw.noise(n), 5200, 0.4)
    pattern = [kick, hat, snare, hat, kick, kick, snare, hat]
    return lay(draw.n, draw.onsets(rate), lambda index: pattern[index % 8])


SOUNDS = {"guitar": guitar, "flute": flute, "trumpet": trumpet, "drums": drums}
