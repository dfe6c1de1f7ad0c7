"""Hierarchical masks of audio and text: which units of a clip or caption stay visible, level after level.

ProLAP (arXiv 2510.18423) compares an input with masked versions of itself, each of which sees a part of what the one
before saw. It draws the audio's masks on HTSAT's last grid of band x time, whose details are not public. Here a unit of
a clip is a stretch of its time, all bands of it, one of equal stretches of the full time that the model hears: our
choice, since it takes stretches of sound away, as a shorter event would, and since one contract fits every encoder
family, with or without a grid. A unit of a caption is a token.

Units cover the input that was not cut. One that was cut to the longest clip of its batch holds the first of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def nested_masks(valid: Tensor, draws: Tensor, keep: Sequence[float], minimum: int) -> list[Tensor]:
    """Return the masks M_0 to M_levels, `(n, units)` boolean each (ProLAP, arXiv 2510.18423).

    M_0 is `valid`, and M_{l+1} holds the units of M_l whose draw lies below `keep[l]`: no unit comes back. Where fewer
    than `minimum` would be left in a row, those of M_l with the smallest draws stay, or all where it has no more. The
    same draws give the same masks.

    Args:
        valid: `(n, units)` boolean, the units that may be seen.
        draws: `(levels, n, units)`, uniform in [0, 1).
        keep: of each level, the probability in [0, 1] that a unit stays; 1 leaves a mask as it is.
        minimum: units that stay visible in each row, 0 or more.
    """
    if len(draws) != len(keep):
        raise ValueError(f"{len(draws)} levels of draws and {len(keep)} probabilities")
    masks = [valid]
    for drawn, probability in zip(draws, keep, strict=True):
        above = masks[-1]
        stays = drawn < probability
        if minimum:
            # Those that stay by their draw have the smallest ones already: the first places only ever add to them.
            places = drawn.masked_fill(~above, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
            stays = stays | (places < minimum)
        masks.append(above & stays)
    return masks


def units_of_frames(frames: int, units: int, full_frames: int, device: torch.device | None = None) -> Tensor:
    """Return the unit of each frame, `(frames,)` int64 in [0, units): frame f belongs to ⌊f · units / full_frames⌋.

    Args:
        frames: of the present input, all its segments one after the other.
        units: of the input that was not cut.
        full_frames: of the input that was not cut.
        device: of the result.
    """
    places = torch.arange(frames, device=device)
    return (places * units // full_frames).clamp(max=units - 1)


def units_of_positions(
    positions: int, frames: int, units: int, full_frames: int, device: torch.device | None = None
) -> Tensor:
    """Return the unit at the centre of each state, `(positions,)` int64 in [0, units).

    State p of those of the present input belongs to ⌊(p + ½) · frames / positions · units / full_frames⌋, counted in
    whole numbers. Of an input that was not cut, with as many units as positions, that is p.

    Args:
        positions: states of the present input.
        frames: of the present input.
        units: of the input that was not cut.
        full_frames: of the input that was not cut.
        device: of the result.
    """
    centres = 2 * torch.arange(positions, device=device) + 1
    return (centres * (frames * units) // (2 * positions * full_frames)).clamp(max=units - 1)


def valid_units(valid: Tensor, frames: int, units: int, full_frames: int) -> Tensor:
    """Return which units hold something that is no padding, `(n, units)` boolean; at least the first of each row.

    Args:
        valid: `(n,)` in (0, 1], the share of the present input, from its start, that is no padding.
        frames: of the present input.
        units: of the input that was not cut.
        full_frames: of the input that was not cut.
    """
    # The slack holds the rounding of float32 shares, as in `valid_positions`.
    count = torch.ceil(valid.double() * (frames * units / full_frames) - 1e-4).clamp(1, units)
    return torch.arange(units, device=valid.device) < count[:, None]


def at_frames(hidden: Tensor, segments: int, frames: int, full_frames: int) -> Tensor:
    """Return units `(n, units)` as the frames of features, `(n, segments, frames)`, both boolean."""
    places = units_of_frames(segments * frames, hidden.shape[1], full_frames, hidden.device)
    return hidden[:, places].unflatten(1, (segments, frames))


def at_positions(hidden: Tensor, valid: Tensor, positions: int, frames: int, full_frames: int) -> Tensor:
    """Return units `(n, units)` as the states of the present input, `(n, positions)`, both boolean.

    A state that begins in the last unit of a clip and has its centre in the padding behind is of that last unit.

    Args:
        hidden: `(n, units)`.
        valid: `(n, units)`, what `valid_units` gave.
        positions: states of the present input.
        frames: of the present input.
        full_frames: of the input that was not cut.
    """
    places = units_of_positions(positions, frames, hidden.shape[1], full_frames, hidden.device)
    return hidden.gather(1, torch.minimum(places, valid.sum(dim=1, keepdim=True) - 1))


def replace_frames(features: Tensor, hidden: Tensor, spectrum: Tensor) -> Tensor:
    """Return features with a spectrum in place of the hidden frames; the others stay bit for bit.

    Args:
        features: `(n, segments, bands, frames)`.
        hidden: `(n, segments, frames)` boolean.
        spectrum: `(bands,)`.
    """
    return torch.where(hidden.unsqueeze(2), spectrum.to(features.dtype)[:, None], features)
