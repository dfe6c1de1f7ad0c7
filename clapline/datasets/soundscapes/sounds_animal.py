"""Sound models of animals: birds, mammals, small creatures."""

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
    struck,
    tone,
)


def bird_song(draw: Draw) -> Signal:
    """Quick phrases of chirps, each a sweep of its own."""
    pitch, rate = draw.pitch(1100, 3200), draw.tempo(6, 10)

    def chirp(_: int) -> Signal:
        n = samples(draw.uniform(0.45, 0.8) / rate)
        start = pitch * draw.log(0.7, 1.5)
        return draw.uniform(0.5, 1) * hump(n, 0.2, 0.4) * tone(contour(n, [start, start * draw.log(0.6, 1.7)]))

    times = draw.onsets(rate, 0.15)
    kept = times[(times * draw.uniform(0.9, 1.4)) % 1.0 < 0.75]
    return lay(draw.n, kept if len(kept) else times, chirp)


def owl_hoot(draw: Draw) -> Signal:
    """Soft, nearly pure hoots: one long, then short ones."""
    pitch, beat = draw.pitch(260, 1000), draw.uniform(0.26, 0.38)
    times, lengths = [], []
    at = 0.0
    while at < draw.seconds - 0.2:
        for length in (1.6, 0.7, 0.7):
            times.append(at)
            lengths.append(length * beat)
            at += (length + 0.45) * beat
        at += beat

    def hoot(index: int) -> Signal:
        n = samples(lengths[index])
        return hump(n, 0.35, 0.4) * tone(contour(n, [pitch * 0.94, pitch, pitch * 0.92]), partials=(1, 0.12, 0.05))

    return lay(draw.n, times, hoot)


def crow_caw(draw: Draw) -> Signal:
    """Harsh falling caws with a rough, rattling voice."""
    pitch, rate = draw.pitch(300, 1000), draw.tempo(1.8, 2.6)
    rattle = draw.uniform(55, 80)
    peak = pitch * draw.log(2, 4)

    def caw(_: int) -> Signal:
        n = samples(draw.uniform(0.55, 0.7) / rate)
        f0 = contour(n, [pitch, pitch * 1.1, pitch * 0.62])
        voice = tone(f0, partials=falling(16, 0.5)) * (1 + 0.9 * np.sin(2 * np.pi * rattle * clock(n)))
        return hump(n, 0.08, 0.35) * (formants(voice, [peak], 0.8) + 0.5 * band(draw.noise(n), peak, 0.6))

    return lay(draw.n, draw.onsets(rate, 0.06), caw)


def rooster_crow(draw: Draw) -> Signal:
    """Cock-a-doodle-doo: two short notes, a leap to a long one, a fall."""
    pitch = draw.pitch(320, 900)
    length = min(draw.seconds, draw.uniform(1.1, 1.6))
    n = samples(length)
    f0 = contour(
        n,
        [pitch, pitch * 1.3, pitch, pitch * 1.35, pitch * 1.1, pitch * 2, pitch * 2.1, pitch * 1.9, pitch * 1.1],
        [0, 0.08, 0.16, 0.26, 0.34, 0.44, 0.65, 0.8, 1],
    )
    gates = np.interp(
        np.linspace(0, 1, n),
        [0, 0.02, 0.13, 0.16, 0.19, 0.3, 0.35, 0.38, 0.8, 1],
        [0, 0.7, 0.7, 0, 0.8, 0.8, 0.05, 1, 1, 0],
    )
    crow = gates * formants(tone(f0, partials=falling(12, 0.6)), [pitch * 2, pitch * 4], 0.7)
    return lay(draw.n, np.arange(0, draw.seconds, length + 0.3), lambda _: crow)


def woodpecker(draw: Draw) -> Signal:
    """Drum rolls of wooden strokes with pauses."""
    rate, body = draw.tempo(13, 19), draw.log(450, 2600)
    roll, pause = draw.uniform(0.45, 0.65), draw.uniform(0.3, 0.45)
    times = np.arange(0, draw.seconds, 1 / rate)
    times = times[times % (roll + pause) < roll]
    n = samples(0.05)
    stroke = struck(n, [body, body * 2.3, body * 3.9], [0.008, 0.005, 0.003], [1, 0.6, 0.3])
    stroke += 0.3 * draw.noise(n) * decay(n, 0.003, 0.0005)
    return lay(draw.n, times, lambda _: stroke * draw.uniform(0.7, 1))


def dog_bark(draw: Draw) -> Signal:
    """Short barks with an abrupt start and an arch in pitch, often in pairs."""
    pitch, rate = draw.pitch(220, 800), draw.tempo(2.0, 3.0)
    first, second = pitch * draw.log(1.5, 2.5), pitch * draw.log(3, 6)
    times = draw.onsets(rate, 0.12)
    if draw.chance(0.6):
        times = np.sort(np.concatenate([times, times + 0.19]))

    def bark(_: int) -> Signal:
        n = samples(draw.uniform(0.11, 0.16))
        top = pitch * draw.uniform(1.35, 1.6)
        voice = tone(contour(n, [pitch, top, pitch * 0.75], [0, 0.35, 1]), partials=falling(14, 0.5))
        return decay(n, 0.09, 0.008) * hump(n, 0.03, 0.3) * formants(voice + 0.8 * draw.noise(n), [first, second], 0.45)

    return lay(draw.n, times, bark)


def cat_meow(draw: Draw) -> Signal:
    """A long vowel that glides up and slowly down while its resonance opens and closes."""
    pitch = draw.pitch(330, 1000)
    length = min(draw.seconds, draw.uniform(0.75, 1.05))
    n = samples(length)
    f0 = contour(n, [pitch * 0.75, pitch * 1.35, pitch * 1.2, pitch * 0.7], [0, 0.3, 0.55, 1])
    dull, bright = tone(f0, partials=(1, 0.5)), tone(f0, partials=falling(12, 0.4))
    opening = hump(n, 0.5, 0.5)
    meow = hump(n, 0.2, 0.4) * ((1 - opening) * dull + 0.7 * opening * bright)
    return lay(draw.n, np.arange(0, draw.seconds, length + draw.uniform(0.12, 0.3)), lambda _: meow)


def cow_moo(draw: Draw) -> Signal:
    """One long low voice, muffled first, open later, sagging at the end."""
    pitch = draw.pitch(90, 260)
    length = min(draw.seconds, draw.uniform(1.4, 2.2))
    n = samples(length)
    f0 = contour(n, [pitch * 0.8, pitch, pitch * 1.08, pitch * 1.04, pitch * 0.7], [0, 0.25, 0.6, 0.85, 1])
    f0 = f0 * (1 + 0.012 * draw.wander(12, n))
    muffled, opened = tone(f0, partials=(1, 0.6, 0.25)), tone(f0, partials=falling(24, 0.35))
    opening = np.interp(np.linspace(0, 1, n), [0, 0.25, 0.45, 1], [0, 0.05, 1, 0.8])
    peak = pitch * draw.log(3, 9)
    moo = hump(n, 0.15, 0.2) * ((1 - opening) * muffled + 0.7 * opening * formants(opened, [peak, peak * 2.2], 0.5))
    return lay(draw.n, [0.0, length + 0.25], lambda _: moo)


def sheep_bleat(draw: Draw) -> Signal:
    """A bleat that trembles in pitch and loudness."""
    pitch, tremble = draw.pitch(230, 800), draw.uniform(7, 10)
    length = min(draw.seconds, draw.uniform(0.7, 1.0))
    n = samples(length)
    shake = np.sin(2 * np.pi * tremble * clock(n))
    voice = tone(contour(n, [pitch, pitch * 1.1, pitch * 0.85]) * (1 + 0.06 * shake), partials=falling(18, 0.4))
    peak = pitch * draw.log(2, 5)
    bleat = hump(n, 0.1, 0.2) * (0.5 + 0.5 * shake) * formants(voice, [peak, peak * 1.9], 0.4)
    return lay(draw.n, np.arange(0, draw.seconds, length + draw.uniform(0.15, 0.35)), lambda _: bleat)


def cricket(draw: Draw) -> Signal:
    """Chirps of a few quick pulses of one steady high note."""
    pitch, rate = draw.pitch(1800, 5200), draw.tempo(2.6, 4.0)
    pulses = int(draw.rng.integers(3, 5))
    n = samples(0.026)
    pulse = hump(n, 0.3, 0.4) * tone(pitch, n)
    chirp = lay(samples(0.2), np.arange(pulses) * 0.042, lambda _: pulse)
    return lay(draw.n, draw.onsets(rate, 0.02), lambda _: chirp)


def frog_croak(draw: Draw) -> Signal:
    """Croaks made of separate throat pulses that quicken: ribbit."""
    body, rate = draw.pitch(250, 1400), draw.tempo(1.5, 2.2)
    n = samples(0.05)
    knock = struck(n, [body, body * 1.7], [0.009, 0.006], [1, 0.7])
    gaps = np.array([0, 0.06, 0.05, 0.043, 0.037, 0.032, 0.028])
    loud = np.linspace(0.4, 1, len(gaps))
    croak = lay(samples(0.34), np.cumsum(gaps), lambda index: loud[index] * knock)
    return lay(draw.n, draw.onsets(rate, 0.08), lambda _: croak)


SOUNDS = {
    "bird song": bird_song,
    "owl hoot": owl_hoot,
    "crow caw": crow_caw,
    "rooster crow": rooster_crow,
    "woodpecker": woodpecker,
    "dog bark": dog_bark,
    "cat meow": cat_meow,
    "cow moo": cow_moo,
    "sheep bleat": sheep_bleat,
    "cricket": cricket,
    "frog croak": frog_croak,
}
