"""In which precision losses are computed: fp32 at least, whatever the encoders' own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor


def wide(values: Tensor) -> Tensor:
    """Return half-precision values in fp32, others as they are (float64 stays float64)."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Multiply fp32 matrices in a precision of torch's (`highest`, or `high`, which is TF32 on a GPU) for a while.

    What is computed again in a backward pass must come out as it did before, whatever has been set since.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
