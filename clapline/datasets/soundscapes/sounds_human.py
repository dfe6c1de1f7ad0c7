"""Sound models of people: the voice, the body."""

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

VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))


def speech(draw: Draw) -> Signal:
    """Syllables of changing vowels and lengths on a sinking pitch, with hisses between."""
    pitch, rate, tract = draw.pitch(85, 300), draw.tempo(3.6, 5.5), draw.log(0.75, 1.45)
    times = draw.onsets(rate, 0.22)

    def syllable(index: int) -> Signal:
        n = samples(draw.uniform(0.5, 0.95) / rate)
        if draw.chance(0.22):
            return 0.5 * hump(n, 0.3, 0.4) * band(draw.noise(n), tract * draw.log(2200, 5000), 0.35)
        start = pitch * draw.log(0.8, 1.35) * (1.15 - 0.3 * times[index] / draw.seconds)
        voice = tone(contour(n, [start, start * draw.log(0.85, 1.1)]), partials=falling(22, 0.6))
        vowel = VOWELS[draw.rng.integers(len(VOWELS))]
        return draw.uniform(0.6, 1) * hump(n, 0.25, 0.35) * formants(voice, [tract * f for f in vowel], 0.18)

    return lay(draw.n, times, syllable)


def laughter(draw: Draw) -> Signal:
    """Ha-ha-ha: equal breathy notes in runs, sinking in pitch and strength."""
    pitch, rate, tract = draw.pitch(150, 520), draw.tempo(4.6, 6.2), draw.log(0.7, 1.5)
    run = int(draw.rng.integers(5, 8))

    def note(index: int) -> Signal:
        place = index % run
        n = samples(0.72 / rate)
        start = pitch * 1.35 * 0.92**place
        voice = tone(contour(n, [start * 1.12, start * 0.85]), partials=falling(16, 0.7))
        breath = draw.noise(n) * np.interp(np.linspace(0, 1, n), [0, 0.3, 1], [0.9, 0.15, 0.3])
        return 0.88**place * hump(n, 0.15, 0.5) * formants(voice + breath, [700 * tract, 1300 * tract], 0.35)

    return lay(draw.n, draw.onsets(rate, 0.03), note)


def baby_cry(draw: Draw) -> Signal:
    """Wails that rise, hold and break off, with gasps between."""
    pitch = draw.pitch(300, 780)
    length = draw.uniform(0.6, 0.85)
    n, gasp = samples(length), samples(0.16)
    peak = pitch * draw.log(2, 5)
    breath = 0.25 * hump(gasp) * band(draw.noise(gasp), peak, 0.6)

    def wail(_: int) -> Signal:
        f0 = contour(n, [pitch * 0.8, pitch * 1.25, pitch * 1.2, pitch * 1.25, pitch * 0.7], [0, 0.15, 0.5, 0.8, 1])
        f0 = f0 * (1 + 0.03 * np.sin(2 * np.pi * 14 * clock(n)))
        cry = hump(n, 0.08, 0.12) * formants(tone(f0, partials=falling(14, 0.3)), [peak, peak * 2], 0.6)
        return np.concatenate([cry, np.zeros(1000), breath])

    return lay(draw.n, np.arange(0, draw.seconds, length + 0.33), wail)


def whistling(draw: Draw) -> Signal:
    """A pure tone that slides between the notes of a tune."""
    pitch, rate = draw.pitch(600, 1900), draw.tempo(2.2, 3.6)
    count = max(3, int(draw.seconds * rate) + 1)
    steps = np.cumsum(draw.rng.choice([-4, -3, -2, 2, 3, 4], count))
    notes = pitch * 2 ** (np.clip(steps, -9, 9) / 12)
    places = np.sort(np.concatenate([np.arange(count) - 0.25, np.arange(count) + 0.35])) / (count - 1)
    f0 = contour(draw.n, list(np.repeat(notes, 2)), list(np.clip(places, 0, 1)))
    dips = 1 - 0.5 * np.exp(-((((clock(draw.n) * rate) % 1) - 0.5) ** 2) / 0.01)
    return hump(draw.n, 0.05, 0.05) * (tone(f0, partials=(1, 0.03)) * dips + 0.01 * draw.noise())


def cough(draw: Draw) -> Signal:
    """Fits of coughs: an explosion of noise, a held breath, a weaker burst."""
    rate, throat = draw.tempo(1.7, 2.5), draw.log(350, 2200)

    def burst(_: int) -> Signal:
        n, rest = samples(0.13), samples(0.12)
        hard = draw.noise(n) * decay(n, 0.045, 0.003)
        f0 = contour(rest, [throat * 0.4, throat * 0.25])
        soft = hump(rest, 0.2, 0.6) * (0.22 * draw.noise(rest) + 0.2 * tone(f0, partials=falling(8, 0.5)))
        return draw.uniform(0.6, 1) * formants(np.concatenate([hard, np.zeros(400), soft]), [throat, throat * 2.4], 0.6)

    return lay(draw.n, draw.onsets(rate, 0.15), burst)


def snoring(draw: Draw) -> Signal:
    """A rattling breath in, a soft hiss out."""
    rattle, throat = draw.uniform(17, 24), draw.log(180, 1100)
    inward, outward = draw.uniform(0.55, 0.75), draw.uniform(0.4, 0.5)
    n, rest = samples(inward), samples(outward)
    pulse = (0.5 + 0.5 * np.sin(2 * np.pi * np.cumsum(contour(n, [rattle, rattle * 1.15])) / 16_000)) ** 3
    snore = hump(n, 0.3, 0.15) * pulse * band(draw.noise(n), throat, 0.5)
    hiss = 0.22 * hump(rest, 0.3, 0.6) * band(draw.noise(rest), throat * 3, 0.6)
    breath = np.concatenate([snore, np.zeros(800), hiss])
    return lay(draw.n, np.arange(0, draw.seconds, inward + outward + 0.12), lambda _: breath)


def footsteps(draw: Draw) -> Signal:
    """Regular steps: heel, then a softer sole a moment later, left unlike right."""
    rate, floor = draw.tempo(1.7, 2.4), draw.log(180, 1700)
    gap = draw.uniform(0.09, 0.12)
    n = samples(0.09)

    def step(index: int) -> Signal:
        side = 1.0 if index % 2 else 1.25
        heel = band(draw.noise(n) * decay(n, 0.014, 0.001), floor * side, 0.5)
        sole = 0.45 * band(draw.noise(n) * decay(n, 0.022, 0.008), floor * 2 * side, 0.7)
        return lay(samples(0.25), [0, gap], lambda part: sole if part else heel)

    return lay(draw.n, draw.onsets(rate, 0.03), step)


def applause(draw: Draw) -> Signal:
    """A small crowd of people, each clapping at a pace of their own."""
    people = int(draw.rng.integers(5, 9))
    centre = draw.log(600, 2600)
    n = samples(0.04)
    total = np.zeros(draw.n)
    for _ in range(people):
        clap = draw.uniform(0.4, 1) * band(draw.noise(n) * decay(n, 0.009, 0.0005), centre * draw.log(0.7, 1.4), 0.6)
        times = draw.onsets(draw.uniform(2.8, 4.2), 0.12) + draw.uniform(0, 0.3)
        total += lay(draw.n, times, lambda _, clap=clap: clap)
    return total


SOUNDS = {
    "speech": speech,
    "laughter": laughter,
    "baby crying": baby_cry,
    "whistling": whistling,
    "coughing": cough,
    "snoring": snoring,
    "footsteps": footsteps,
    "applause": applause,
}
