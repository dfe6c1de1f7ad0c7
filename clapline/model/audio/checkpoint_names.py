"""What the names and shapes of a vision transformer's state dict say of its sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from clapline.errors import UserError

HEAD_WIDTH = 64  # of every published PaSST and ATST-Frame; the shapes do not tell the number of heads


def prefix_of(tensors: Mapping[str, Tensor], marker: str, prefixes: Sequence[str], family: str) -> str:
    """Return the first of the prefixes below which a tensor named `marker` lies.

    Raises:
        UserError: there is none: the weights of another network.
    """
    for prefix in prefixes:
        if prefix + marker in tensors:
            return prefix
    raise UserError(f"no weights of {family}: no tensor {marker!r} among {', '.join(list(tensors)[:6])}, …")


def require(tensors: Mapping[str, Tensor], names: Sequence[str], family: str) -> None:
    """Refuse a state dict that lacks one of the names.

    Raises:
        UserError: the weights of another network, or a part of them.
    """
    lacking = [name for name in names if name not in tensors]
    if lacking:
        raise UserError(f"no weights of {family}: no tensor {', '.join(lacking)}")


def block_sizes(tensors: Mapping[str, Tensor], prefix: str, family: str) -> dict[str, Any]:
    """Return width, depth, heads, hidden and the bias of queries, keys and values, for `VitSizes`.

    Raises:
        UserError: there are no transformer blocks.
    """
    first = prefix + "blocks.0.mlp.fc1.weight"
    require(tensors, [first], family)
    hidden, width = tensors[first].shape
    pattern = re.compile(re.escape(prefix) + r"blocks\.(\d+)\.")
    depth = 1 + max(int(found[1]) for name in tensors if (found := pattern.match(name)))
    return {
        "width": width,
        "depth": depth,
        "heads": max(1, width // HEAD_WIDTH),
        "hidden": hidden,
        "query_key_value_bias": prefix + "blocks.0.attn.qkv.bias" in tensors,
    }
