"""Clips to listen to beside a report: short and light copies, so that a page of many stays small."""

from __future__ import annotations

import io

import soundfile

from clapline.audio.decode import flac_bytes, resample

LONGEST_S = 10.0
HIGHEST_RATE_HZ = 24_000


def listening_copy(data: bytes) -> bytes:
    """Return a FLAC clip as it is, or what a listener needs of it: 10 s from its middle, at 24 kHz at most.

    Some 0.4 MB at most of what is noise throughout.
    """
    told = soundfile.info(io.BytesIO(data))
    rate_hz = min(told.samplerate, HIGHEST_RATE_HZ)
    if told.duration <= LONGEST_S and rate_hz == told.samplerate:
        return data
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    kept = int(LONGEST_S * told.samplerate)
    start = max(0, (len(samples) - kept) // 2)
    return flac_bytes(resample(samples[start : start + kept], told.samplerate, rate_hz), rate_hz)
