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
        waveform: `(samples,)`, at `features.sample_rate_hz`.
        features: the `features` part of a model.
        random: draws the crop of a long clip; it is not drawn from otherwise.

    Raises:
        UserError: the clip is empty.
    """
    length, samples = len(waveform), features.samples
    if length == 0:
        raise UserError("a clip without samples cannot be encoded")
    waveform = np.asarray(waveform, dtype=np.float32)
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
