"""Random changes of waveforms, clip by clip, on the CPU: noise, speed, pitch, a shift in time, a background.

The edits are those of `clapline.audio.mixing`. Ranges: the effects of methods "Text-to-audio retrieval" (noise of
amplitude 0.001 to 0.015, speed 0.8 to 1.25 at the same pitch, pitch up to 4 semitones either way).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clapline.audio.mixing import changed_pitch, changed_speed, changed_volume, level_difference_db, unclipped
from clapline.params.training import Augmentation
from clapline.randomness import generator

NOISE_AMPLITUDE = (0.001, 0.015)  # standard deviation, full scale is 1
SPEED = (0.8, 1.25)
SEMITONES = (-4.0, 4.0)


@dataclass(frozen=True)
class Plan:
    """What happens to one clip of one batch."""

    noise: float = 0.0  # standard deviation; 0: none
    speed: float = 1.0  # above 1: faster, and shorter
    semitones: float = 0.0
    shift_s: float = 0.0
    background: int | None = None  # place in the batch of the clip that is heard behind this one


def planned(augmentation: Augmentation, seed: int, stage: str, m: int, place: int, pairs: int) -> Plan:
    """Return what happens to the clip at `place` in the batch of micro-step `m`, a batch of `pairs`.

    The same draws are made whatever is switched on, so that no knob moves what another one draws.
    """
    if not augmentation.of_waveforms:
        return Plan()
    drawn = generator(seed, stage, "waveform", m, place).random(9)
    effects = augmentation.effects
    return Plan(
        noise=_between(NOISE_AMPLITUDE, drawn[1]) if drawn[0] < effects.gaussian_noise else 0.0,
        speed=_between(SPEED, drawn[3]) if drawn[2] < effects.time_stretch else 1.0,
        semitones=_between(SEMITONES, drawn[5]) if drawn[4] < effects.pitch_shift else 0.0,
        shift_s=augmentation.time_shift_s * (2 * drawn[6] - 1),
        background=(place + 1 + int(drawn[8] * (pairs - 1))) % pairs if drawn[7] < augmentation.mixing else None,
    )


def changed(waveform: np.ndarray, plan: Plan, rate_hz: int, random: np.random.Generator) -> np.ndarray:
    """Return the samples with pitch, speed and noise changed, shifted in time, as the plan says; `random`: the noise.

    A shift wraps round the end of the clip itself, so that padding stays behind it.
    """
    if plan.semitones:
        waveform = changed_pitch(waveform, plan.semitones, rate_hz)
    if plan.speed != 1.0:
        waveform = changed_speed(waveform, plan.speed, rate_hz)
    if plan.noise:
        waveform = waveform + (plan.noise * random.standard_normal(len(waveform))).astype(np.float32)
    if plan.shift_s:
        waveform = np.roll(waveform, round(plan.shift_s * rate_hz))
    return waveform


def with_background(waveform: np.ndarray, background: np.ndarray, below_db: float) -> np.ndarray:
    """Return the clip with another behind it, `below_db` below it (RMS against RMS), from its beginning.

    A clip or a background of silence leaves the clip as it is. A sum beyond full scale is scaled down as a whole.
    """
    background = background[: len(waveform)]
    if not waveform.any() or not background.any():
        return waveform
    total = waveform.astype(np.float32, copy=True)
    # Only the background changes its level: the caption tells the clip.
    total[: len(background)] += changed_volume(background, level_difference_db(waveform, background) - below_db)
    return unclipped(total)


def _between(limits: tuple[float, float], share: float) -> float:
    return float(limits[0] + share * (limits[1] - limits[0]))
