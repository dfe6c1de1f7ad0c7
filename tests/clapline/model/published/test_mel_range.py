"""Frequencies told from mel filters: no two of the usual ranges are taken for each other."""

from __future__ import annotations

import itertools

import pytest
import torch

from clapline.errors import UserError
from clapline.model.published.mel_range import MAXIMA_HZ, MINIMA_HZ, mel_range


@pytest.mark.parametrize("rate", [32000, 44100, 48000])
def test_each_range_is_told_from_every_other(rate: int, slaney):
    for low, high in itertools.product(MINIMA_HZ, MAXIMA_HZ):
        assert mel_range(slaney(low, high, rate, 64), rate, (50.0, 14000.0), "it") == (low, high)


def test_without_filters_the_published_range_holds():
    assert mel_range(None, 48000, (50.0, 14000.0), "it") == (50.0, 14000.0)


def test_filters_of_another_scale_are_refused(slaney):
    from transformers.audio_utils import mel_filter_bank

    htk = torch.from_numpy(mel_filter_bank(513, 64, 50, 14000, 48000, norm=None, mel_scale="htk")).float()
    for wrong in (htk, slaney(50, 14000, 44100, 64), torch.zeros(513, 64)):
        with pytest.raises(UserError, match="it: its mel filters"):
            mel_range(wrong, 48000, (50.0, 14000.0), "it")
