"""Sound models of doors and breakage."""

from __future__ import annotations

import numpy as np

from clapline.datasets.soundscapes.synthesis import (
    Draw,
    Signal,
    band,
    contour,
    decay,
    filtered,
    formants,
    hump,
    lay,
    samples,
    struck,
)


def door_knock(draw: Draw) -> Signal:
    """Groups of three or four quick knocks on wood, then a wait."""
    rate, body = draw.tempo(5, 7), draw.log(150, 1300)
    group = int(draw.rng.integers(3, 5))
    wait = draw.uniform(0.4, 0.55)
    times = [s + i / rate for s in np.arange(0, draw.seconds, group / rate + wait) for i in range(group)]
    n = samples(0.1)
    knock = struck(n, [body, body * 1.6, body * 2.7], [0.02, 0.013, 0.008], [1, 0.6, 0.4])
    knock += 0.5 * band(draw.noise(n) * decay(n, 0.006, 0.0005), body * 3, 0.8)
    return lay(draw.n, times, lambda _: knock * draw.uniform(0.8, 1))


def door_creak(draw: Draw) -> Signal:
    """A dry hinge: stick and slip, each slip a tiny knock, ever quicker, so that the squeak climbs."""
    slow, body = draw.pitch(35, 90), draw.log(500, 2600)
    length = min(draw.seconds, draw.uniform(1.0, 1.5))
    n = samples(length)
    rate = contour(n, [slow, slow * 2.2, slow * 1.6, slow * 6, slow * 9]) * (1 + 0.12 * draw.wander(9, n))
    phase = np.cumsum(rate) / 16_000
    slips = np.diff(np.floor(phase), prepend=0.0) * (1 + 0.3 * draw.rng.standard_normal(n))
    creak = hump(n, 0.1, 0.1) * formants(slips, [body, body * 1.7, body * 2.9], 0.12)
    return lay(draw.n, [0.0, length + 0.25], lambda _: creak)


def glass_breaking(draw: Draw) -> Signal:
    """A smash, then ringing shards that fall ever more thinly."""
    pitch = draw.log(1100, 3200)
    n = samples(0.3)
    corner = np.float32(np.log2(pitch / 2))
    smash = filtered(draw.noise(n) * decay(n, 0.03, 0.0005), lambda octaves: 1 / (1 + np.exp2(2 * (corner - octaves))))
    times = np.cumsum(draw.rng.exponential(1, 60) * np.linspace(0.006, 0.075, 60))

    def shard(index: int) -> Signal:
        m = samples(0.12)
        f = pitch * draw.log(0.7, 2.2)
        gain = 0.9 * 0.97**index * draw.uniform(0.3, 1)
        return gain * struck(m, [f, f * 1.47], [draw.uniform(0.012, 0.035), 0.015], [1, 0.6])

    return lay(draw.n, times, shard) + lay(draw.n, [0.0], lambda _: 1.4 * smash)


SOUNDS = {"door knock": door_knock, "door creak": door_creak, "glass breaking": glass_breaking}
