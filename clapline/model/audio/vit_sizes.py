"""The sizes of a spectrogram vision transformer: what a saved folder must say to build it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clapline.errors import UserError

SETTABLE = ("width", "depth", "heads", "hidden", "patch")


@dataclass(frozen=True)
class VitSizes:
    """Sizes of a `SpectrogramVit`. Pairs are (bands, frames)."""

    patch: tuple[int, int]
    stride: tuple[int, int]
    rows: int  # patches along the bands: what it was built for, and no other number
    columns: int  # length of the table of time positions: inputs may be shorter
    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072  # units of the feed-forward layer
    summary_tokens: int = 0  # learned tokens before the patches: CLS, DIST
    query_key_value_bias: bool = True

    def __post_init__(self) -> None:
        if self.heads < 1 or self.width % self.heads:
            raise UserError(f"audio.config: width {self.width} is not a multiple of heads {self.heads}")

    def as_config(self) -> dict[str, Any]:
        """Return the sizes as plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> VitSizes:
        """Return what `as_config` wrote.

        Raises:
            UserError: a size is missing or unknown.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(config) != names:
            raise UserError(f"a spectrogram transformer has the sizes {', '.join(sorted(names))}; got {dict(config)}")
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in config.items()})


def patches_along(size: int, patch: int, stride: int) -> int:
    """Return how many patches fit along an axis, without padding; 0 where not even one does."""
    return max(0, (size - patch) // stride + 1)


def random_sizes(
    config: Mapping[str, Any], *, patch: tuple[int, int], stride: tuple[int, int] | None, bands: int, frames: int
) -> dict[str, Any]:
    """Return the sizes of a new transformer, for `VitSizes`: the base model's, with what `config` says instead.

    A width given without heads takes heads of 64; without hidden, four times the width.

    Args:
        config: `audio.config`; its names are `SETTABLE`.
        patch: size of a patch in bands and frames where `config` does not say it.
        stride: step of the patches; None: their size, that is no overlap.
        bands: mel bands of the features.
        frames: frames of a segment; the table of time positions is sized by them.

    Raises:
        UserError: an unknown name, a size that is no positive whole number, a patch larger than a segment.
    """
    unknown = sorted(set(config) - set(SETTABLE))
    if unknown:
        raise UserError(f"audio.config has no {', '.join(unknown)}; it has {', '.join(SETTABLE)}")
    chosen = {name: value for name, value in config.items() if name != "patch"}
    for name, value in chosen.items():
        if not _is_size(value):
            raise UserError(f"audio.config.{name} must be a whole number above 0, not {value!r}")
    given = config.get("patch", patch)
    if not isinstance(given, (list, tuple)) or len(given) != 2 or not all(map(_is_size, given)):
        raise UserError(f"audio.config.patch must be two whole numbers above 0, bands and frames, not {given!r}")
    patch = (given[0], given[1])
    stride = stride or patch
    if patch[0] > bands or patch[1] > frames:
        raise UserError(f"patches of {patch[0]} bands × {patch[1]} frames do not fit {bands} bands × {frames} frames")
    width = chosen.setdefault("width", 768)
    chosen.setdefault("heads", max(1, width // 64))
    chosen.setdefault("hidden", 4 * width)
    rows, columns = patches_along(bands, patch[0], stride[0]), patches_along(frames, patch[1], stride[1])
    return {**chosen, "patch": patch, "stride": stride, "rows": rows, "columns": columns}


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
