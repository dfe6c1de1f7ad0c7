"""Take over a published state dict by name and shape, and say what matched, what lacked and what was left over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from clapline.errors import UserError


@dataclass(frozen=True)
class Matched:
    """How a state dict met a module.

    A tensor of the module whose name exists with another size counts as missing, and its entry there says both shapes.
    """

    loaded: int  # tensors of the module that were filled, parameters and buffers
    missing: list[str] = field(default_factory=list)  # tensors of the module that the state dict does not fill
    unexpected: list[str] = field(default_factory=list)  # names of the state dict that the module has no place for
    reshaped: list[str] = field(default_factory=list)  # filled although axes of length 1 were more or fewer
    ignored: list[str] = field(default_factory=list)  # left out on purpose, by prefix

    def __str__(self) -> str:
        """Return one line: counts, and the first names of each list that is not empty."""
        parts = [f"{self.loaded} tensors loaded"]
        for name in ("missing", "unexpected", "reshaped", "ignored"):
            names = getattr(self, name)
            if names:
                parts.append(f"{len(names)} {name}: {shorten(names)}")
        return "; ".join(parts)


def shorten(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def match(
    module: nn.Module,
    state_dict: Mapping[str, Tensor],
    ignore: Sequence[str] = (),
    *,
    allow_missing: Sequence[str] = (),
    source: str = "the checkpoint",
) -> Matched:
    """Fill the parameters and buffers of `module` from tensors of the same name and shape.

    Shapes are equal when they differ only in axes of length 1, e.g. (1, 1, 768) and (768,): such a tensor holds the
    same numbers in the same order. No other change of shape is made. Nothing is filled when an error is raised.

    Args:
        module: what is filled; each tensor keeps its own dtype and device.
        state_dict: names as the module has them.
        ignore: prefixes of names in the state dict that have no place here on purpose, such as classifier heads.
        allow_missing: prefixes of the module's names that may stay as they are; "" allows all.
        source: what the state dict came from, for the error.

    Raises:
        UserError: a tensor of the module is not filled, and `allow_missing` does not name it.
    """
    own = module.state_dict(keep_vars=True)
    ignored = [name for name in state_dict if name.startswith(tuple(ignore))]
    left_out = set(ignored)
    missing, reshaped, found = [], [], {}
    for name, target in own.items():
        given = None if name in left_out else state_dict.get(name)
        if given is None:
            missing.append(name)
        elif _essential(given.shape) != _essential(target.shape):
            missing.append(f"{name}: {tuple(given.shape)} instead of {tuple(target.shape)}")
        else:
            found[name] = given
            if given.shape != target.shape:
                reshaped.append(name)
    unexpected = [name for name in state_dict if name not in own and name not in left_out]
    refused = [name for name in missing if not name.startswith(tuple(allow_missing))]
    if refused:
        extra = f"; not used: {shorten(unexpected)}" if unexpected else ""
        raise UserError(f"{source} does not fit {type(module).__name__}: missing {shorten(refused)}{extra}")
    with torch.no_grad():
        for name, given in found.items():
            own[name].copy_(given.reshape(own[name].shape))
    return Matched(len(found), missing, unexpected, reshaped, ignored)


def renamed(state_dict: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors below a prefix, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in state_dict.items() if name.startswith(prefix)}


def _essential(shape: Iterable[int]) -> list[int]:
    """Return the axes that are longer than 1."""
    return [size for size in shape if size != 1]
