"""In which precision losses are computed: fp32 at least, whatever the encoders' own."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(values: Tensor) -> Tensor:
    """Return half-precision values in fp32, others as they are (float64 stays float64)."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
