"""One recording becomes one clip: decoded, mixed, resampled, cut, and set aside when it holds nothing to hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clapline.audio.decode import Unusable, flac_bytes, peak_dbfs, read_mono, requantise, resample, trim_silence
from clapline.datasets.card import BadItem, RawClip
from clapline.params.prepare import Prepare
from clapline.randomness import generator


@dataclass(frozen=True)
class Made:
    """A clip's FLAC bytes and its length."""

    flac: bytes
    duration_s: float


def make_clips(
    dataset: str, raw: Path, items: Sequence[RawClip | BadItem], settings: Prepare
) -> list[Made | str | None]:
    """Return for each item its clip, the reason why there is none, or None where it has no audio (or is a bad item)."""
    made: list[Made | str | None] = []
    for item in items:
        if isinstance(item, BadItem) or item.path is None:
            made.append(None)
            continue
        try:
            made.append(make_clip(dataset, item.clip_id, raw / item.path, settings))
        except Unusable as reason:
            made.append(str(reason))
    return made


def make_clip(dataset: str, clip_id: str, path: Path, settings: Prepare) -> Made:
    """Return the clip of one recording: cut to the maximum duration, then trimmed, then requantised.

    Raises Unusable with the reason. The noise of requantisation is drawn from the clip's name alone: `prepare` knows
    no seed, so that another seed decodes nothing again.
    """
    samples, rate_hz = read_mono(path, settings.maximum_duration_s)
    samples = resample(samples, rate_hz, settings.sample_rate_hz)
    samples = samples[: round(settings.maximum_duration_s * settings.sample_rate_hz)]
    _check_duration(len(samples), settings)
    peak = peak_dbfs(samples)
    if peak < settings.silence_dbfs:
        raise Unusable(f"silence: the peak, {peak:.1f} dBFS, is under {settings.silence_dbfs:g}")
    if settings.trim_silence_db is not None:
        samples = trim_silence(samples, settings.trim_silence_db)
        _check_duration(len(samples), settings)
    if settings.quantisation_bits is not None:
        samples = requantise(samples, settings.quantisation_bits, generator(0, "prepare", dataset, clip_id))
    return Made(flac_bytes(samples, settings.sample_rate_hz), len(samples) / settings.sample_rate_hz)


def _check_duration(count: int, settings: Prepare) -> None:
    duration_s = count / settings.sample_rate_hz
    if count == 0 or duration_s < settings.minimum_duration_s:
        raise Unusable(f"too short: {duration_s:.3f} s, at least {settings.minimum_duration_s:g} s are needed")
