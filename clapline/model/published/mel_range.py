"""Which frequencies a checkpoint hears, told from the mel filters that torchlibrosa leaves among its weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clapline.errors import UserError

FILTERS = "logmel_extractor.melW"
MINIMA_HZ = (0.0, 20.0, 50.0, 60.0, 100.0)
MAXIMA_HZ = (7600.0, 7800.0, 8000.0, 10000.0, 11025.0, 12000.0, 14000.0, 15000.0, 16000.0)


def mel_range(
    filters: Tensor | None, sample_rate_hz: int, published: tuple[float, float], source: str
) -> tuple[float, float]:
    """Return the lowest and the highest frequency of the mel filters `(bins, bands)`.

    Settings files and code of the authors disagree (MS-CLAP 2023: 8 kHz in config_2023.yml, 14 kHz in the module that
    its HTSAT reads), but the filters are saved with the weights and overwrite both when these are loaded.

    Args:
        filters: `logmel_extractor.melW`; None: the checkpoint has none, and what is published holds.
        sample_rate_hz: of the waveforms.
        published: what the authors write.
        source: for the error.

    Raises:
        UserError: filters of Slaney's scale and norm between none of the usual frequencies.
    """
    if filters is None:
        return published
    bins, bands = filters.shape
    nyquist = sample_rate_hz / 2
    for low, high in [published, *_ranges(nyquist)]:
        expected = slaney_filters(bins, bands, low, high, sample_rate_hz)
        if torch.allclose(expected, filters.float(), rtol=1e-3, atol=1e-3 * float(expected.max())):
            return low, high
    raise UserError(
        f"{source}: its mel filters ({FILTERS}, {bins} bins x {bands} bands) are none of Slaney's scale at "
        f"{sample_rate_hz} Hz between the usual frequencies; what it heard cannot be made again"
    )


def slaney_filters(bins: int, bands: int, low: float, high: float, sample_rate_hz: int) -> Tensor:
    """Return triangular mel filters `(bins, bands)` of Slaney's scale and norm."""
    from torchaudio.functional import melscale_fbanks

    return melscale_fbanks(bins, low, high, bands, sample_rate_hz, norm="slaney", mel_scale="slaney")


def _ranges(nyquist: float) -> Sequence[tuple[float, float]]:
    return [(low, high) for high in (*MAXIMA_HZ, nyquist) if high <= nyquist for low in MINIMA_HZ]
