"""Which engine searches, and on what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from clapline.errors import UserError

Kind = Literal["exact", "faiss_flat", "faiss_ivf"]
Product = Literal["auto", "numpy", "float32", "bfloat16"]


@dataclass(frozen=True)
class Engine:
    """How pairs are proposed; what decides on them is the same for all.

    Attributes:
        kind: `exact` loses none. `faiss_flat` compares all in float32 too, by FAISS; `faiss_ivf` looks into some lists
            of the gallery for each row, and misses what lies in others (see `recall`). Both hold a copy of the gallery.
        device: where `exact` multiplies, in torch's words.
        product: what `exact` multiplies with, numpy or torch in float32 or bfloat16; `auto` tries what is fastest here.
            The result is the same to the bit.
        lists: lists of `faiss_ivf`; None: about 4 √m for a gallery of m.
        probes: lists that `faiss_ivf` looks into for each row.
    """

    kind: Kind = "exact"
    device: str = "cpu"
    product: Product = "auto"
    lists: int | None = None
    probes: int = 16

    def __post_init__(self) -> None:
        for name, allowed in (("kind", get_args(Kind)), ("product", get_args(Product))):
            if getattr(self, name) not in allowed:
                raise UserError(f"search: {name} = {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        for name in ("lists", "probes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"search: {name} = {value}; allowed: 1 or more")

    def lists_for(self, gallery: int) -> int:
        """Return the number of lists for so many gallery rows, no more than those."""
        return max(1, min(gallery, self.lists or round(4 * math.sqrt(gallery))))


EXACT = Engine()
