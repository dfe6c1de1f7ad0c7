"""Edits of mono recordings and the joining of two: what makes new training clips of old ones (after AudioSetMix).

Pure functions over float32 samples `(samples,)`. The time stretch is torchaudio's phase vocoder, the
resampling soxr's.
"""

from __future__ import annotations

import math

import numpy as np
import soxr

_WINDOW_S = 0.064  # of the phase vocoder: long enough to tell low partials apart, short enough for strokes
_FULL_SCALE = 1.0
_LARGEST_GAIN = 10 ** (12 / 20)


def changed_volume(audio: np.ndarray, decibels: float) -> np.ndarray:
    """Return the samples `decibels` louder (below 0: quieter); what goes beyond full scale is not clipped here."""
    return (audio * np.float32(10 ** (decibels / 20))).astype(np.float32, copy=False)


def changed_speed(audio: np.ndarray, ratio: float, sample_rate_hz: int) -> np.ndarray:
    """Return the samples played `ratio` times as fast, at their old pitch: `round(samples / ratio)` of them.

    The pitch is kept so that "faster" and "higher" stay two edits, each told by its own words.
    """
    return _at_level_of(audio, _stretched(audio, round(len(audio) / ratio), sample_rate_hz))


def changed_pitch(audio: np.ndarray, semitones: float, sample_rate_hz: int) -> np.ndarray:
    """Return as many samples whose frequencies are all `2 ** (semitones / 12)` times as high."""
    factor = 2 ** (semitones / 12)
    stretched = _stretched(audio, round(len(audio) * factor), sample_rate_hz)
    if not len(stretched):
        return audio.astype(np.float32, copy=False)
    shifted = soxr.resample(stretched, sample_rate_hz * factor, sample_rate_hz).astype(np.float32, copy=False)
    return _at_level_of(audio, _fitted(shifted, len(audio)))


def loudest_stretch(audio: np.ndarray, samples: int) -> np.ndarray:
    """Return the `samples` consecutive samples with the most energy (the first such), or all of a shorter clip."""
    if len(audio) <= samples:
        return audio
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64))])
    start = int(np.argmax(energy[samples:] - energy[:-samples]))
    return audio[start : start + samples]


def level_difference_db(one: np.ndarray, other: np.ndarray) -> float:
    """Return how much greater the RMS of `one` is than that of `other`, in dB; 0 when either is silent or empty."""
    above, below = _rms(one), _rms(other)
    return 20 * math.log10(above / below) if above and below else 0.0


def balanced(one: np.ndarray, other: np.ndarray, ratio_db: float) -> tuple[np.ndarray, np.ndarray]:
    """Return both with the RMS of `one` exactly `ratio_db` above that of `other`; each takes half of the change.

    Silence stays silence, and then the other clip is left as it is.
    """
    if not _rms(one) or not _rms(other):
        return one, other
    missing = ratio_db - level_difference_db(one, other)
    return changed_volume(one, missing / 2), changed_volume(other, -missing / 2)


def mixed(one: np.ndarray, other: np.ndarray, ratio_db: float, start_share: float = 0.0) -> np.ndarray:
    """Return both heard at once, `one` by `ratio_db` (of RMS) above `other`, as long as the longer of the two.

    `start_share` in [0, 1] places the shorter one within the longer: 0 at its beginning, 1 at its end. Where the sum
    would go beyond full scale, all of it is scaled down.
    """
    one, other = balanced(one, other, ratio_db)
    long, short = (one, other) if len(one) >= len(other) else (other, one)
    start = round(start_share * (len(long) - len(short)))
    total = long.astype(np.float32, copy=True)
    total[start : start + len(short)] += short
    return unclipped(total)


def concatenated(one: np.ndarray, other: np.ndarray, sample_rate_hz: int, crossfade_s: float = 0.05) -> np.ndarray:
    """Return one after the other, with a crossfade of equal power, at most half of the shorter clip long.

    Where it would go beyond full scale, all of it is scaled down.
    """
    overlap = min(round(crossfade_s * sample_rate_hz), len(one) // 2, len(other) // 2)
    angle = (np.arange(overlap, dtype=np.float32) + np.float32(0.5)) * np.float32(math.pi / 2 / max(1, overlap))
    join = one[len(one) - overlap :] * np.cos(angle) + other[:overlap] * np.sin(angle)
    parts = [one[: len(one) - overlap], join, other[overlap:]]
    return unclipped(np.concatenate(parts).astype(np.float32, copy=False))


def unclipped(audio: np.ndarray) -> np.ndarray:
    """Return the samples, scaled down together when one of them is beyond full scale."""
    peak = float(np.abs(audio).max(initial=0.0))
    return audio if peak <= _FULL_SCALE else (audio * np.float32(_FULL_SCALE / peak)).astype(np.float32, copy=False)


def _rms(audio: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0


def _at_level_of(audio: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return the made samples at the RMS of the old: a phase vocoder takes some 3 dB off noise, off tones nothing.

    No more than 12 dB are given, so that what an edit has lost (a click at the very end) is not made up of its rest.
    """
    before, after = _rms(audio), _rms(made)
    return made * np.float32(min(before / after, _LARGEST_GAIN)) if before and after else made


def _fitted(audio: np.ndarray, samples: int) -> np.ndarray:
    return audio[:samples] if len(audio) >= samples else np.pad(audio, (0, samples - len(audio)))


def _stretched(audio: np.ndarray, samples: int, sample_rate_hz: int) -> np.ndarray:
    """Return the clip made `samples` long with its pitch kept."""
    audio = np.ascontiguousarray(audio, dtype=np.float32)
    if not len(audio) or not samples or samples == len(audio):
        return audio[:samples]
    # Imported here: volume and joining need no torch, which takes seconds to load.
    import torch
    from torchaudio.functional import phase_vocoder

    window_samples = 1 << max(4, round(math.log2(_WINDOW_S * sample_rate_hz)))
    hop = window_samples // 4
    window = torch.hann_window(window_samples)
    with torch.inference_mode():
        # Zeros around the clip, not its mirror image, and a window of them behind: a clip may be shorter than one.
        padded = torch.nn.functional.pad(torch.from_numpy(audio), (0, window_samples))
        spectrum = torch.stft(padded, window_samples, hop, window=window, pad_mode="constant", return_complex=True)
        advance = torch.linspace(0, math.pi * hop, spectrum.shape[0])[:, None]
        changed = phase_vocoder(spectrum, len(audio) / samples, advance)
        made = torch.istft(changed, window_samples, hop, window=window)
    return _fitted(made.numpy(), samples)
