"""Structured patchout: in training whole rows and columns of spectrogram patches are left out.

Koutini et al., "Efficient training of audio transformers with patchout" (Interspeech 2022, arXiv 2110.05069), section
2.2. One draw serves the whole batch, so that the sequence has one length; it comes from torch's generator on the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clapline.errors import UserError


def kept_indices(count: int, dropped: int) -> Tensor:
    """Return the `count - dropped` indices that stay, in order, every subset being equally likely (on the CPU)."""
    return torch.randperm(count)[: count - dropped].sort().values


def patchout(grid: Tensor, bands: int, frames: int) -> tuple[Tensor, Tensor | None]:
    """Leave out `bands` rows and `frames` columns of a grid of patches `(batch, width, rows, columns)`.

    Returns:
        The smaller grid, and the indices of the columns that stayed, on the grid's device (None: all).

    Raises:
        UserError: nothing would be left.
    """
    rows, columns = grid.shape[2:]
    check_patchout(rows, columns, bands, frames)
    kept = None
    if frames:
        kept = kept_indices(columns, frames).to(grid.device)
        grid = grid.index_select(3, kept)
    if bands:
        grid = grid.index_select(2, kept_indices(rows, bands).to(grid.device))
    return grid, kept


def check_patchout(rows: int, columns: int, bands: int, frames: int) -> None:
    """Refuse to leave out all patches.

    Raises:
        UserError: no row or no column would be left.
    """
    for name, dropped, count, what in (
        ("patchout_bands", bands, rows, "rows"),
        ("patchout_frames", frames, columns, "columns"),
    ):
        if dropped >= count:
            raise UserError(f"audio.{name} {dropped} leaves nothing of {count} {what} of patches: at most {count - 1}")


def kept_mask(mask: Tensor, kept: Tensor, positions: int) -> Tensor:
    """Return what a mask over all positions becomes when each segment keeps only some of them.

    Where none of the positions that count was kept, the first kept one counts, so that no row is without any.

    Args:
        mask: `(clips, segments · positions)` boolean, of the states without patchout.
        kept: `(positions',)` indices of the columns that stayed, the same in every segment.
        positions: states per segment without patchout.

    Returns:
        `(clips, segments · positions')` boolean.
    """
    thinned = mask.unflatten(1, (-1, positions))[:, :, kept].flatten(1)
    first = torch.zeros_like(thinned)
    first[:, 0] = True
    return torch.where(thinned.any(dim=1, keepdim=True), thinned, first)
