"""A file that someone drops on the page: bounded while it comes in, decoded as the pipeline decodes."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import soundfile
from starlette.requests import Request
from starlette.types import Message

from clapline.audio.decode import Unusable, peak_dbfs, read_mono
from clapline.errors import UserError

MAXIMUM_BYTES = 32 * 2**20
MAXIMUM_S = 60.0
MAXIMUM_CHANNELS = 8
MAXIMUM_RATE_HZ = 192_000
MAXIMUM_SAMPLES = 24_000_000  # 60 s of two channels at 192 kHz: 100 MB while they are decoded
_FORM_BYTES = 2**16  # what a form may need around its file
_COPIED_AT_ONCE = 2**20

TOO_LARGE = f"the file is too large: at most {MAXIMUM_BYTES // 2**20} MiB are taken"


class TooLarge(Exception):
    """More bytes than are taken; the message says so."""


def bounded(request: Request) -> Request:
    """Return the request with a body that raises TooLarge once it is longer than is taken, before it is kept."""
    limit = MAXIMUM_BYTES + _FORM_BYTES
    named = request.headers.get("content-length", "")
    if named.isdigit() and int(named) > limit:
        raise TooLarge(TOO_LARGE)
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        message = await request.receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLarge(TOO_LARGE)
        return message

    return Request(request.scope, receive)


def decode(file: BinaryIO, name: str, rate_hz: int, heard_s: float = MAXIMUM_S) -> np.ndarray:
    """Return the samples of an uploaded file `(samples,)`, float32: the mean over the channels at `rate_hz`.

    Of a longer one the first `heard_s` seconds, as the stage prepare keeps them.

    Raises:
        UserError: it is no audio, or too long, silent, of too many channels or of too high a rate.
    """
    # Of the name that a browser gives, nothing but what is shown is used.
    shown = " ".join(PurePosixPath(name.replace("\\", "/")).name.split())[:80] or "the file"
    with tempfile.TemporaryDirectory(prefix="clapline-search-") as folder:
        path = Path(folder) / "clip"
        with path.open("wb") as copy:
            while piece := file.read(_COPIED_AT_ONCE):
                copy.write(piece)
        try:
            _check(path)
            samples = read_mono(path, rate_hz, MAXIMUM_S + 1)
        except Unusable as reason:
            raise UserError(f"{shown} cannot be used: {reason}") from None
    if len(samples) > MAXIMUM_S * rate_hz:
        raise UserError(f"{shown} is too long: at most {MAXIMUM_S:g} s are taken")
    if not len(samples) or math.isinf(peak_dbfs(samples)):
        raise UserError(f"{shown} holds no sound")
    return samples[: int(heard_s * rate_hz)]


def _check(path: Path) -> None:
    """Raise Unusable on what would fill the memory when it is decoded; whatever else is wrong, decoding says."""
    try:
        told = soundfile.info(path)
    except (soundfile.LibsndfileError, RuntimeError):
        raise Unusable("it is no audio that can be read (WAV, FLAC, OGG and MP3 are)") from None
    if told.channels > MAXIMUM_CHANNELS:
        raise Unusable(f"it has {told.channels} channels, at most {MAXIMUM_CHANNELS} are taken")
    if told.duration * told.samplerate * told.channels > MAXIMUM_SAMPLES:
        raise Unusable(f"it has more than {MAXIMUM_SAMPLES:,} samples over all channels")
    if told.samplerate > MAXIMUM_RATE_HZ:
        raise Unusable(f"it has {told.samplerate} samples a second, at most {MAXIMUM_RATE_HZ} are taken")
