"""Which part of a waveform is heard: every clip at exactly the length that a front end expects."""

from __future__ import annotations

import numpy as np

from clapline.errors import UserError
from clapline.params.features import Features


def fit(
    waveform: np.ndarray, features: Features, random: np.random.Generator | None = None
) -> tuple[np.ndarray, float]:
    """Return `features.samples` samples, float32, and the share of them, from the start, that is no padding.

    A long clip is cropped: its middle, always the same, or from a random start where a generator is given. A short one
    is repeated to the end (`features.short: repeat`, as MS-CLAP does), repeated whole times before silence
    (`repeat_pad`, LAION-CLAP's "repeatpad": its silence is heard, not masked, as the published model was trained), or
    padded with zeros that are masked (`zero`).

    Args:
        waveform: `(samples,)`, floating point in [-1, 1], at `features.sample_rate_hz`.
        features: the `features` part of a model.
        random: draws the crop of a long clip; it is not drawn from otherwise.

    Raises:
        UserError: the clip is empty, has another shape, is not floating point or not finite.
    """
    waveform = checked(waveform)
    length, samples = len(waveform), features.samples
    if length >= samples:
        spare = length - samples
        start = spare // 2 if random is None else int(random.integers(spare + 1))
        return waveform[start : start + samples], 1.0
    if features.short == "repeat":
        return np.resize(waveform, samples), 1.0
    sounding = samples // length * length if features.short == "repeat_pad" else length
    padded = np.zeros(samples, dtype=np.float32)
    padded[:sounding] = np.resize(waveform, sounding)
    return padded, 1.0 if features.short == "repeat_pad" else sounding / samples


def checked(waveform: np.ndarray) -> np.ndarray:
    """Return a waveform as float32. Nothing is mixed down, scaled or left out in silence.

    Raises:
        UserError: it is not `(samples,)`, holds no sample, is not floating point, or holds NaN or infinity.
    """
    if waveform.ndim != 1:
        raise UserError(f"a waveform must be mono, (samples,), got the shape {waveform.shape}: mix down first")
    if not np.issubdtype(waveform.dtype, np.floating):
        raise UserError(f"a waveform must be floating point, got {waveform.dtype}: scale to [-1, 1] first")
    if len(waveform) == 0:
        raise UserError("a clip without samples cannot be encoded")
    with np.errstate(over="ignore", invalid="ignore"):
        waveform = np.asarray(waveform, dtype=np.float32)
        total = waveform.sum()
    # One sum tells of all values at a fraction of the cost; it may itself be too large, so that each is asked then.
    if not np.isfinite(total) and not np.isfinite(waveform).all():
        raise UserError("a waveform holds values that are not a number (NaN) or infinite")
    return waveform
