"""Random changes of log-mel features, clip by clip, on the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clapline.params.training import Augmentation


def augment(
    features: Tensor, settings: Augmentation, crop_frames: int | None, fill: float, random: np.random.Generator
) -> Tensor:
    """Return changed features, `(batch, bands, frames or crop_frames)`.

    In this order: a crop that wraps round the end; a shift of level; a shift along the mel axis (the edge band is
    repeated); one band and one stretch of time set to `fill`, the mean of the training features.
    """
    batch, bands, frames = features.shape
    device = features.device
    if crop_frames is not None and crop_frames < frames:
        start = torch.from_numpy(random.integers(frames, size=batch)).to(device)
        columns = (start[:, None] + torch.arange(crop_frames, device=device)) % frames
        features = features.gather(2, columns[:, None, :].expand(batch, bands, crop_frames))
        frames = crop_frames
    if settings.frequency_shift_bands:
        limit = settings.frequency_shift_bands
        shift = torch.from_numpy(random.integers(-limit, limit + 1, size=batch)).to(device)
        rows = (torch.arange(bands, device=device) + shift[:, None]).clamp(0, bands - 1)
        features = features.gather(1, rows[:, :, None].expand(batch, bands, frames))
    if settings.gain:
        shift = torch.from_numpy(random.uniform(-settings.gain, settings.gain, batch)).to(device, features.dtype)
        features = features + shift[:, None, None]
    if settings.frequency_mask_bands:
        hidden = _stretches(bands, settings.frequency_mask_bands, batch, random).to(device)
        features = features.masked_fill(hidden[:, :, None], fill)
    if settings.time_mask_frames:
        hidden = _stretches(frames, settings.time_mask_frames, batch, random).to(device)
        features = features.masked_fill(hidden[:, None, :], fill)
    return features


def _stretches(length: int, widest: int, batch: int, random: np.random.Generator) -> Tensor:
    """Return one hidden stretch of 0 to `widest` places per row, as a boolean `(batch, length)`."""
    width = random.integers(min(widest, length) + 1, size=batch)
    start = (random.random(batch) * (length - width + 1)).astype(np.int64)
    places = np.arange(length)
    return torch.from_numpy((places >= start[:, None]) & (places < (start + width)[:, None]))
